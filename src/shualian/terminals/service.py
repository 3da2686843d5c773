"""Terminals of one insurer, put together."""

from dataclasses import dataclass

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.mode import Mode
from shualian.terminals.enrolment.service import Enrolments
from shualian.terminals.heartbeat.model import HealthThresholds
from shualian.terminals.heartbeat.service import Heartbeats
from shualian.terminals.ports import CodeHasher, RefusalCounter
from shualian.terminals.register.model import Network
from shualian.terminals.register.service import Register
from shualian.terminals.requests.model import FreshnessLimits
from shualian.terminals.requests.ports import Nonces
from shualian.terminals.requests.service import SignedRequests


@dataclass(frozen=True, slots=True)
class TerminalServices:
    """The use cases of terminals over the insurer's database.

    Attributes:
        register: Certified models and places.
        enrolments: The life of every terminal.
        requests: The door of the terminal listener.
        heartbeats: How every terminal fares.
    """

    register: Register
    enrolments: Enrolments
    requests: SignedRequests
    heartbeats: Heartbeats


def terminal_services(
    *,
    database: Database,
    clock: Clock,
    hasher: CodeHasher,
    nonces: Nonces,
    counter: RefusalCounter,
    mode: Mode,
    networks: tuple[Network, ...],
    limits: FreshnessLimits,
) -> TerminalServices:
    """All use cases of terminals over one database.

    Args:
        database: Has the tables of ``terminals.store.metadata`` and of the audit.
        clock: For freshness, validity and health.
        hasher: For one-time codes.
        nonces: In memory for one process, shared for several; made with the same ``limits``.
        counter: Metrics.
        mode: Sandbox or production.
        networks: Allow-list of the terminal listener; none: nobody.
        limits: How old and how early a signature may be.
    """
    return TerminalServices(
        register=Register(database=database, clock=clock),
        enrolments=Enrolments(database=database, clock=clock, hasher=hasher, mode=mode),
        requests=SignedRequests(
            database=database,
            clock=clock,
            nonces=nonces,
            counter=counter,
            mode=mode,
            networks=networks,
            limits=limits,
        ),
        heartbeats=Heartbeats(database=database, clock=clock, thresholds=HealthThresholds()),
    )
