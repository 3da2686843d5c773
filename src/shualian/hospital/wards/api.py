"""Wards over HTTP: for nurses, doctors and the admission desk, and for the device at the bed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, RecordNo, TerminalId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.api import Body
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    HandedOver,
    TerminalText,
    evidence_at_terminal,
    evidence_at_window,
    no_desk,
)
from shualian.hospital.model import SELF_PAID, AtTerminal, Evidence
from shualian.hospital.orders.model import ChargeItem, OrderLine
from shualian.hospital.payments.model import Payment, PaymentState
from shualian.hospital.scheduling.model import DEPARTMENT_NOT_FOUND, Department, Doctor
from shualian.hospital.wards.bedside.model import BedsideReason
from shualian.hospital.wards.dialysis.model import DialysisNo, DialysisSession, Unsettled
from shualian.hospital.wards.service import WardServices
from shualian.hospital.wards.stays.model import (
    Bed,
    CheckReason,
    NursingClass,
    StaffCheck,
    Stay,
    StayState,
    Ward,
)
from shualian.hospital.wards.stays.service import BedAndStay
from shualian.staff.model import Caller, Role, check_role

PREFIX = "/hospital/v1/wards"
TERMINAL_PREFIX = "/terminal/v1/hospital/wards"
ADMITTING = frozenset((Role.CLERK, Role.NURSE, Role.ADMINISTRATOR))
NURSING = frozenset((Role.NURSE,))
TREATING = frozenset((Role.DOCTOR, Role.NURSE))
ORDERING = frozenset((Role.DOCTOR,))
SETTLING = frozenset((Role.NURSE, Role.CLERK))
SETTING_UP = frozenset((Role.ADMINISTRATOR,))
LOOKING = ADMITTING | TREATING

CallerOf = Callable[[Request], Caller]
DepartmentOf = Callable[[str], Department]
"""Finds a department by its code; refuses as ``hospital.department_not_found``."""

_Command = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_WardCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,30}$")]
_WardPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z._-]{1,30}$")]
_BedNo = Annotated[str, StringConstraints(min_length=1, max_length=20)]
_Item = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,50}$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=50)]
_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_Insurance = Annotated[str, StringConstraints(pattern=r"^[0-9]{3,6}$")]
_Wristband = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{10,40}$")]
_Money = Annotated[int, Field(ge=0, le=1_000_000_000)]


class DoctorBody(Body):
    """A doctor as messages to the insurer name one."""

    dr_code: _Code
    dr_name: _Name

    @property
    def doctor(self) -> Doctor:
        """The doctor."""
        return Doctor(self.dr_code, self.dr_name)


class LineBody(Body):
    """What is ordered."""

    medins_list_codg: _Item
    cnt: Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=4)]

    @property
    def line(self) -> OrderLine:
        """The line."""
        return OrderLine(self.medins_list_codg, self.cnt)


class BedBody(Body):
    """A bed and what a day in it is called by the price list."""

    bed_no: _BedNo
    item: _Item


class WardBody(Body):
    """A ward with all its beds."""

    code: _WardCode
    name: _Name
    caty: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,6}$")]
    letter: Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}$")] = "W"
    nursing: dict[NursingClass, _Item] = Field(min_length=1)
    beds: Annotated[list[BedBody], Field(max_length=500)]


class AdmissionBody(Body):
    """Admit a patient; without a face, ``reason`` says why, and the caller answers for it.

    A self-paid stay is under no insurance, whatever ``insutype`` says.
    """

    command_id: _Command
    record_no: _Number
    ward: _WardCode
    bed_no: _BedNo
    nursing: NursingClass
    doctor: DoctorBody
    evidence: EvidenceAtWindow | None = None
    reason: CheckReason | None = None
    insutype: _Insurance | None = None
    self_paid: bool = False


class TransferBody(Body):
    """Another bed, other nursing, or another doctor in charge."""

    ward: _WardCode
    bed_no: _BedNo
    nursing: NursingClass
    doctor: DoctorBody | None = None


class ReinstatementBody(Body):
    """The bed in which the patient lies again."""

    ward: _WardCode
    bed_no: _BedNo


class OrderBody(Body):
    """Something ordered on the ward."""

    command_id: _Command
    doctor: DoctorBody
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=100)]


class PrepareBody(Body):
    """Show who would pay what of all that is open."""

    command_id: _Command
    acct_used_flag: bool = True


class SettleBody(Body):
    """Settle what was shown, on what the patient shows."""

    evidence: EvidenceAtWindow
    from_wallet_fen: _Money = 0


class WristbandBody(Body):
    """Settle by the wristband, for a patient who cannot confirm by face."""

    wristband: _Wristband = Field(repr=False)
    reason: BedsideReason
    from_wallet_fen: _Money = 0


class WardCallBody(Body):
    """Let a device at the bed wait for the patient of a wristband."""

    wristband: _Wristband = Field(repr=False)
    terminal_id: TerminalText


class StandingOrderBody(Body):
    """What every dialysis of a patient is charged."""

    record_no: _Number
    doctor: DoctorBody
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=100)]


class SessionBody(Body):
    """Begin a dialysis; ``doctor`` is who is on duty."""

    command_id: _Command
    encounter_no: _Number
    doctor: DoctorBody | None = None


class BedsidePrepareBody(PrepareBody):
    """The same at a device at the bed."""

    stay_no: _Number


class BedsideSettleBody(Body):
    """Settle at a device at the bed what was shown there."""

    command_id: _Command
    evidence: EvidenceAtTerminal
    from_wallet_fen: _Money = 0


class WardLine(Body):
    """A ward."""

    code: str
    name: str
    name_en: str
    nursing: dict[NursingClass, str]


class StayLine(Body):
    """A stay."""

    stay_no: str
    record_no: str
    masked_name: str = Field(repr=False)
    state: StayState
    ward: str
    bed_no: str
    nursing: NursingClass
    dr_code: str
    dr_name: str
    admitted_at: datetime
    discharged_at: datetime | None
    admitted_by: CheckReason | None


class BedLine(Body):
    """A bed and who lies in it."""

    bed_no: str
    item: str
    stay: StayLine | None


class WristbandAnswer(Body):
    """A code for the wrist, shown this once."""

    wristband: str = Field(repr=False)


class ItemLine(Body):
    """A charge item."""

    feedetl_sn: str
    medins_list_codg: str
    name_zh: str
    name_en: str
    cnt: Decimal
    det_item_fee_sumamt: int
    fee_ocur_time: datetime
    bilg_dr_name: str


class DaysLine(Body):
    """The days that a run has charged."""

    stay_no: str
    days: list[date]


class PaymentAnswer(Body):
    """A payment of a stay, in fen."""

    command_id: str
    stay_no: str
    state: PaymentState
    intent_id: str
    amount_max_fen: int
    medfee_sumamt: int
    fund_pay_sumamt: int
    acct_pay: int
    psn_cash_pay: int
    setl_id: str | None


class DialysisLine(Body):
    """A dialysis session."""

    session_no: str
    record_no: str
    encounter_no: str
    day: date
    nurse: str
    started_at: datetime
    ended_at: datetime | None


class UnsettledLine(DialysisLine):
    """A session whose charges are open, and of whom."""

    masked_name: str = Field(repr=False)
    open_fen: int


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the routes stand on."""

    wards: WardServices
    caller: CallerOf
    clock: Clock
    handed_over: HandedOver
    department: DepartmentOf

    def of_roles(self, roles: frozenset[Role]) -> Callable[[Request], Caller]:
        """Finds who asks, with one of the roles."""

        def who(request: Request) -> Caller:
            found = self.caller(request)
            check_role(found, roles)
            return found

        return who

    def evidence(self, body: EvidenceAtWindow, who: Caller) -> Evidence:
        """What was shown to a member of staff, or handed over by the terminal beside them."""
        return evidence_at_window(
            body,
            seen_by=who.staff_id,
            today=business_date(self.clock.now()),
            handed_over=self.handed_over,
        )

    def english(self, ward: str) -> str:
        """What the department of a ward is called in English; empty where nobody gave a name."""
        with suppress(Refused):
            return self.department(ward).name_en
        return ""

    def line(self, stay: Stay) -> StayLine:
        """A stay for a screen."""
        record = self.wards.records.get(record_no=stay.record_no)
        return StayLine(
            stay_no=stay.stay_no,
            record_no=stay.record_no,
            masked_name=record.masked_name,
            state=stay.state,
            ward=stay.placement.ward,
            bed_no=stay.placement.bed_no,
            nursing=stay.placement.nursing,
            dr_code=stay.doctor.dr_code,
            dr_name=stay.doctor.dr_name,
            admitted_at=stay.admitted_at,
            discharged_at=stay.discharged_at,
            admitted_by=None if stay.check is None else stay.check.reason,
        )

    def bed(self, found: BedAndStay) -> BedLine:
        """A bed for a screen."""
        stay = None if found.stay is None else self.line(found.stay)
        return BedLine(bed_no=found.bed.bed_no, item=found.bed.item, stay=stay)

    def unsettled(self, found: Unsettled) -> UnsettledLine:
        """A session that is not settled, for a screen."""
        record = self.wards.records.get(record_no=found.session.record_no)
        return UnsettledLine(
            **_session(found.session).model_dump(),
            masked_name=record.masked_name,
            open_fen=found.open_fen,
        )


