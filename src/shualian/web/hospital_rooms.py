"""The routes of a hospital's rooms, for its terminals and for its staff."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request

from shualian.assembly import HospitalSide
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.hospital.bills import api as bills_api
from shualian.hospital.cashier import api as cashier_api
from shualian.hospital.clinical import api as clinical_api
from shualian.hospital.clinical.store import packaged_diagnoses
from shualian.hospital.desk import api as desk_api
from shualian.hospital.dispensing import api as dispensing_api
from shualian.hospital.emergencies import api as emergencies_api
from shualian.hospital.encounters import api as encounters_api
from shualian.hospital.examinations import api as examinations_api
from shualian.hospital.handovers import api as handovers_api
from shualian.hospital.help import api as help_api
from shualian.hospital.model import TERMINAL_ELSEWHERE, AtTerminal, Label
from shualian.hospital.payments import api as payments_api
from shualian.hospital.prices import api as prices_api
from shualian.hospital.records import api as records_api
from shualian.hospital.scheduling import api as scheduling_api
from shualian.hospital.scheduling.model import Department
from shualian.hospital.wards import api as wards_api
from shualian.staff.model import Caller
from shualian.terminals import api as terminals_api
from shualian.terminals.service import TerminalServices

NO_REAL_MONEY = Label("【演练用，没有真钱】", "[SANDBOX, NO REAL MONEY]")
"""Stands on every line that a sandbox prints."""


def terminal_of(institution: InstitutionCode) -> Callable[[Request], AtTerminal]:
    """A dependency: the hospital's own terminal, whose request was verified.

    Its refusal is ``hospital.terminal_elsewhere``.
    """

    def at(request: Request) -> AtTerminal:
        terminal = terminals_api.verified(request).terminal
        if terminal.institution != institution:
            raise Refused(TERMINAL_ELSEWHERE)
        return AtTerminal(terminal.terminal_id, terminal.institution, terminal.place.name)

    return at


def terminal_rooms(
    hospital: HospitalSide, terminals: TerminalServices, *, origin: str
) -> Sequence[APIRouter]:
    """What a hospital's terminals reach of it; every request is signed.

    Args:
        hospital: Whose rooms.
        terminals: Verify the requests.
        origin: That terminals sign.
    """
    at = terminal_of(hospital.institution)

    def signed() -> APIRouter:
        return terminals_api.signed_routes(terminals, origin=origin)

    return (
        records_api.terminal_routes(signed(), hospital.records, at),
        scheduling_api.terminal_routes(
            signed(),
            hospital.schedule,
            hospital.appointments,
            hospital.encounters,
            at,
            clock=hospital.clock,
        ),
        encounters_api.terminal_routes(signed(), hospital.encounters, at),
        bills_api.terminal_routes(signed(), hospital.bills, at),
        payments_api.terminal_routes(signed(), hospital.payments, at),
        examinations_api.terminal_routes(signed(), hospital.examinations, at),
        dispensing_api.terminal_routes(
            signed(), hospital.dispensing, at, institution=hospital.institution
        ),
        wards_api.terminal_routes(signed(), hospital.wards, at),
        help_api.terminal_routes(signed(), hospital.help, at),
        handovers_api.terminal_routes(
            signed(),
            hospital.faces_at_desks,
            at,
            institution=hospital.institution,
            clock=hospital.clock,
        ),
    )


def staff_rooms(hospital: HospitalSide, caller: Callable[[Request], Caller]) -> Sequence[APIRouter]:
    """What a hospital's staff reach of it, each by the roles that a room lets in.

    Args:
        hospital: Whose rooms.
        caller: Finds who is signed in.
    """
    institution, clock = hospital.institution, hospital.clock
    doctor_of = hospital.schedule.doctor_of

    def department(dept_code: str) -> Department:
        return hospital.schedule.department(dept_code=dept_code)

    return (
        records_api.staff_routes(hospital.records, caller, institution=institution, clock=clock),
        scheduling_api.staff_routes(
            hospital.schedule,
            hospital.appointments,
            hospital.encounters,
            caller,
            institution=institution,
            clock=clock,
        ),
        encounters_api.staff_routes(
            hospital.encounters,
            hospital.records,
            department,
            caller,
            institution=institution,
            clock=clock,
        ),
        emergencies_api.staff_routes(
            hospital.emergencies,
            hospital.records,
            hospital.schedule,
            caller,
            institution=institution,
            clock=clock,
        ),
        clinical_api.staff_routes(
            hospital.clinical,
            hospital.diagnoses,
            hospital.orders,
            packaged_diagnoses(),
            caller,
            doctor_of=doctor_of,
        ),
        desk_api.staff_routes(hospital.doctor_desk, hospital.orders, caller),
        examinations_api.staff_routes(
            hospital.examinations,
            caller,
            doctor_of=doctor_of,
            clock=clock,
            handed_over=hospital.faces_at_desks.evidence,
        ),
        prices_api.staff_routes(hospital.prices, caller),
        *_money(hospital, caller),
        wards_api.staff_routes(
            hospital.wards,
            caller,
            clock=clock,
            handed_over=hospital.faces_at_desks.evidence,
            department=department,
        ),
        handovers_api.staff_routes(hospital.faces_at_desks, caller, clock=clock),
        help_api.staff_routes(hospital.help, caller, institution=institution),
    )


def label_of(mode: Mode) -> Label | None:
    """What stands on every printed line of a hospital in this mode."""
    return NO_REAL_MONEY if mode is Mode.SANDBOX else None


def _money(hospital: HospitalSide, caller: Callable[[Request], Caller]) -> Sequence[APIRouter]:
    clock, handed_over = hospital.clock, hospital.faces_at_desks.evidence
    return (
        payments_api.staff_routes(hospital.payments, caller, clock=clock),
        cashier_api.staff_routes(
            hospital.desk,
            hospital.payments,
            caller,
            clock=clock,
            label=label_of(hospital.mode),
            handed_over=handed_over,
        ),
        dispensing_api.staff_routes(
            hospital.dispensing,
            hospital.returns,
            hospital.payments,
            hospital.records,
            caller,
            clock=clock,
            handed_over=handed_over,
        ),
        dispensing_api.stock_routes(hospital.stock, caller),
    )
