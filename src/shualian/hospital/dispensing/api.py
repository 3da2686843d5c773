"""The pharmacy over HTTP: the window's acts for signed-in staff, the own number at a terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, TerminalId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.dispensing.model import (
    DISPENSE_NOT_FOUND,
    CollectorKind,
    DispenseLine,
    DispenseRequest,
    Handover,
    HandoverPart,
    HandoverState,
    Kinship,
    MedicineReturn,
    Picked,
    Proxy,
    RequestNo,
    RequestState,
    ReturnPart,
    ReturnState,
)
from shualian.hospital.dispensing.returns.service import Returns
from shualian.hospital.dispensing.service import Dispensing
from shualian.hospital.evidence_body import (
    EvidenceAtWindow,
    HandedOver,
    TerminalText,
    evidence_at_window,
    no_desk,
)
from shualian.hospital.model import AtTerminal, Evidence, TraceException
from shualian.hospital.payments.service import Payments
from shualian.hospital.records.service import Records
from shualian.hospital.stock.model import BatchId, Delivery, Place, StockBatch
from shualian.hospital.stock.service import Stock
from shualian.staff.model import Caller

MINE_PATH = "/terminal/v1/hospital/dispensing/mine"

CallerOf = Callable[[Request], Caller]
_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_IdentifierPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_ItemPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_.-]{1,50}$")]
_Item = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,50}$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{7,100}$")]
_Reason = Annotated[str, StringConstraints(max_length=100)]
_Quantity = Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=4)]
_Change = Annotated[Decimal, Field(ge=-10_000_000, le=10_000_000, decimal_places=4)]
_Many = Annotated[Decimal, Field(gt=0, le=10_000_000, decimal_places=4)]
_Fen = Annotated[int, Field(ge=0, le=10**12)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ReviewBody(_Body):
    """What a pharmacist says of a prescription; a reason sends it back to the doctor."""

    refused_because: _Reason = ""


class NoteBody(_Body):
    """Why the doctor stands by a refused prescription."""

    note: _Reason


class TakenBody(_Body):
    """What was taken off the shelf for one line."""

    line_no: Annotated[int, Field(ge=0, le=1000)]
    quantity: _Quantity
    codes: Annotated[list[_Code], Field(max_length=500)] = []
    exception: TraceException | None = None
    reason: _Reason = ""
    mother_code: _Code | None = None

    def picked(self) -> Picked:
        """As the use case takes it."""
        return Picked(
            line_no=self.line_no,
            quantity=self.quantity,
            codes=tuple(self.codes),
            exception=self.exception,
            reason=self.reason,
            mother_code=self.mother_code,
        )


class PrepareBody(_Body):
    """Everything that goes out this time."""

    taken: Annotated[list[TakenBody], Field(min_length=1, max_length=100)]


class CommandBody(_Body):
    """A command of the window."""

    command_id: _Identifier


class ProxyBody(_Body):
    """Who collects for the patient, by their own face or document."""

    evidence: EvidenceAtWindow
    kinship: Kinship


class CallBody(_Body):
    """To which terminal a number is called."""

    terminal_id: TerminalText


class ReleaseBody(_Body):
    """Who stands at the window; left out when a command goes on."""

    evidence: EvidenceAtWindow | None = None
    proxy: ProxyBody | None = None
    from_wallet_fen: _Fen = 0


class SlipBody(_Body):
    """The number of a slip, as somebody reads it from paper."""

    slip_no: Annotated[str, StringConstraints(min_length=1, max_length=20)]


class BackBody(_Body):
    """What comes back of one line."""

    line_no: Annotated[int, Field(ge=0, le=1000)]
    quantity: _Quantity
    codes: Annotated[list[_Code], Field(max_length=500)] = []


class ReturnBody(CommandBody):
    """What somebody brings back."""

    parts: Annotated[list[BackBody], Field(min_length=1, max_length=100)]
    unopened: bool
    reason: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class DeliveryBody(CommandBody):
    """What arrived from a supplier."""

    medins_list_codg: _Item
    lot_no: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    expires_on: date
    quantity: _Many


class AdjustmentBody(CommandBody):
    """A correction of stock."""

    batch_id: _Identifier
    change: _Change
    reason: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    place: Place = Place.SHELF


class MineBody(_Body):
    """Whose number is asked for: that of the visit, as it stands on the person's paper."""

    encounter_no: _Identifier


class LineAnswer(BaseModel):
    """A line and what became of it."""

    line_no: int
    medins_list_codg: str
    name_zh: str
    name_en: str
    unit: str
    dose_zh: str
    ordered: Decimal
    released: Decimal
    returned: Decimal
    owed: Decimal
    needs_codes: bool
    self_paid_without_code: bool


