"""What doctors do, over HTTP: find items, say what it is, draft, preview, sign, withdraw.

For signed-in doctors only. Every address holds numbers of ours and nothing of a person.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.identifiers import CommandId, EncounterNo
from shualian.hospital.clinical.model import (
    DAYS_MAX,
    DIAGNOSES_MAX,
    ClinicalLine,
    CostPreview,
    Diagnosis,
    DiagnosisEntry,
    DiagnosisType,
    OrderKind,
    OrderNo,
    OrderView,
    Standing,
    Statement,
    Use,
    search_diagnoses,
)
from shualian.hospital.clinical.service import ClinicalOrders, Diagnoses
from shualian.hospital.model import SettlementAnswer
from shualian.hospital.orders.model import LINES_MAX, ItemCategory, PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.scheduling.model import Doctor
from shualian.staff.model import Caller, Role, check_role

PREFIX = "/hospital/v1/orders"
DIAGNOSES_PREFIX = "/hospital/v1/diagnoses"
ORDERING = frozenset((Role.DOCTOR,))
"""Who orders."""

DoctorOf = Callable[[Caller], Doctor]
"""Which doctor a member of staff is; refuses who is none."""

_Command = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,50}$")]
_Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Asked = Annotated[str, Query(min_length=1, max_length=50)]
_Limit = Annotated[int, Query(ge=1, le=100)]
_Quantity = Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=4)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class UseBody(_Body):
    """How a medicine is taken."""

    dose: _Short
    frequency: _Short
    route: _Short
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]


class LineBody(_Body):
    """One line of an order; on a prescription with how it is taken."""

    code: _Code
    count: _Quantity
    use: UseBody | None = None


class DraftBody(_Body):
    """A new order, or one that takes the place of another (``amends``)."""

    command_id: _Command
    encounter_no: _Number
    kind: OrderKind
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]
    amends: _Number | None = None


class SignBody(_Body):
    """The codes of the warnings that the doctor has seen."""

    acknowledged: Annotated[list[_Short], Field(max_length=LINES_MAX)] = []


class WithdrawBody(_Body):
    """Why; nothing that says who the patient is."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DiagnosisBody(_Body):
    """One diagnosis."""

    code: Annotated[str, StringConstraints(max_length=20)]
    name: _Short
    kind: DiagnosisType = DiagnosisType.WESTERN


class StatementBody(_Body):
    """What the patient has, the main diagnosis first."""

    command_id: _Command
    encounter_no: _Number
    diagnoses: Annotated[list[DiagnosisBody], Field(min_length=1, max_length=DIAGNOSES_MAX)]
    complaint: Annotated[str, StringConstraints(max_length=1000)] = Field(default="", repr=False)


class ItemAnswer(BaseModel):
    """An item that can be ordered."""

    code: str
    name_zh: str
    name_en: str
    category: ItemCategory
    spec: str
    unit: str
    pric_yuan: Decimal


class LineAnswer(BaseModel):
    """A line of an order."""

    code: str
    name_zh: str
    name_en: str
    count: Decimal
    use: UseBody | None


class OrderAnswer(BaseModel):
    """An order with where its money stands; amounts in fen."""

    order_no: str
    encounter_no: str
    kind: OrderKind
    standing: Standing
    dr_name: str
    drafted_at: datetime
    signed_at: datetime | None
    amends: str | None
    reason: str
    lines: list[LineAnswer]
    amount_fen: int
    open_fen: int
    paid_fen: int


class AmountsAnswer(BaseModel):
    """Who would pay what, in fen."""

    medfee_sumamt: int
    fund_pay_sumamt: int
    acct_pay: int
    psn_cash_pay: int
    psn_part_amt: int
    fulamt_ownpay_amt: int
    overlmt_selfpay: int
    preselfpay_amt: int


class WarningAnswer(BaseModel):
    """Something to see before signing."""

    code: str
    zh: str
    en: str


class PreviewAnswer(BaseModel):
    """What the patient would pay if the draft were signed now."""

    with_order: AmountsAnswer
    without: AmountsAnswer | None
    adds_fen: int
    adds_cash_fen: int
    reasons_zh: list[str]
    reasons_en: list[str]
    warnings: list[WarningAnswer]


class StatementAnswer(BaseModel):
    """What holds of a visit's illness."""

    dr_name: str
    stated_at: datetime
    complaint: str
    diagnoses: list[DiagnosisBody]
    told_at: datetime | None


class EntryAnswer(BaseModel):
    """A diagnosis to choose."""

    code: str
    name_zh: str
    name_en: str


