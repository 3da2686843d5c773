"""A hospital of the sample province: accounts, departments, sessions, wards, medicine."""

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from csv import DictWriter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

from shualian.assembly import HospitalSide
from shualian.core.identifiers import CommandId, StaffId, TerminalId
from shualian.hospital.orders.model import ItemCategory
from shualian.hospital.scheduling.model import (
    Department,
    Doctor,
    Period,
    Practitioner,
    SessionRow,
    Title,
)
from shualian.hospital.stock.model import Delivery
from shualian.hospital.wards.stays.model import Bed, NursingClass, Ward
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.province.model import (
    SampleDepartment,
    SampleDoctor,
    SampleHospital,
    SampleStaff,
)
from shualian.sandbox.province.model import Title as SampleTitle
from shualian.staff.model import INSURER, Caller, Employer, Role
from shualian.staff.passwords.model import HashCost, Password
from shualian.staff.service import StaffServices

PASSPHRASE = "sample four words please"  # noqa: S105 - opens sample accounts only
"""Of every sample account that signs in with a password; said on the screen of the sandbox."""
DAYS_AHEAD = 7
SLOTS = 30
WARD_DEPARTMENT = "0305"
"""Nephrology has beds, and chairs for dialysis."""

_THREADS = 16
"""So many write at once; a database commits them together."""
_HASH_COST = HashCost(passes=1, memory_kib=1024, lanes=1)
"""The pass-phrase of all sample accounts is printed on the screen: nothing is gained by more."""
_EXPIRES_IN = timedelta(days=540)
_BOXES = Decimal(2_000)
_TITLES = {
    SampleTitle.ATTENDING: Title.ORDINARY,
    SampleTitle.ASSOCIATE: Title.ASSOCIATE_CHIEF,
    SampleTitle.CHIEF: Title.CHIEF,
}
_HOURS = ((Period.MORNING, "00:00", "12:00"), (Period.AFTERNOON, "12:00", "23:59"))
"""The sample clinics never close, so that a visit can be played at any hour."""
_NURSING = {
    NursingClass.SPECIAL: "HL002",
    NursingClass.ONE: "HL003",
    NursingClass.TWO: "HL001",
    NursingClass.THREE: "HL004",
}
_SUPERVISOR = Caller(StaffId("SANDBOX-SUPERVISOR"), INSURER, frozenset((Role.SUPERVISOR,)))


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a hospital.

    Attributes:
        administrator: Whose passkey is a program's; sets the hospital up.
        passkey: That passkey.
        by_login: Everybody else, by account name.
    """

    administrator: Caller
    passkey: Authenticator
    by_login: Mapping[str, Caller]


@dataclass(frozen=True, slots=True)
class Opened:
    """A hospital with everything in it.

    Attributes:
        side: Its half of the house.
        sample: What it was made from.
        accounts: Of its staff.
        terminals: Folders of its simulated terminals, by place.
    """

    side: HospitalSide
    sample: SampleHospital
    accounts: Accounts
    terminals: Mapping[str, Path]


def open_accounts(hospital: HospitalSide, sample: SampleHospital) -> Accounts:
    """Make every account; each is approved by the insurer's supervisor, as the rule of two asks."""
    employer, staff = Employer(sample.code), hospital.sample_staff(_HASH_COST)
    accounts, credentials = staff.accounts, staff.credentials
    first = accounts.bootstrap(employer=employer, login="administrator", name="示例管理员")
    key = Authenticator(origin=hospital.settings.staff_origin)
    options = credentials.enrolment_options(code=first.code)
    chief = credentials.enrol_passkey(key.create(options), code=first.code).caller
    people = [each for each in _people(sample) if each.role is not Role.ADMINISTRATOR]
    with ThreadPoolExecutor(_THREADS) as threads:
        made = threads.map(partial(_account, staff, chief), people)
        return Accounts(
            chief, key, {each.login: one for each, one in zip(people, made, strict=True)}
        )