class RequestAnswer(BaseModel):
    """A request as the window shows it."""

    request_no: str
    queue_no: str
    masked_name: str
    encounter_no: str
    dr_name: str
    state: RequestState
    note: str
    slip_no: str | None
    lines: list[LineAnswer]


class PartAnswer(BaseModel):
    """What goes out of one line, and from which batches."""

    line_no: int
    quantity: Decimal
    codes: list[str]
    missing: int
    batches: dict[str, Decimal]


class BillAnswer(BaseModel):
    """What the person is asked to pay, in fen."""

    medfee_sumamt: int
    fund_pay_sumamt: int
    acct_pay: int
    psn_cash_pay: int


class HandoverAnswer(BaseModel):
    """A handover; the person confirms ``intent_id``."""

    request_no: str
    state: HandoverState
    command_id: str | None
    intent_id: str | None
    pays: bool
    bill: BillAnswer | None
    parts: list[PartAnswer]
    collector: CollectorKind | None


class UnreleasedAnswer(BaseModel):
    """What was confirmed and not handed out; ``command_id`` goes on with it."""

    handover: HandoverAnswer
    settled: bool


class ReturnAnswer(BaseModel):
    """A return and its money."""

    command_id: str
    request_no: str
    state: ReturnState
    refunded_fen: int | None
    asked_at: datetime


class BatchAnswer(BaseModel):
    """A lot and what there is of it."""

    batch_id: str
    medins_list_codg: str
    lot_no: str
    expires_on: date
    on_shelf: Decimal
    free: Decimal
    in_quarantine: Decimal


class MineAnswer(BaseModel):
    """How far the own medicine is; says nothing of anybody."""

    queue_no: str
    state: RequestState
    ahead: int


@dataclass(frozen=True, slots=True)
class _Window:
    """What answers are made with."""

    payments: Payments
    records: Records
    clock: Clock
    handed_over: HandedOver

    def request(self, found: DispenseRequest) -> RequestAnswer:
        """A request with a masked name."""
        return _request(found, self.records.get(record_no=found.record_no).masked_name)

    def handover(self, found: Handover) -> HandoverAnswer:
        """A handover with its bill."""
        return _handover(found, _bill(self.payments, found))

    def shown(self, body: EvidenceAtWindow | None, by: Caller) -> Evidence | None:
        """What somebody showed at the window."""
        if body is None:
            return None
        today = business_date(self.clock.now())
        return evidence_at_window(
            body, seen_by=by.staff_id, today=today, handed_over=self.handed_over
        )

    def proxy(self, body: ProxyBody | None, by: Caller) -> Proxy | None:
        """Who collects for the patient."""
        if body is None:
            return None
        today = business_date(self.clock.now())
        shown = evidence_at_window(body.evidence, seen_by=by.staff_id, today=today)
        return Proxy(shown, body.kinship)


def staff_routes(
    dispensing: Dispensing,
    returns: Returns,
    payments: Payments,
    records: Records,
    caller: CallerOf,
    *,
    clock: Clock,
    handed_over: HandedOver = no_desk,
) -> APIRouter:
    """What pharmacists, and the doctor who is asked, do.

    Args:
        dispensing: The pharmacy.
        returns: What comes back to it.
        payments: For the bill that the person is shown.
        records: For masked names.
        caller: Who asks, signed in.
        clock: For the dates in documents.
        handed_over: Finds what the terminal beside a desk handed over.
    """
    routes = APIRouter(prefix="/hospital/v1/dispensing", tags=["dispensing"])
    window = _Window(payments, records, clock, handed_over)
    _add_lists(routes, dispensing, caller, window)
    _add_reviews(routes, dispensing, caller, window)
    _add_handovers(routes, dispensing, caller, window)
    _add_returns(routes, returns, caller)
    return routes


def _add_lists(
    routes: APIRouter, dispensing: Dispensing, caller: CallerOf, window: _Window
) -> None:
    @routes.get("/waiting")
    def waiting(by: Annotated[Caller, Depends(caller)]) -> list[RequestAnswer]:
        """What there is to do, by the numbers of the queue."""
        return [window.request(found) for found in dispensing.waiting(by)]

    @routes.get("/unreleased")
    def unreleased(by: Annotated[Caller, Depends(caller)]) -> list[UnreleasedAnswer]:
        """What people have confirmed and nobody has handed out."""
        return [
            UnreleasedAnswer(handover=window.handover(each.handover), settled=each.settled)
            for each in dispensing.unreleased(by)
        ]

    @routes.post("/slips")
    def by_slip(body: SlipBody, by: Annotated[Caller, Depends(caller)]) -> RequestAnswer:
        """The request whose rest is owed under a slip."""
        return window.request(dispensing.by_slip(by, slip_no=body.slip_no))