def unknown_department(dept_code: str) -> Department:
    """Where no department is known by another name than its ward's."""
    del dept_code
    raise Refused(DEPARTMENT_NOT_FOUND)


def staff_routes(
    wards: WardServices,
    caller: Callable[[Request], Caller],
    *,
    clock: Clock,
    handed_over: HandedOver = no_desk,
    department: DepartmentOf = unknown_department,
) -> APIRouter:
    """What nurses, doctors, clerks of the admission desk and administrators call.

    Args:
        wards: Of the hospital.
        caller: Finds who is signed in; each route checks the role.
        clock: For the check of an ID number, and for today.
        handed_over: Finds what the terminal beside a desk handed over.
        department: Finds a department, for its name in English.
    """
    desk = _Desk(wards, caller, clock, handed_over, department)
    routes = APIRouter(prefix=PREFIX, tags=["wards"])
    _add_wards(routes, desk)
    _add_stays(routes, desk)
    _add_charges(routes, desk)
    _add_settlements(routes, desk)
    _add_dialysis(routes, desk)
    return routes


def terminal_routes(
    signed: APIRouter, wards: WardServices, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """What a device at the bed calls: the bill, and its settlement on what the patient shows.

    Args:
        signed: Empty; verifies every request before its body is read.
        wards: Of the hospital.
        at: The verified terminal.
    """

    @signed.post(f"{TERMINAL_PREFIX}/payments", status_code=201)
    def prepare(
        body: BedsidePrepareBody,
        _at: Annotated[AtTerminal, Depends(at)],
    ) -> PaymentAnswer:
        """Show who would pay what of all that is open of the stay."""
        made = wards.bedside.prepare(
            command_id=CommandId(body.command_id),
            stay_no=EncounterNo(body.stay_no),
            acct_used_flag=body.acct_used_flag,
        )
        return _payment(made)

    @signed.post(f"{TERMINAL_PREFIX}/settlements")
    def settle(body: BedsideSettleBody, where: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """Settle what was shown."""
        made = wards.bedside.settle(
            command_id=CommandId(body.command_id),
            evidence=evidence_at_terminal(body.evidence, where),
            from_wallet_fen=Fen(body.from_wallet_fen),
        )
        return _payment(made)

    return signed


def _add_wards(routes: APIRouter, desk: _Desk) -> None:
    looking, setting_up = desk.of_roles(LOOKING), desk.of_roles(SETTING_UP)

    @routes.get("", dependencies=[Depends(looking)])
    def wards() -> list[WardLine]:
        """The wards."""
        return [
            WardLine(
                code=ward.code,
                name=ward.department.dept_name,
                name_en=desk.english(ward.code),
                nursing=dict(ward.nursing),
            )
            for ward in desk.wards.stays.wards()
        ]

    @routes.put("", status_code=204, dependencies=[Depends(setting_up)])
    def set_up(body: WardBody) -> None:
        """Say which beds a ward has and what its nursing costs."""
        ward = Ward(Department(body.code, body.name, body.caty, body.letter), body.nursing)
        beds = [Bed(body.code, each.bed_no, each.item) for each in body.beds]
        desk.wards.stays.set_up_ward(ward, beds)

    @routes.get("/beds/{ward}", dependencies=[Depends(looking)])
    def beds(ward: _WardPath, response: Response) -> list[BedLine]:
        """The beds of a ward and who lies in each, masked."""
        response.headers["Cache-Control"] = "no-store"
        return [desk.bed(each) for each in desk.wards.stays.beds(ward)]


def _add_stays(routes: APIRouter, desk: _Desk) -> None:
    looking, admitting = desk.of_roles(LOOKING), desk.of_roles(ADMITTING)
    nursing, treating = desk.of_roles(NURSING), desk.of_roles(TREATING)

    @routes.get("/stays", dependencies=[Depends(looking)])
    def stays(response: Response) -> list[StayLine]:
        """Every stay that is not over, masked."""
        response.headers["Cache-Control"] = "no-store"
        return [desk.line(stay) for stay in desk.wards.stays.live()]

    @routes.post("/stays", status_code=201)
    def admit(body: AdmissionBody, who: Annotated[Caller, Depends(admitting)]) -> StayLine:
        """Admit a patient into an empty bed."""
        evidence = None if body.evidence is None else desk.evidence(body.evidence, who)
        check = None if body.reason is None else StaffCheck(who.staff_id, body.reason)
        made = desk.wards.stays.admit(
            command_id=CommandId(body.command_id),
            record_no=RecordNo(body.record_no),
            ward=body.ward,
            bed_no=body.bed_no,
            nursing=body.nursing,
            doctor=body.doctor.doctor,
            evidence=evidence,
            check=check,
            insutype=SELF_PAID if body.self_paid else body.insutype,
        )
        return desk.line(made)

    @routes.post("/stays/{stay_no}/transfer", dependencies=[Depends(treating)])
    def transfer(stay_no: _NumberPath, body: TransferBody) -> StayLine:
        """Move a patient, or nurse them otherwise."""
        made = desk.wards.stays.transfer(
            stay_no=EncounterNo(stay_no),
            ward=body.ward,
            bed_no=body.bed_no,
            nursing=body.nursing,
            doctor=None if body.doctor is None else body.doctor.doctor,
        )
        return desk.line(made)

    @routes.post("/stays/{stay_no}/wristband", status_code=201)
    def wristband(
        stay_no: _NumberPath, response: Response, who: Annotated[Caller, Depends(nursing)]
    ) -> WristbandAnswer:
        """Print a wristband; older ones are good for nothing."""
        response.headers["Cache-Control"] = "no-store"
        code = desk.wards.stays.print_wristband(stay_no=EncounterNo(stay_no), by=who.staff_id)
        return WristbandAnswer(wristband=code)

    @routes.post("/stays/{stay_no}/discharge", dependencies=[Depends(treating)])
    def discharge(stay_no: _NumberPath) -> StayLine:
        """Discharge a patient; what is open is settled afterwards."""
        stay = desk.wards.stays.discharge(stay_no=EncounterNo(stay_no))
        return desk.line(desk.wards.bedside.close_if_settled(stay.stay_no))

    @routes.post("/stays/{stay_no}/reinstatement", dependencies=[Depends(admitting)])
    def cancel_discharge(stay_no: _NumberPath, body: ReinstatementBody) -> StayLine:
        """Take a discharge back."""
        made = desk.wards.stays.cancel_discharge(
            stay_no=EncounterNo(stay_no), ward=body.ward, bed_no=body.bed_no
        )
        return desk.line(made)

    @routes.post("/stays/{stay_no}/cancellation", dependencies=[Depends(admitting)])
    def cancel_admission(stay_no: _NumberPath) -> StayLine:
        """Take an admission back, as long as nothing is charged."""
        made = desk.wards.stays.cancel_admission(stay_no=EncounterNo(stay_no))
        return desk.line(made)


def _add_charges(routes: APIRouter, desk: _Desk) -> None:
    ordering, looking = desk.of_roles(ORDERING), desk.of_roles(LOOKING)
    nursing = desk.of_roles(NURSING)

    @routes.post("/stays/{stay_no}/orders", status_code=201, dependencies=[Depends(ordering)])
    def order(stay_no: _NumberPath, body: OrderBody) -> list[ItemLine]:
        """Order something on the ward."""
        made = desk.wards.charges.order(
            command_id=CommandId(body.command_id),
            encounter_no=EncounterNo(stay_no),
            lines=[each.line for each in body.lines],
            doctor=body.doctor.doctor,
        )
        return _items(made)

    @routes.get("/stays/{stay_no}/open-items", dependencies=[Depends(looking)])
    def open_items(stay_no: _NumberPath) -> list[ItemLine]:
        """What of a stay is not settled."""
        return _items(desk.wards.charges.open_items(EncounterNo(stay_no)))

    @routes.post("/day-charges", dependencies=[Depends(nursing)])
    def charge_days() -> list[DaysLine]:
        """Charge every in-patient the days that are over and not charged; again does nothing."""
        charged = desk.wards.charges.charge_days()
        return [
            DaysLine(stay_no=stay_no, days=list(charged[stay_no])) for stay_no in sorted(charged)
        ]


def _add_settlements(routes: APIRouter, desk: _Desk) -> None:
    settling, nursing = desk.of_roles(SETTLING), desk.of_roles(NURSING)

    @routes.post("/calls", dependencies=[Depends(nursing)])
    def call(body: WardCallBody, response: Response) -> StayLine:
        """Scan the wristband: the device at the bed waits for this one patient, 1:1."""
        response.headers["Cache-Control"] = "no-store"
        stay = desk.wards.bedside.call(
            wristband=body.wristband, terminal_id=TerminalId(body.terminal_id)
        )
        return desk.line(stay)

    @routes.post("/stays/{stay_no}/payments", status_code=201, dependencies=[Depends(settling)])
    def prepare(stay_no: _NumberPath, body: PrepareBody) -> PaymentAnswer:
        """Show who would pay what of all that is open."""
        made = desk.wards.bedside.prepare(
            command_id=CommandId(body.command_id),
            stay_no=EncounterNo(stay_no),
            acct_used_flag=body.acct_used_flag,
        )
        return _payment(made)

    @routes.post("/payments/{command_id}/settlement")
    def settle(
        command_id: _NumberPath, body: SettleBody, who: Annotated[Caller, Depends(settling)]
    ) -> PaymentAnswer:
        """Settle what was shown, on what the patient shows."""
        made = desk.wards.bedside.settle(
            command_id=CommandId(command_id),
            evidence=desk.evidence(body.evidence, who),
            from_wallet_fen=Fen(body.from_wallet_fen),
        )
        return _payment(made)

    @routes.post("/payments/{command_id}/wristband-settlement")
    def by_wristband(
        command_id: _NumberPath,
        body: WristbandBody,
        who: Annotated[Caller, Depends(nursing)],
    ) -> PaymentAnswer:
        """Settle by the wristband; the nurse who is signed in answers for it."""
        made = desk.wards.bedside.settle_by_wristband(
            command_id=CommandId(command_id),
            wristband=body.wristband,
            nurse=who.staff_id,
            reason=body.reason,
            from_wallet_fen=Fen(body.from_wallet_fen),
        )
        return _payment(made)

    @routes.post("/payments/{command_id}/cancellation", dependencies=[Depends(settling)])
    def cancel(command_id: _NumberPath) -> PaymentAnswer:
        """Take a settlement of a stay back."""
        return _payment(desk.wards.bedside.cancel(command_id=CommandId(command_id)))


def _add_dialysis(routes: APIRouter, desk: _Desk) -> None:
    ordering, nursing = desk.of_roles(ORDERING), desk.of_roles(NURSING)
    looking = desk.of_roles(LOOKING)

    @routes.put("/dialysis/standing-orders", status_code=204, dependencies=[Depends(ordering)])
    def stand(body: StandingOrderBody) -> None:
        """Write what every dialysis of a patient is charged."""
        desk.wards.dialysis.order(
            record_no=RecordNo(body.record_no),
            lines=[each.line for each in body.lines],
            doctor=body.doctor.doctor,
        )

    @routes.post("/dialysis/sessions", status_code=201)
    def begin(body: SessionBody, who: Annotated[Caller, Depends(nursing)]) -> DialysisLine:
        """Begin a session and charge what stands."""
        made = desk.wards.dialysis.begin(
            command_id=CommandId(body.command_id),
            encounter_no=EncounterNo(body.encounter_no),
            nurse=who.staff_id,
            doctor=None if body.doctor is None else body.doctor.doctor,
        )
        return _session(made)

    @routes.post("/dialysis/sessions/{session_no}/end", dependencies=[Depends(nursing)])
    def end(session_no: _NumberPath) -> DialysisLine:
        """End a session."""
        return _session(desk.wards.dialysis.end(session_no=DialysisNo(session_no)))

    @routes.get("/dialysis/unsettled", dependencies=[Depends(looking)])
    def unsettled(
        response: Response, since: Annotated[date | None, Query()] = None
    ) -> list[UnsettledLine]:
        """Whose sessions since a day, today when not given, are not settled."""
        response.headers["Cache-Control"] = "no-store"
        asked = since or business_date(desk.clock.now())
        return [desk.unsettled(each) for each in desk.wards.dialysis.unsettled(since=asked)]


def _items(items: Sequence[ChargeItem]) -> list[ItemLine]:
    return [
        ItemLine(
            feedetl_sn=item.feedetl_sn,
            medins_list_codg=item.medins_list_codg,
            name_zh=item.name_zh,
            name_en=item.name_en,
            cnt=item.cnt,
            det_item_fee_sumamt=item.det_item_fee_sumamt,
            fee_ocur_time=item.fee_ocur_time,
            bilg_dr_name=item.bilg_dr_name,
        )
        for item in items
    ]


def _payment(payment: Payment) -> PaymentAnswer:
    answer = payment.settled or payment.confirmed
    amounts = answer.amounts
    return PaymentAnswer(
        command_id=payment.command_id,
        stay_no=payment.encounter_no,
        state=payment.state,
        intent_id=payment.intent_id,
        amount_max_fen=payment.amount_max_fen,
        medfee_sumamt=amounts.medfee_sumamt,
        fund_pay_sumamt=amounts.fund_pay_sumamt,
        acct_pay=amounts.acct_pay,
        psn_cash_pay=amounts.psn_cash_pay,
        setl_id=answer.setl_id,
    )


def _session(session: DialysisSession) -> DialysisLine:
    return DialysisLine(
        session_no=session.session_no,
        record_no=session.record_no,
        encounter_no=session.encounter_no,
        day=session.day,
        nurse=session.nurse,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )
