"""A small outpatient clinic for tests: two departments, three doctors, sessions of some days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from hospital.world import DOCTOR, INTERNAL, START, SURGERY, World, command, staff
from shualian.core.clock import business_date
from shualian.core.identifiers import PersonNo
from shualian.hospital.model import Insurance, InsuredPerson
from shualian.hospital.scheduling.model import (
    Appointment,
    ClinicSession,
    ClinicSessionNo,
    Doctor,
    Practitioner,
    Title,
)
from shualian.staff.model import Role

TODAY = business_date(START)
CHIEF = Doctor("D990000000002", "示例主任", "Dr Sample Chief")
SURGEON = Doctor("D990000000003", "示例外科医生", "Dr Sample Surgeon")
ADMINISTRATOR = staff(Role.ADMINISTRATOR)
ROOM = "T203"
HEAD = "dr_code,day,period,starts,ends,room,room_en,terminal_id,slots\n"


def row(doctor: Doctor, day: date, period: str = "morning", slots: int = 4) -> str:
    starts, ends = {"morning": ("10:00", "12:00"), "afternoon": ("14:00", "17:00")}[period]
    room = f"二楼 203 诊室,Room 203,{ROOM}"
    return f"{doctor.dr_code},{day.isoformat()},{period},{starts},{ends},{room},{slots}\n"


def set_up(world: World, rows: str = "") -> None:
    """The clinic; with a morning and an afternoon of the ordinary doctor unless said otherwise."""
    world.schedule.put_departments(caller=ADMINISTRATOR, departments=[INTERNAL, SURGERY])
    world.schedule.put_practitioners(
        caller=ADMINISTRATOR,
        practitioners=[
            Practitioner(DOCTOR, INTERNAL.dept_code, Title.ORDINARY),
            Practitioner(CHIEF, INTERNAL.dept_code, Title.CHIEF),
            Practitioner(SURGEON, SURGERY.dept_code, Title.ORDINARY),
        ],
    )
    usual = row(DOCTOR, TODAY) + row(DOCTOR, TODAY, "afternoon")
    world.schedule.import_sessions(caller=ADMINISTRATOR, text=HEAD + (rows or usual))


def sessions(world: World, day: date = TODAY) -> Sequence[ClinicSession]:
    """The sessions of a day and the ten after it."""
    offers = world.schedule.offers(first=day, last=day + timedelta(days=10))
    return [offer.session for offer in offers]


def people(count: int) -> list[InsuredPerson]:
    """So many insured people, whom the insurer must be told of (:func:`insure`)."""
    from hospital.world import sample_number

    return [
        InsuredPerson(
            PersonNo(f"99000000{serial:04d}"),
            f"示例{serial}",
            sample_number(serial),
            (Insurance("310", "11", "990000", in_force=True),),
        )
        for serial in range(100, 100 + count)
    ]


def insure(world: World, count: int) -> list[InsuredPerson]:
    """So many people whom the insurer knows."""
    found = people(count)
    world.insurer.people.update({person.psn_no: person for person in found})
    return found


@dataclass
class Booking:
    """The moves of one patient."""

    world: World
    person: InsuredPerson

    def book(self, session_no: ClinicSessionNo, slot_no: int | None = None) -> Appointment:
        return self.world.appointments.book(
            command_id=command(),
            session_no=session_no,
            evidence=self.world.scan(self.person),
            slot_no=slot_no,
        )
