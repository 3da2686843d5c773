"""A district for the tests of terminals: two hospitals, an insurer, certified models, a clock."""

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import MetaData, select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import RefusalKind, Refused
from shualian.terminals.agent.model import sign_request
from shualian.terminals.enrolment.model import (
    EnrolmentCode,
    EnrolmentRequest,
    Invitation,
    key_id_of,
    possession_message,
)
from shualian.terminals.enrolment.service import Enrolments
from shualian.terminals.heartbeat.model import HealthThresholds
from shualian.terminals.heartbeat.service import Heartbeats
from shualian.terminals.model import InstitutionStaff, InsurerStaff, Place, TerminalClass
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceClaim,
    PlaceId,
    PlaceSpec,
    Position,
    SoftwareVersion,
    parse_networks,
)
from shualian.terminals.register.service import Register
from shualian.terminals.requests.model import FreshnessLimits, SignedRequest
from shualian.terminals.requests.ports import Nonces
from shualian.terminals.requests.service import SignedRequests
from shualian.terminals.requests.store import MemoryNonces
from shualian.terminals.store import metadata
from shualian.trust.audit import store as audit_store
from shualian.trust.signatures import Algorithm, SigningKey
from tables import make_tables

T = TypeVar("T")

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HOSPITAL = InstitutionCode("H99000000001")
OTHER_HOSPITAL = InstitutionCode("H99000000002")
ADMINISTRATOR = InstitutionStaff(StaffId("ADMIN-1"), HOSPITAL)
OTHER_ADMINISTRATOR = InstitutionStaff(StaffId("ADMIN-2"), OTHER_HOSPITAL)
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))
ORIGIN = "https://terminals.insurer.example"
TARGET = f"{ORIGIN}/terminal/v1/captures?kind=face"
BODY = b'{"scene":"01101"}'
ADDRESS = "10.20.0.7"
NETWORKS = parse_networks("10.20.0.0/16 fd00:20::/32")
LIMITS = FreshnessLimits()
HALL = Coordinates(39.9042, 116.4074)
SOFTWARE: SoftwareVersion = (2, 1)

CERTIFICATES = {
    TerminalClass.SCAN: "YB-I-0001",
    TerminalClass.SCAN_FACE: "YB-II-0001",
    TerminalClass.SCAN_FACE_PAY: "YB-III-0001",
    TerminalClass.BROWSER: "YB-BROWSER-0001",
    TerminalClass.SIMULATED: "SIM-0001",
}
ALGORITHM_OF = {
    kind: Algorithm.ECDSA_P256_SHA256 if kind is TerminalClass.BROWSER else Algorithm.SM2_SM3
    for kind in TerminalClass
}


def model_of_class(terminal_class: TerminalClass) -> CertifiedModel:
    return CertifiedModel(
        certificate=CERTIFICATES[terminal_class],
        maker="示例终端厂",
        model=f"T-{terminal_class.value}",
        terminal_class=terminal_class,
        valid_until=date(2026, 12, 31),
        software_min=(2,),
        software_current=(2, 1),
    )


def place_spec(
    name: str = "一层大厅 1 号机",
    *,
    terminal_class: TerminalClass = TerminalClass.SCAN_FACE_PAY,
    mobile: bool = False,
    networks: str = "",
) -> PlaceSpec:
    return PlaceSpec(
        place=Place(name=name, department="门诊大厅"),
        coordinates=HALL,
        fence_m=100,
        terminal_class=terminal_class,
        scenes=frozenset(("01101", "01301")),
        mobile=mobile,
        networks=parse_networks(networks),
    )


def answer_of(work: Callable[[], T]) -> T | RefusalKind:
    """What ``work`` gave, or the kind by which it was refused."""
    try:
        return work()
    except Refused as refused:
        return refused.kind


class KeyedHasher:
    """The keyed hash of ``trust`` under a key of the test."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + value, hashlib.sha256)


class Counters:
    """The metrics of the test."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self.counted[name] += 1


@dataclass(frozen=True)
class Device:
    """A terminal as hardware: its key and where it was set up."""

    terminal_id: TerminalId
    place_id: PlaceId
    key: SigningKey
    certificate: str = CERTIFICATES[TerminalClass.SCAN_FACE_PAY]

    def enrolment(
        self, code: EnrolmentCode, *, software: SoftwareVersion = SOFTWARE
    ) -> EnrolmentRequest:
        return EnrolmentRequest(
            code=code,
            certificate=self.certificate,
            software=software,
            public_key=self.key.public_key,
            proof=self.key.sign(possession_message(code, self.key.public_key)),
        )

    def claim(self, position: Position | None = None) -> PlaceClaim:
        return PlaceClaim(self.place_id, position)