def set_up(
    hospital: HospitalSide,
    sample: SampleHospital,
    accounts: Accounts,
    terminals: Mapping[str, TerminalId],
    days: Sequence[date],
) -> None:
    """Departments, doctors, sessions of these days, a ward, medicine on the shelf."""
    schedule, chief = hospital.schedule, accounts.administrator
    schedule.put_departments(caller=chief, departments=[_department(d) for d in sample.departments])
    schedule.put_practitioners(
        caller=chief,
        practitioners=[_practitioner(each, accounts) for each in sample.doctors],
    )
    schedule.import_sessions(caller=chief, text=_sessions(sample, days, terminals))
    _set_up_ward(hospital, sample)
    _stock(hospital, accounts.by_login["pharmacist1"], days[-1])


def _people(sample: SampleHospital) -> Iterator[SampleStaff]:
    yield from sample.staff
    for doctor in sample.doctors:
        yield SampleStaff(doctor.login, doctor.name, Role.DOCTOR)


def _account(staff: StaffServices, chief: Caller, person: SampleStaff) -> Caller:
    accounts = staff.accounts
    made = accounts.create(
        chief, employer=chief.employer, login=person.login, name=person.name, roles=[person.role]
    )
    (waiting,) = [
        each
        for each in accounts.waiting_outside(_SUPERVISOR)
        if each.account.staff_id == made.staff_id
    ]
    proposal = waiting.account.proposal
    if proposal is None:
        raise LookupError("a new account waits for its approval")
    accounts.approve(_SUPERVISOR, staff_id=made.staff_id, proposal_id=proposal.proposal_id)
    return staff.credentials.enrol_password(
        code=made.code, password=Password.typed(PASSPHRASE)
    ).caller


def _department(sample: SampleDepartment) -> Department:
    return Department(sample.code, sample.name, sample.caty, sample.letter, sample.name_en)


def _practitioner(sample: SampleDoctor, accounts: Accounts) -> Practitioner:
    return Practitioner(
        doctor=Doctor(sample.code, sample.name),
        dept_code=sample.department,
        title=_TITLES[sample.title],
        staff_id=accounts.by_login[sample.login].staff_id,
    )


def _sessions(
    sample: SampleHospital, days: Sequence[date], terminals: Mapping[str, TerminalId]
) -> str:
    text = io.StringIO()
    lines = DictWriter(text, list(SessionRow.model_fields), lineterminator="\n")
    lines.writeheader()
    for day in days:
        for doctor in sample.doctors:
            for period, starts, ends in _HOURS:
                lines.writerow(
                    {
                        "dr_code": doctor.code,
                        "day": day.isoformat(),
                        "period": period.value,
                        "starts": starts,
                        "ends": ends,
                        "room": doctor.room,
                        "room_en": f"Room {doctor.room[3:6]}",
                        "terminal_id": terminals[doctor.room],
                        "slots": SLOTS,
                    }
                )
    return text.getvalue()


def _set_up_ward(hospital: HospitalSide, sample: SampleHospital) -> None:
    found = [each for each in sample.departments if each.code == WARD_DEPARTMENT]
    for department in found:
        beds = [Bed(department.code, f"{number:02d}", "CW001") for number in range(1, 13)]
        hospital.wards.stays.set_up_ward(Ward(_department(department), _NURSING), beds)


def _stock(hospital: HospitalSide, pharmacist: Caller, last_day: date) -> None:
    def receive(code: str) -> None:
        hospital.stock.receive(
            pharmacist,
            command_id=CommandId(f"SANDBOX-STOCK-{code}"),
            delivery=Delivery(code, "S2026-01", last_day + _EXPIRES_IN, _BOXES),
        )

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(receive, _medicines(hospital)))


def _medicines(hospital: HospitalSide) -> Sequence[str]:
    items = hospital.orders.prices_today().items
    return [code for code, item in items.items() if item.category is ItemCategory.MEDICINE]
