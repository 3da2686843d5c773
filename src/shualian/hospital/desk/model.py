"""What stands on the doctor's screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shualian.core.identifiers import EncounterNo
from shualian.core.money import Fen, total
from shualian.hospital.clinical.model import OrderView, Statement
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.examinations.model import Report
from shualian.hospital.records.model import Chart
from shualian.hospital.scheduling.model import Offer, Practitioner


@dataclass(frozen=True, slots=True)
class EarlierVisit:
    """A visit before this one.

    Attributes:
        encounter_no: Which.
        day: Business day.
        dept_name: Where.
        dept_name_en: The same for people who read English; empty where nobody gave one.
        dr_name: By whom.
        statement: What was said of the illness; none when nothing was.
        reports: What was found.
    """

    encounter_no: EncounterNo
    day: date
    dept_name: str
    dept_name_en: str
    dr_name: str
    statement: Statement | None
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class DoctorView:
    """Everything about a visit that its doctor works with.

    Attributes:
        chart: Who it is, with allergies and history; the look at it is logged.
        encounter: The visit.
        statement: What is said of the illness so far.
        orders: Everything ordered, with states and amounts.
        reports: What was found in this visit.
        earlier: Visits before this one, the latest first.
    """

    chart: Chart
    encounter: Encounter
    statement: Statement | None
    orders: tuple[OrderView, ...]
    reports: tuple[Report, ...]
    earlier: tuple[EarlierVisit, ...]

    @property
    def paid_fen(self) -> Fen:
        """What is settled of the orders."""
        return total([view.paid_fen for view in self.orders])

    @property
    def open_fen(self) -> Fen:
        """What is still to be paid of the orders."""
        return total([view.open_fen for view in self.orders])


@dataclass(frozen=True, slots=True)
class SignInStanding:
    """That a doctor is signed in at the insurer.

    Attributes:
        until: From when it holds no more, UTC.
        confirmed: Whether a colleague confirmed it, in place of the doctor's face.
    """

    until: datetime
    confirmed: bool


@dataclass(frozen=True, slots=True)
class OwnDesk:
    """What a doctor's screen begins with.

    Attributes:
        practitioner: The doctor.
        sessions: Of today, those that are not over, by their beginning.
        sign_in: None while the doctor may sign nothing.
    """

    practitioner: Practitioner
    sessions: Sequence[Offer]
    sign_in: SignInStanding | None
