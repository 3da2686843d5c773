"""The insurer's supervision: doctors' sign-ins, ward checks, alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.mode import Mode
from shualian.core.settings import Settings
from shualian.gallery.model import EmbeddingPath
from shualian.gallery.service import Gallery
from shualian.insurer.supervision.alerts.service import Alerts
from shualian.insurer.supervision.captures.model import CapturePurpose
from shualian.insurer.supervision.captures.service import KnownCaptures
from shualian.insurer.supervision.signins.model import SignInPolicy
from shualian.insurer.supervision.signins.service import Doctors, OrderingDoctors, SignIns
from shualian.insurer.supervision.wardchecks.model import DrawPolicy
from shualian.insurer.supervision.wardchecks.ports import Patients
from shualian.insurer.supervision.wardchecks.service import WardChecks, WardPatients
from shualian.trust.keys import KeyProvider
from shualian.trust.sealing import DerivedSecrets, Sealer
from shualian.verification.captures.ports import Health
from shualian.verification.ports import ErrorRates
from shualian.verification.registry.ports import PoliceRegistry

_DOCTOR_GALLERY = "doctors"
_PROTECTION_PURPOSE = "gallery.doctors.protection"


@dataclass(frozen=True, slots=True)
class SupervisionServices:
    """What supervises institutions, doctors and wards.

    Attributes:
        gallery: Of doctors, apart from that of the insured, under keys of its own.
        doctors: Their registry.
        sign_ins: Where each is signed in.
        ordering: Whether who ordered something was signed in; settlement asks it.
        captures: Of doctors and of patients in their beds.
        ward_checks: Drawn at random.
        alerts: For the supervisor.
    """

    gallery: Gallery
    doctors: Doctors
    sign_ins: SignIns
    ordering: OrderingDoctors
    captures: KnownCaptures
    ward_checks: WardChecks
    alerts: Alerts


def supervision_services(
    settings: Settings,
    *,
    database: Database,
    clock: Clock,
    mode: Mode,
    keys: KeyProvider,
    sealer: Sealer,
    paths: Sequence[EmbeddingPath],
    insured: Gallery,
    people: Patients,
    error_rates: ErrorRates,
    registry: PoliceRegistry,
    health: Health,
) -> SupervisionServices:
    """Supervision over an open insurer's database.

    Raises:
        Refused: When a key is missing, or the settings ask for an error rate that is not proven.
    """
    gallery = Gallery(
        _DOCTOR_GALLERY,
        paths,
        database=database,
        keys=DerivedSecrets(keys, _PROTECTION_PURPOSE, b"protection"),
        sealer=sealer,
        clock=clock,
    )
    gallery.rebuild()
    doctors = Doctors(database=database, clock=clock, sealer=sealer, gallery=gallery)
    captures = KnownCaptures(
        database=database,
        clock=clock,
        mode=mode,
        health=health,
        error_rates=error_rates,
        fmr=settings.verification_fmr,
        registry=registry,
        subjects={
            CapturePurpose.DOCTOR_ENROLMENT: doctors,
            CapturePurpose.DOCTOR_SIGN_IN: doctors,
            CapturePurpose.DOCTOR_SIGN_OUT: doctors,
            CapturePurpose.WARD_CHECK: WardPatients(clock=clock, people=people, gallery=insured),
        },
    )
    policy = _sign_in_policy(settings)
    return SupervisionServices(
        gallery=gallery,
        doctors=doctors,
        sign_ins=SignIns(
            database=database, clock=clock, doctors=doctors, captures=captures, policy=policy
        ),
        ordering=OrderingDoctors(policy),
        captures=captures,
        ward_checks=WardChecks(
            database=database,
            clock=clock,
            sealer=sealer,
            captures=captures,
            policy=DrawPolicy(per_day=settings.ward_draws_per_day, share=settings.ward_draw_share),
        ),
        alerts=Alerts(database=database, clock=clock),
    )


def _sign_in_policy(settings: Settings) -> SignInPolicy:
    regions = settings.doctor_sign_in_regions
    return SignInPolicy(
        valid_for=timedelta(hours=settings.doctor_sign_in_hours),
        regions=None if regions is None else frozenset(regions.split()),
    )