def staff_routes(
    clinical: ClinicalOrders,
    diagnoses: Diagnoses,
    orders: Orders,
    entries: Sequence[DiagnosisEntry],
    caller: Callable[[Request], Caller],
    *,
    doctor_of: DoctorOf,
) -> APIRouter:
    """What doctors do in the consulting room.

    Args:
        clinical: Orders.
        diagnoses: Diagnoses.
        orders: For the prices of the day.
        entries: Diagnoses to choose from.
        caller: Who is signed in.
        doctor_of: Which doctor that is.
    """

    def doctor(request: Request) -> Caller:
        found = caller(request)
        check_role(found, ORDERING)
        return found

    routes = APIRouter()
    routes.include_router(_items(orders, doctor), prefix=PREFIX, tags=["orders"])
    drafting = _drafting(clinical, orders, doctor, doctor_of)
    routes.include_router(drafting, prefix=PREFIX, tags=["orders"])
    ending = _signing(clinical, orders, doctor, doctor_of)
    routes.include_router(ending, prefix=PREFIX, tags=["orders"])
    stating = _stating(diagnoses, entries, doctor, doctor_of)
    routes.include_router(stating, prefix=DIAGNOSES_PREFIX, tags=["diagnoses"])
    return routes


def _items(orders: Orders, doctor: Callable[[Request], Caller]) -> APIRouter:
    routes = APIRouter()

    @routes.get("/items", dependencies=[Depends(doctor)])
    def items(
        text: _Asked,
        category: Annotated[list[ItemCategory], Query(max_length=6)] = [],  # noqa: B006
        limit: _Limit = 20,
    ) -> list[ItemAnswer]:
        """Find items by code, name in either language or first letters of the pinyin."""
        found = orders.prices_today().search(text, categories=category, limit=limit)
        return [
            ItemAnswer(
                code=item.medins_list_codg,
                name_zh=item.name_zh,
                name_en=item.name_en,
                category=item.category,
                spec=item.spec,
                unit=item.unit,
                pric_yuan=item.pric_yuan,
            )
            for item in found
        ]

    return routes


def _drafting(
    clinical: ClinicalOrders,
    orders: Orders,
    doctor: Callable[[Request], Caller],
    doctor_of: DoctorOf,
) -> APIRouter:
    routes = APIRouter()

    @routes.post("/drafts", status_code=201)
    def draft(body: DraftBody, who: Annotated[Caller, Depends(doctor)]) -> OrderAnswer:
        """Draft an order; it costs nothing yet."""
        made = clinical.draft(
            command_id=CommandId(body.command_id),
            encounter_no=EncounterNo(body.encounter_no),
            kind=body.kind,
            lines=[_line(line) for line in body.lines],
            doctor=doctor_of(who),
            drafted_by=who.staff_id,
            amends=None if body.amends is None else OrderNo(body.amends),
        )
        return order_answer(clinical.get(order_no=made.order_no), orders.prices_today())

    @routes.get("/{order_no}/preview", dependencies=[Depends(doctor)])
    def preview(order_no: _NumberPath) -> PreviewAnswer:
        """What the patient would pay if the draft were signed now; changes nothing."""
        return _preview_answer(clinical.preview(order_no=OrderNo(order_no)))

    @routes.post("/{order_no}/discard")
    def discard(order_no: _NumberPath, who: Annotated[Caller, Depends(doctor)]) -> OrderAnswer:
        """Throw a draft away."""
        clinical.discard(order_no=OrderNo(order_no), by=who.staff_id)
        return order_answer(clinical.get(order_no=OrderNo(order_no)), orders.prices_today())

    return routes


def _signing(
    clinical: ClinicalOrders,
    orders: Orders,
    doctor: Callable[[Request], Caller],
    doctor_of: DoctorOf,
) -> APIRouter:
    routes = APIRouter()

    @routes.post("/{order_no}/sign")
    def sign(
        order_no: _NumberPath, body: SignBody, who: Annotated[Caller, Depends(doctor)]
    ) -> OrderAnswer:
        """Sign a draft; only a doctor who is signed in at the insurer."""
        view = clinical.sign(
            order_no=OrderNo(order_no),
            doctor=doctor_of(who),
            by=who.staff_id,
            acknowledged=frozenset(body.acknowledged),
        )
        return order_answer(view, orders.prices_today())

    @routes.post("/{order_no}/withdraw")
    def withdraw(
        order_no: _NumberPath, body: WithdrawBody, who: Annotated[Caller, Depends(doctor)]
    ) -> OrderAnswer:
        """Withdraw an order, with its refund when it was paid."""
        view = clinical.withdraw(order_no=OrderNo(order_no), by=who.staff_id, reason=body.reason)
        return order_answer(view, orders.prices_today())

    @routes.get("/of-encounter/{encounter_no}", dependencies=[Depends(doctor)])
    def of_encounter(encounter_no: _NumberPath) -> list[OrderAnswer]:
        """All orders of a visit, the oldest first."""
        prices = orders.prices_today()
        views = clinical.of_encounter(encounter_no=EncounterNo(encounter_no))
        return [order_answer(view, prices) for view in views]

    return routes


def _stating(
    diagnoses: Diagnoses,
    entries: Sequence[DiagnosisEntry],
    doctor: Callable[[Request], Caller],
    doctor_of: DoctorOf,
) -> APIRouter:
    routes = APIRouter()

    @routes.get("/codes", dependencies=[Depends(doctor)])
    def codes(text: _Asked, limit: _Limit = 20) -> list[EntryAnswer]:
        """Find diagnoses by code, name in either language or first letters of the pinyin."""
        found = search_diagnoses(entries, text, limit=limit)
        return [
            EntryAnswer(code=entry.code, name_zh=entry.name_zh, name_en=entry.name_en)
            for entry in found
        ]

    @routes.post("", status_code=201)
    def state(body: StatementBody, who: Annotated[Caller, Depends(doctor)]) -> StatementAnswer:
        """Say what the patient has; the insurer is told."""
        statement = diagnoses.state(
            command_id=CommandId(body.command_id),
            encounter_no=EncounterNo(body.encounter_no),
            doctor=doctor_of(who),
            stated_by=who.staff_id,
            diagnoses=[Diagnosis(each.code, each.name, each.kind) for each in body.diagnoses],
            complaint=body.complaint,
        )
        return statement_answer(statement)

    return routes


def order_answer(view: OrderView, prices: PriceList) -> OrderAnswer:
    """An order as it is shown."""
    order = view.order
    charged = {item.medins_list_codg: (item.name_zh, item.name_en) for item in view.items}
    priced = {code: (item.name_zh, item.name_en) for code, item in prices.items.items()}
    return OrderAnswer(
        order_no=order.order_no,
        encounter_no=order.encounter_no,
        kind=order.kind,
        standing=view.standing,
        dr_name=order.doctor.dr_name,
        drafted_at=order.drafted_at,
        signed_at=order.signed_at,
        amends=order.amends,
        reason=order.reason,
        lines=[_line_answer(line, priced | charged) for line in order.lines],
        amount_fen=view.amount_fen,
        open_fen=view.open_fen,
        paid_fen=view.paid_fen,
    )


def statement_answer(statement: Statement) -> StatementAnswer:
    """What is said of an illness as it is shown."""
    return StatementAnswer(
        dr_name=statement.doctor.dr_name,
        stated_at=statement.stated_at,
        complaint=statement.complaint,
        diagnoses=[
            DiagnosisBody(code=each.code, name=each.name, kind=each.kind)
            for each in statement.diagnoses
        ],
        told_at=statement.told_at,
    )


def _line(body: LineBody) -> ClinicalLine:
    use = body.use
    return ClinicalLine(
        body.code,
        body.count,
        None if use is None else Use(use.dose, use.frequency, use.route, use.days),
    )


def _line_answer(line: ClinicalLine, names: Mapping[str, tuple[str, str]]) -> LineAnswer:
    # An item that left the price list is still known by its code.
    name_zh, name_en = names.get(line.medins_list_codg, (line.medins_list_codg,) * 2)
    use = line.use
    return LineAnswer(
        code=line.medins_list_codg,
        name_zh=name_zh,
        name_en=name_en,
        count=line.cnt,
        use=None
        if use is None
        else UseBody(dose=use.dose, frequency=use.frequency, route=use.route, days=use.days),
    )


def _preview_answer(preview: CostPreview) -> PreviewAnswer:
    return PreviewAnswer(
        with_order=_amounts(preview.with_order),
        without=None if preview.without is None else _amounts(preview.without),
        adds_fen=preview.adds_fen,
        adds_cash_fen=preview.adds_cash_fen,
        reasons_zh=[reason.zh for reason in preview.with_order.reasons],
        reasons_en=[reason.en for reason in preview.with_order.reasons],
        warnings=[
            WarningAnswer(code=warned.code, zh=warned.zh, en=warned.en)
            for warned in preview.warnings
        ],
    )


def _amounts(answer: SettlementAnswer) -> AmountsAnswer:
    names = AmountsAnswer.model_fields
    return AmountsAnswer(**{name: getattr(answer.amounts, name) for name in names})
