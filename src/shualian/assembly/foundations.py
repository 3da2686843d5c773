"""What both sides stand on: keys, database addresses, staff, audit, nonces, counters."""

from pathlib import Path

from prometheus_client import Counter

from shualian.core.clock import Clock
from shualian.core.database import Database, PostgresDatabase
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import SETTINGS_INVALID, Settings
from shualian.staff.passkeys.model import relying_party
from shualian.staff.passwords.model import HashCost
from shualian.staff.service import StaffServices, staff_services
from shualian.terminals.register.model import Network, parse_networks
from shualian.terminals.requests.model import FreshnessLimits
from shualian.terminals.requests.ports import Nonces
from shualian.terminals.requests.store import MemoryNonces, SharedNonces
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.service import AuditChain
from shualian.trust.keys import DevelopmentKeys, FileKeys, KeyProvider
from shualian.trust.sealing import Sealer

FRESHNESS = FreshnessLimits()


class PrometheusCounter:
    """Counts by name, in one metric with one label."""

    def __init__(self, metric: str, meaning: str) -> None:
        self._counted = Counter(metric, meaning, ["counter"])

    def count(self, name: str) -> None:
        """Add one to the counter of this name."""
        self._counted.labels(counter=name).inc()


REFUSED_REQUESTS = PrometheusCounter(
    "shualian_terminal_requests_refused",
    "Refused requests of terminals, by the name of the refusal's counter",
)
REGISTRY_QUESTIONS = PrometheusCounter(
    "shualian_registry_questions_unanswered",
    "Questions to the police registry without a verdict, by cause",
)
WALLET_CALLS = PrometheusCounter(
    "shualian_wallet_calls_unanswered", "Calls to the e-wallet without an outcome, by cause"
)
SCAN_FAILURES = PrometheusCounter(
    "shualian_scan_failures", "What people were told when a scan failed, by cause"
)


def sqlite_url(path: Path) -> str:
    """Address of an embedded database; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def keys_in(folder: Path, mode: Mode) -> KeyProvider:
    """Development keys in the sandbox, an operator's key files in production."""
    return DevelopmentKeys(folder) if mode is Mode.SANDBOX else FileKeys(folder)


def nonces_for(database: Database, clock: Clock) -> Nonces:
    """In memory where one process serves the database, in the database where several may."""
    if isinstance(database, PostgresDatabase):
        return SharedNonces(database=database, limits=FRESHNESS)
    return MemoryNonces(started_at=clock.now(), limits=FRESHNESS)


def terminal_networks(settings: Settings) -> tuple[Network, ...]:
    """The networks that the settings let in.

    Raises:
        Refused: ``core.settings_invalid``.
    """
    try:
        return parse_networks(settings.terminal_networks)
    except Refused:
        raise Refused(SETTINGS_INVALID, setting="terminal_networks") from None


def staff_of(
    origin: str, database: Database, sealer: Sealer, clock: Clock, *, cost: HashCost | None = None
) -> StaffServices:
    """Accounts and sign-in of one side, whose staff open their pages at ``origin``.

    Args:
        origin: Canonical.
        database: Of the side.
        sealer: For names and password hashes.
        clock: For expiry.
        cost: Of hashing passwords; another one than the default for sample accounts only.
    """
    return staff_services(
        database=database, clock=clock, sealer=sealer, party=relying_party(origin), cost=cost
    )


def audit_of(
    chain: str, settings: Settings, database: Database, keys: KeyProvider, clock: Clock
) -> AuditChain:
    """The audit of one side, its checkpoints in the second place that the settings name."""
    folder = settings.audit_checkpoints_dir
    if folder is None:
        # An operator's own second place is never made here: a missing mount must not pass for it.
        folder = settings.data_dir / CHECKPOINTS_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
    place = CheckpointFolder(folder)
    return AuditChain(chain, database=database, keys=keys, place=place, clock=clock)