def _add_reviews(
    routes: APIRouter, dispensing: Dispensing, caller: CallerOf, window: _Window
) -> None:
    @routes.post("/requests/{request_no}/review")
    def review(
        request_no: _IdentifierPath, body: ReviewBody, by: Annotated[Caller, Depends(caller)]
    ) -> RequestAnswer:
        """Review a prescription, or send it back to its doctor."""
        number = RequestNo(request_no)
        reason = body.refused_because
        return window.request(dispensing.review(by, request_no=number, refused_because=reason))

    @routes.post("/requests/{request_no}/stand-by")
    def stand_by(
        request_no: _IdentifierPath, body: NoteBody, by: Annotated[Caller, Depends(caller)]
    ) -> RequestAnswer:
        """The doctor stands by a refused prescription."""
        return window.request(
            dispensing.stand_by(by, request_no=RequestNo(request_no), note=body.note)
        )


def _add_handovers(
    routes: APIRouter, dispensing: Dispensing, caller: CallerOf, window: _Window
) -> None:
    @routes.post("/requests/{request_no}/call")
    def call(
        request_no: _IdentifierPath, body: CallBody, by: Annotated[Caller, Depends(caller)]
    ) -> RequestAnswer:
        """Call a number: the window's terminal waits for this one patient."""
        return window.request(
            dispensing.call(
                by, request_no=RequestNo(request_no), terminal_id=TerminalId(body.terminal_id)
            )
        )

    @routes.post("/requests/{request_no}/prepare")
    def prepare(
        request_no: _IdentifierPath, body: PrepareBody, by: Annotated[Caller, Depends(caller)]
    ) -> HandoverAnswer:
        """Set aside and scan what goes out."""
        taken = [each.picked() for each in body.taken]
        return window.handover(
            dispensing.prepare(by, request_no=RequestNo(request_no), taken=taken)
        )

    @routes.get("/requests/{request_no}/handover")
    def under_way(
        request_no: _IdentifierPath, by: Annotated[Caller, Depends(caller)]
    ) -> HandoverAnswer:
        """The handover that is under way."""
        found = dispensing.handover(by, request_no=RequestNo(request_no))
        if found is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return window.handover(found)

    @routes.post("/requests/{request_no}/bill")
    def bill(
        request_no: _IdentifierPath, body: CommandBody, by: Annotated[Caller, Depends(caller)]
    ) -> HandoverAnswer:
        """Make it ready for the person: boxes told, bill known."""
        command_id = CommandId(body.command_id)
        return window.handover(
            dispensing.bill(by, command_id=command_id, request_no=RequestNo(request_no))
        )

    @routes.post("/handovers/{command_id}/release")
    def release(
        command_id: _IdentifierPath, body: ReleaseBody, by: Annotated[Caller, Depends(caller)]
    ) -> RequestAnswer:
        """Pay, where it is not paid, and hand out, on one confirmation."""
        return window.request(
            dispensing.release(
                by,
                command_id=CommandId(command_id),
                evidence=window.shown(body.evidence, by),
                proxy=window.proxy(body.proxy, by),
                from_wallet_fen=Fen(body.from_wallet_fen),
            )
        )


def _add_returns(routes: APIRouter, returns: Returns, caller: CallerOf) -> None:
    @routes.post("/requests/{request_no}/returns")
    def give_back(
        request_no: _IdentifierPath, body: ReturnBody, by: Annotated[Caller, Depends(caller)]
    ) -> ReturnAnswer:
        """Take medicine back and give its money back."""
        return _return(
            returns.give_back(
                by,
                command_id=CommandId(body.command_id),
                request_no=RequestNo(request_no),
                parts=[
                    ReturnPart(part.line_no, part.quantity, tuple(part.codes))
                    for part in body.parts
                ],
                unopened=body.unopened,
                reason=body.reason,
            )
        )


