"""The insurer's half of the house: everything about faces, and the insurer's money."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shualian.assembly.foundations import (
    FRESHNESS,
    REFUSED_REQUESTS,
    REGISTRY_QUESTIONS,
    SCAN_FAILURES,
    audit_of,
    keys_in,
    nonces_for,
    sqlite_url,
    staff_of,
    terminal_networks,
)
from shualian.assembly.insured import InstitutionNames, InsuredServices, insured_services
from shualian.assembly.supervision import SupervisionServices, supervision_services
from shualian.core.clock import Clock
from shualian.core.database import Database, open_database
from shualian.core.mode import Mode, Side
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.calibration import Calibration, load_calibration
from shualian.face.engine import FaceEngine, load_engine
from shualian.gallery.model import TEMPLATE_UNREADABLE, EmbeddingPath, Rebuilt
from shualian.gallery.service import Gallery
from shualian.gateway.police_registry.service import (
    NoRegistry,
    PoliceRegistryClient,
    open_police_registry,
)
from shualian.insurer.accesses.service import Accesses
from shualian.insurer.assessment.service import Assessments
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.funds.service import Funds
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.messages.service import Messages
from shualian.insurer.notices.model import RunningFacts, check_notice, running_facts
from shualian.insurer.reconciliation.service import Reconciliation
from shualian.insurer.settlement.evidence.service import Cards
from shualian.insurer.settlement.service import Settlements
from shualian.insurer.supervision.captures.service import EitherAccesses, EitherSessions
from shualian.insurer.traces.service import Traces
from shualian.insurer.vouchers.service import JoiningPins
from shualian.staff.service import StaffServices
from shualian.terminals.service import TerminalServices, terminal_services
from shualian.trust.audit.service import AuditChain
from shualian.trust.keys import KeyProvider
from shualian.trust.sealing import DerivedSecrets, Sealer
from shualian.verification.captures.service import Captures
from shualian.verification.emergency.service import EmergencySearch
from shualian.verification.failures.service import ScanFailures
from shualian.verification.model import Policy
from shualian.verification.pauses.service import FacePauses
from shualian.verification.service import Verification

TEMPLATES_PER_PERSON = 1
"""Templates that enrolment keeps of a person; the candidate limit counts with it."""

_INSURED_GALLERY = "insured"
_INSURER_CHAIN = "insurer"
_PROTECTION_PURPOSE = "gallery.insured.protection"


@dataclass(frozen=True, slots=True)
class InsurerSide:
    """Everything about faces and about the insurer's money, over one database."""

    settings: Settings
    mode: Mode
    clock: Clock
    database: Database
    engine: FaceEngine
    calibration: Calibration
    gallery: Gallery
    insured: InsuredServices
    verification: Verification
    captures: Captures
    emergency: EmergencySearch
    pauses: FacePauses
    messages: Messages
    accesses: Accesses
    assessments: Assessments
    registry: PoliceRegistryClient | NoRegistry
    institutions: Institutions
    institution_names: InstitutionNames
    funds: Funds
    settlements: Settlements
    traces: Traces
    cards: Cards
    reconciliation: Reconciliation
    supervision: SupervisionServices
    terminals: TerminalServices
    staff: StaffServices
    audit: AuditChain

    def check_notice(self) -> None:
        """Refuse to face people otherwise than the notice says; ask before anybody is served.

        Raises:
            Refused: ``insurer.notice_differs``.
        """
        check_notice(self.insured.notices.current, facts_of(self.settings))

    def housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What is due now and then, by name: tell what waits, forget what is over.

        Each stands alone: one that fails keeps none of the others from running.
        """
        insured = self.insured
        return (
            ("tell", lambda: self.messages.deliver((insured.templates, insured.family))),
            ("messages", self.messages.purge),
            ("accesses", self.accesses.purge),
            ("filing", self.assessments.note_filing),
            ("expectations", insured.expectations.purge),
            ("pauses", self.pauses.purge),
            ("emergencies", self.emergency.purge),
            ("proposals", insured.family.forget_proposals),
            ("interrupted", insured.finish_interrupted),
            ("ward_checks", self.supervision.ward_checks.tick),
        )

    def daily_housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What looks at everybody and is due once a day."""
        return (("expire", lambda: self.insured.templates.expire(self.clock.now())),)

    def close(self) -> None:
        """Finish and close the database."""
        self.registry.close()
        self.database.close()


def open_insurer_side(settings: Settings, *, mode: Mode, clock: Clock) -> InsurerSide:
    """Open the insurer's half of the house.

    Raises:
        Refused: When weights, calibration, keys, notices or the database are not as they must be,
            or the settings ask for an error rate that is not proven.
    """
    engine = load_engine(settings)
    calibration = load_calibration(engine.path)
    url = settings.insurer_database_url or sqlite_url(settings.data_dir / "insurer.sqlite")
    database = open_database(url, side=Side.INSURER, mode=mode)
    return assemble_insurer(
        settings, mode=mode, clock=clock, database=database, engine=engine, calibration=calibration
    )


