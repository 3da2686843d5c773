"""The whole house in one process: the insurer's half, and every hospital of the settings."""

from contextlib import ExitStack
from dataclasses import dataclass

from shualian.assembly.expectations import LocalExpectations
from shualian.assembly.hospital_side import HospitalSide, InsurerPorts, open_hospital_side
from shualian.assembly.insurer_books import LocalInsurerBooks
from shualian.assembly.insurer_platform import LocalInsurerPlatform
from shualian.assembly.insurer_side import InsurerSide, open_insurer_side
from shualian.assembly.people_at_terminals import LocalPeopleAtTerminals
from shualian.core.clock import Clock
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode
from shualian.core.settings import HospitalSettings, Settings
from shualian.hospital.orders.store import load_price_list, packaged_price_lists

_SAMPLE_PRICES = "990000-illustrative.csv"


@dataclass(frozen=True, slots=True)
class House:
    """Both halves; a hospital knows the insurer by its ports only."""

    insurer: InsurerSide
    hospitals: tuple[HospitalSide, ...]


def open_house(opened: ExitStack, settings: Settings, *, mode: Mode, clock: Clock) -> House:
    """Open both halves; ``opened`` closes them.

    Raises:
        Refused: As :func:`open_insurer_side` and :func:`open_hospital_side`.
    """
    insurer = open_insurer_side(settings, mode=mode, clock=clock)
    opened.callback(insurer.close)
    hospitals = []
    for each in settings.hospitals:
        hospital = hospital_beside(insurer, settings, each, mode=mode, clock=clock)
        opened.callback(hospital.close)
        hospitals.append(hospital)
    return House(insurer, tuple(hospitals))


def hospital_beside(
    insurer: InsurerSide,
    settings: Settings,
    hospital: HospitalSettings,
    *,
    mode: Mode,
    clock: Clock,
) -> HospitalSide:
    """A hospital's half in the process of an insurer's.

    Raises:
        Refused: As :func:`open_hospital_side`; ``hospital.price_list_invalid``.
    """
    return open_hospital_side(
        settings,
        hospital=hospital,
        prices=load_price_list(hospital.prices or packaged_price_lists() / _SAMPLE_PRICES),
        insurer=ports_of(insurer, InstitutionCode(hospital.code), clock),
        mode=mode,
        clock=clock,
    )


def ports_of(insurer: InsurerSide, institution: InstitutionCode, clock: Clock) -> InsurerPorts:
    """What a hospital reaches of an insurer in the same process."""
    return InsurerPorts(
        platform=LocalInsurerPlatform(insurer, clock),
        proofs=insurer.verification,
        books=LocalInsurerBooks(insurer, institution),
        sign_ins=insurer.supervision.sign_ins,
        expectations=LocalExpectations(insurer.insured.expectations, institution),
        people=LocalPeopleAtTerminals(insurer.verification),
    )