def stock_routes(stock: Stock, caller: CallerOf) -> APIRouter:
    """What the store room does.

    Args:
        stock: The medicine.
        caller: Who asks, signed in.
    """
    routes = APIRouter(prefix="/hospital/v1/stock", tags=["stock"])

    @routes.get("/medicines")
    def everything(_by: Annotated[Caller, Depends(caller)]) -> list[BatchAnswer]:
        """Every batch there is, by medicine, what expires first first."""
        return [_batch(batch) for batch in stock.everything()]

    @routes.get("/medicines/{medins_list_codg}")
    def of_medicine(
        medins_list_codg: _ItemPath, _by: Annotated[Caller, Depends(caller)]
    ) -> list[BatchAnswer]:
        """The batches of a medicine, what expires first first."""
        return [_batch(batch) for batch in stock.of_medicine(medins_list_codg)]

    @routes.post("/deliveries")
    def receive(body: DeliveryBody, by: Annotated[Caller, Depends(caller)]) -> BatchAnswer:
        """Take in what arrived."""
        delivery = Delivery(body.medins_list_codg, body.lot_no, body.expires_on, body.quantity)
        return _batch(stock.receive(by, command_id=CommandId(body.command_id), delivery=delivery))

    @routes.post("/adjustments")
    def adjust(body: AdjustmentBody, by: Annotated[Caller, Depends(caller)]) -> BatchAnswer:
        """Correct a balance, with a reason."""
        return _batch(
            stock.adjust(
                by,
                command_id=CommandId(body.command_id),
                batch_id=BatchId(body.batch_id),
                change=body.change,
                reason=body.reason,
                place=body.place,
            )
        )

    return routes


def terminal_routes(
    signed: APIRouter,
    dispensing: Dispensing,
    at: Callable[[Request], AtTerminal],
    *,
    institution: InstitutionCode,
) -> APIRouter:
    """What a person asks at a terminal: how far the own medicine is.

    Args:
        signed: The empty router whose requests are verified before their body is read.
        dispensing: The pharmacy.
        at: At which terminal.
        institution: Whose pharmacy it is.
    """

    @signed.post(MINE_PATH)
    def mine(body: MineBody, terminal: Annotated[AtTerminal, Depends(at)]) -> list[MineAnswer]:
        """The numbers of a visit's medicine and how many are before them."""
        if terminal.institution != institution:
            raise Refused(DISPENSE_NOT_FOUND)
        found = dispensing.of_encounter(encounter_no=EncounterNo(body.encounter_no))
        return [
            MineAnswer(queue_no=each.queue_no, state=each.state, ahead=dispensing.ahead_of(each))
            for each in found
        ]

    return signed


def _request(found: DispenseRequest, masked_name: str) -> RequestAnswer:
    return RequestAnswer(
        request_no=found.request_no,
        queue_no=found.queue_no,
        masked_name=masked_name,
        encounter_no=found.encounter_no,
        dr_name=found.dr_name,
        state=found.state,
        note=found.note,
        slip_no=found.slip_no,
        lines=[_line(line) for line in found.lines],
    )


def _line(line: DispenseLine) -> LineAnswer:
    return LineAnswer(
        line_no=line.line_no,
        medins_list_codg=line.medins_list_codg,
        name_zh=line.name_zh,
        name_en=line.name_en,
        unit=line.unit,
        dose_zh=line.dose_zh,
        ordered=line.ordered,
        released=line.released,
        returned=line.returned,
        owed=line.owed,
        needs_codes=line.coded,
        self_paid_without_code=line.untraced,
    )


def _handover(found: Handover, bill: BillAnswer | None) -> HandoverAnswer:
    return HandoverAnswer(
        request_no=found.request_no,
        state=found.state,
        command_id=found.command_id,
        intent_id=found.intent_id,
        pays=found.pays,
        bill=bill,
        parts=[_part(part) for part in found.parts],
        collector=None if found.collector is None else found.collector.kind,
    )


def _part(part: HandoverPart) -> PartAnswer:
    return PartAnswer(
        line_no=part.line_no,
        quantity=part.picked.quantity,
        codes=list(part.picked.codes),
        missing=part.missing,
        batches={pick.batch_id: pick.quantity for pick in part.picks},
    )


def _bill(payments: Payments, found: Handover) -> BillAnswer | None:
    if found.command_id is None or not found.pays:
        return None
    amounts = payments.get(command_id=found.command_id).confirmed.amounts
    return BillAnswer(
        medfee_sumamt=amounts.medfee_sumamt,
        fund_pay_sumamt=amounts.fund_pay_sumamt,
        acct_pay=amounts.acct_pay,
        psn_cash_pay=amounts.psn_cash_pay,
    )


def _return(found: MedicineReturn) -> ReturnAnswer:
    return ReturnAnswer(
        command_id=found.command_id,
        request_no=found.request_no,
        state=found.state,
        refunded_fen=found.refunded_fen,
        asked_at=found.asked_at,
    )


def _batch(batch: StockBatch) -> BatchAnswer:
    return BatchAnswer(
        batch_id=batch.batch_id,
        medins_list_codg=batch.medins_list_codg,
        lot_no=batch.lot_no,
        expires_on=batch.expires_on,
        on_shelf=batch.on_shelf,
        free=batch.free,
        in_quarantine=batch.in_quarantine,
    )