def assemble_insurer(
    settings: Settings,
    *,
    mode: Mode,
    clock: Clock,
    database: Database,
    engine: FaceEngine,
    calibration: Calibration,
) -> InsurerSide:
    """The insurer's half over an open database, eyes and their calibration.

    Raises:
        Refused: When calibration, keys or notices are not as they must be, or the settings ask for
            an error rate that is not proven.
    """
    path = EmbeddingPath(engine.path_id, engine.dimension)
    keys = keys_in(settings.data_dir / "insurer-keys", mode)
    sealer = Sealer(keys)
    gallery = Gallery(
        _INSURED_GALLERY,
        [path],
        database=database,
        keys=DerivedSecrets(keys, _PROTECTION_PURPOSE, b"protection"),
        sealer=sealer,
        clock=clock,
    )
    _check_readable(gallery.rebuild())
    insured = insured_services(
        settings,
        database=database,
        clock=clock,
        sealer=sealer,
        mode=mode,
        gallery=gallery,
        path=path,
    )
    insured.finish_interrupted()
    terminals = terminal_services(
        database=database,
        clock=clock,
        hasher=sealer,
        nonces=nonces_for(database, clock),
        counter=REFUSED_REQUESTS,
        mode=mode,
        networks=terminal_networks(settings),
        limits=FRESHNESS,
    )
    pauses = FacePauses(database=database, clock=clock)
    registry = _registry(settings, keys, mode=mode, clock=clock)
    verification = Verification(
        database=database,
        clock=clock,
        gallery=gallery,
        error_rates=calibration,
        policy=_policy(settings),
        mode=mode,
        people=insured.desk,
        expectations=insured.expectations,
        pins=JoiningPins(insured.pins),
        relations=insured.family,
        pauses=pauses,
        registry=registry,
        aftermath=insured.activation,
        registry_check=settings.registry_check,
        degraded_max_fen=Fen(settings.registry_degraded_max_fen),
    )
    supervision = supervision_services(
        settings,
        database=database,
        clock=clock,
        mode=mode,
        keys=keys,
        sealer=sealer,
        paths=[path],
        insured=gallery,
        people=insured.desk,
        error_rates=calibration,
        registry=registry,
        health=terminals.heartbeats,
    )
    institutions = Institutions(database=database)
    institution_names = InstitutionNames(institutions)
    emergency = EmergencySearch(
        database=database,
        clock=clock,
        engine=engine,
        gallery=gallery,
        error_rates=calibration,
        fmr=settings.identification_fmr,
        people=insured.desk,
        sealer=sealer,
        per_day_max=settings.emergency_searches_max,
    )
    settlements = Settlements(
        database=database,
        clock=clock,
        policies=load_policies(packaged_policies(), mode=mode),
        catalogues=load_catalogues(packaged_catalogues(), mode=mode),
        proofs=verification,
        sealer=sealer,
        pins=insured.pins,
        codes=insured.vouchers,
        people=insured.persons,
        ordering=supervision.ordering,
    )
    return InsurerSide(
        settings=settings,
        mode=mode,
        clock=clock,
        database=database,
        engine=engine,
        calibration=calibration,
        gallery=gallery,
        insured=insured,
        verification=verification,
        captures=Captures(
            sessions=EitherSessions(verification, supervision.captures),
            engine=engine,
            error_rates=calibration.proven_attack_detection(),
            messages=terminals.requests,
            health=terminals.heartbeats,
            counter=REFUSED_REQUESTS,
            failures=ScanFailures(SCAN_FAILURES),
            clock=clock,
        ),
        emergency=emergency,
        pauses=pauses,
        messages=Messages(database=database, clock=clock, phone=settings.insurer_phone),
        accesses=Accesses(
            database=database,
            clock=clock,
            faces=EitherAccesses(verification, supervision.captures),
            emergencies=emergency,
            institutions=institution_names,
            guardians=insured.consents,
            months=settings.access_log_months,
        ),
        assessments=Assessments(
            database=database,
            clock=clock,
            settings=settings,
            mode=mode,
            running=facts_of(settings),
            notice=insured.notices.current,
            calibration=calibration,
            filing=insured.templates,
            searches=verification,
        ),
        registry=registry,
        institutions=institutions,
        institution_names=institution_names,
        funds=Funds(database=database, clock=clock),
        settlements=settlements,
        traces=Traces(database=database, clock=clock, visits=settlements.visits),
        cards=Cards(database=database, clock=clock, hasher=sealer),
        reconciliation=Reconciliation(database=database),
        supervision=supervision,
        terminals=terminals,
        staff=staff_of(settings.staff_origin, database, sealer, clock),
        audit=audit_of(_INSURER_CHAIN, settings, database, keys, clock),
    )


def facts_of(settings: Settings) -> RunningFacts:
    """What this assembly does with face data: no frame is stored, templates are, payment is asked.

    The notice is held against it, and the impact assessment is written of it.
    """
    return running_facts(settings, frames_stored=False, templates_kept=True, payment_consent=True)


def _policy(settings: Settings) -> Policy:
    return Policy(
        fpir_max=settings.identification_fpir_max,
        identification_fmr=settings.identification_fmr,
        verification_fmr=settings.verification_fmr,
        margin=settings.identification_margin,
        templates_per_person_max=TEMPLATES_PER_PERSON,
    )


def _registry(
    settings: Settings, keys: KeyProvider, *, mode: Mode, clock: Clock
) -> PoliceRegistryClient | NoRegistry:
    return open_police_registry(
        origin=settings.registry_url,
        public_key=settings.registry_public_key,
        keys=keys,
        first_use_file=settings.data_dir / "police-registry.pub",
        clock=clock,
        mode=mode,
        counter=REGISTRY_QUESTIONS,
    )


def _check_readable(rebuilt: Rebuilt) -> None:
    """A few unreadable templates are altered records; all of them is a wrong folder of keys."""
    if rebuilt.unreadable and not rebuilt.templates:
        raise Refused(TEMPLATE_UNREADABLE, templates=len(rebuilt.unreadable))