def signed(
    key: SigningKey,
    created: datetime,
    *,
    method: str = "POST",
    target_uri: str = TARGET,
    body: bytes = BODY,
    nonce: str | None = None,
    address: str = ADDRESS,
) -> SignedRequest:
    """A request as it arrives at the listener."""
    fields = sign_request(
        key,
        method=method,
        target_uri=target_uri,
        body=body,
        created=created,
        nonce=nonce or secrets.token_urlsafe(16),
    )
    return SignedRequest(
        method=method,
        target_uri=target_uri,
        signature_input=[fields["signature-input"]],
        signature=[fields["signature"]],
        content_digest=[fields["content-digest"]],
        address=address,
        body=body,
    )


class District:
    """Every service over one database."""

    def __init__(
        self, database: Database, *, mode: Mode = Mode.PRODUCTION, nonces: Nonces | None = None
    ) -> None:
        make_tables(database, [metadata, audit_store.metadata])
        self.database = database
        self.clock = SettableClock(START)
        self.counters = Counters()
        self.register = Register(database=database, clock=self.clock)
        self.enrolments = Enrolments(
            database=database, clock=self.clock, hasher=KeyedHasher(), mode=mode
        )
        self.heartbeats = Heartbeats(
            database=database, clock=self.clock, thresholds=HealthThresholds()
        )
        before = START - timedelta(minutes=5)
        self.requests = SignedRequests(
            database=database,
            clock=self.clock,
            nonces=nonces or MemoryNonces(started_at=before, limits=LIMITS),
            counter=self.counters,
            mode=mode,
            networks=NETWORKS,
            limits=LIMITS,
        )

    def now(self) -> datetime:
        return self.clock.now()

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.now() + span)

    def register_models(self, *classes: TerminalClass) -> None:
        for terminal_class in classes or tuple(TerminalClass):
            self.register.register_model(actor=SUPERVISOR, model=model_of_class(terminal_class))

    def invite(self, spec: PlaceSpec | None = None) -> Invitation:
        return self.enrolments.create_place(actor=ADMINISTRATOR, spec=spec or place_spec())

    def device(
        self,
        invitation: Invitation,
        *,
        terminal_class: TerminalClass = TerminalClass.SCAN_FACE_PAY,
    ) -> Device:
        return Device(
            invitation.terminal_id,
            invitation.place_id,
            SigningKey.generate(ALGORITHM_OF[terminal_class]),
            CERTIFICATES[terminal_class],
        )

    def enrolled(self, spec: PlaceSpec | None = None) -> Device:
        """A device whose enrolment waits for approval."""
        wanted = spec or place_spec()
        invitation = self.invite(wanted)
        device = self.device(invitation, terminal_class=wanted.terminal_class)
        self.enrolments.enrol(device.enrolment(invitation.code))
        return device

    def approve(self, device: Device) -> None:
        self.enrolments.approve(
            actor=SUPERVISOR,
            terminal_id=device.terminal_id,
            expected_key_id=key_id_of(device.key.public_key),
        )

    def active(self, spec: PlaceSpec | None = None) -> Device:
        """A device that is believed."""
        device = self.enrolled(spec)
        self.approve(device)
        return device

    def request(self, device: Device) -> SignedRequest:
        return signed(device.key, self.now())

    def changes(self) -> Sequence[str]:
        """The audit's events, in order."""
        query = select(audit_store.events.c.payload).order_by(audit_store.events.c.event_id)
        return self.database.read(lambda each: list(each.scalars(query)))


def altered(request: SignedRequest, **changes: object) -> SignedRequest:
    """The request as somebody on the way might change it."""
    return replace(request, **changes)  # type: ignore[arg-type]


def all_text(database: Database, tables: MetaData = metadata) -> str:
    """Everything that the tables hold, as text."""

    def work(each: object) -> str:
        rows = [list(each.execute(select(table))) for table in tables.sorted_tables]  # type: ignore[attr-defined]
        return repr(rows)

    return database.read(work)
