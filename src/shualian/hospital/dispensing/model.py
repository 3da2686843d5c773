"""Dispensing as state machines; pure.

A **request** is what one prescription asks of the pharmacy::

    waiting -> reviewed -> prepared -> part_released | released -> part_returned | returned

with ``waiting | reviewed -> refused -> waiting`` (back to the doctor, and again) and
``-> withdrawn`` before anything was given out. What was released and returned is counted for each
line; the state follows from it.

A **handover** is one time at the window::

    prepared -> ready -> paying -> released

``prepared``: boxes picked, scanned and set aside. ``ready``: the insurer knows the boxes and the
person can be asked to confirm. ``paying``: the person confirmed a bill and its outcome decides;
nothing goes out before it is settled. A payment that ended in nothing leads back to ``prepared``;
``dropped`` is a handover that never came to be. A request has at most one that is under way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    StaffId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    Channel,
    Evidence,
    TraceException,
    TraceLine,
    hospital_kind,
)
from shualian.hospital.stock.model import Pick, is_quantity
from shualian.staff.model import check_two_people
from shualian.verification.model import Scene

RequestNo = NewType("RequestNo", str)
HandoverNo = NewType("HandoverNo", str)

COLLECTING_SCENES = frozenset((Scene.DISPENSING,))
"""For which scenes a face may collect what is paid already."""

WESTERN, PIECES, CHINESE = "09", "10", "11"
"""``med_chrgitm_type`` of medicine: 西药, 中药饮片, 中成药 (3.7 of the interface)."""
MEDICINE = frozenset((WESTERN, PIECES, CHINESE))
CODED = frozenset((WESTERN, CHINESE))
"""Whose boxes carry trace codes."""
REASON_CHARACTERS_MAX = 100
CODE_CHARACTERS_MAX = 100


class RequestState(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    REVIEWED = "reviewed"
    REFUSED = "refused"
    """A pharmacist does not give it out; the doctor amends it or stands by it."""
    PREPARED = "prepared"
    PART_RELEASED = "part_released"
    """The rest is owed, with a slip."""
    RELEASED = "released"
    PART_RETURNED = "part_returned"
    RETURNED = "returned"
    """Everything that went out came back."""
    WITHDRAWN = "withdrawn"


_S = RequestState
_GIVEN = frozenset((_S.PART_RELEASED, _S.RELEASED, _S.PART_RETURNED, _S.RETURNED))
_NEXT: Mapping[RequestState, frozenset[RequestState]] = MappingProxyType(
    {
        _S.WAITING: frozenset((_S.REVIEWED, _S.REFUSED, _S.WITHDRAWN)),
        _S.REFUSED: frozenset((_S.WAITING, _S.WITHDRAWN)),
        _S.REVIEWED: frozenset((_S.PREPARED, _S.REFUSED, _S.WITHDRAWN)),
        _S.PREPARED: frozenset((_S.PART_RELEASED, _S.RELEASED, _S.REVIEWED, _S.WITHDRAWN)),
        _S.PART_RELEASED: _GIVEN,
        _S.RELEASED: frozenset((_S.PART_RETURNED, _S.RETURNED)),
        # The owed rest may still be collected after a part came back.
        _S.PART_RETURNED: frozenset((_S.PART_RETURNED, _S.RETURNED)),
        _S.RETURNED: frozenset((_S.PART_RETURNED,)),
        _S.WITHDRAWN: frozenset(),
    }
)
PREPARING_STATES = frozenset((_S.REVIEWED, _S.PREPARED, *_GIVEN))
"""In which boxes may be picked, as long as something is owed."""
LISTED_STATES = frozenset(
    (_S.WAITING, _S.REVIEWED, _S.REFUSED, _S.PREPARED, _S.PART_RELEASED, _S.PART_RETURNED)
)
"""In which the pharmacy has something to do."""


class HandoverState(StrEnum):
    """Where a handover stands."""

    PREPARED = "prepared"
    READY = "ready"
    PAYING = "paying"
    RELEASED = "released"
    DROPPED = "dropped"


_H = HandoverState
_HANDOVER_NEXT: Mapping[HandoverState, frozenset[HandoverState]] = MappingProxyType(
    {
        _H.PREPARED: frozenset((_H.READY, _H.DROPPED)),
        _H.READY: frozenset((_H.PAYING, _H.RELEASED, _H.PREPARED, _H.DROPPED)),
        _H.PAYING: frozenset((_H.RELEASED, _H.PREPARED)),
        _H.RELEASED: frozenset(),
        _H.DROPPED: frozenset(),
    }
)
UNDER_WAY = frozenset((_H.PREPARED, _H.READY, _H.PAYING))


class Standing(StrEnum):
    """Whether a line is paid, by the stores of orders, payments and the cashier."""

    OPEN = "open"
    """Not settled, and nothing about it is under way."""
    UNDER_WAY = "under_way"
    CASH_OPEN = "cash_open"
    """Settled; what is due in cash was not taken."""
    PAID = "paid"
    GONE = "gone"
    """Withdrawn or given back: it is not on the bill any more."""


class Kinship(StrEnum):
    """What a proxy (家属代办) is to the patient, as they say."""

    SPOUSE = "spouse"
    CHILD = "child"
    PARENT = "parent"
    SIBLING = "sibling"
    RELATIVE = "relative"
    CARER = "carer"
    OTHER = "other"


class CollectorKind(StrEnum):
    """Who stood at the window."""

    PATIENT = "patient"
    FAMILY = "family"
    """Bound to the patient at the insurer; the insurer's evidence lets them pay."""
    PROXY = "proxy"
    """Collects only; no money moves on their face."""


@dataclass(frozen=True, slots=True)
class PrescribedLine:
    """A line of medicine as the prescription and its charge item have it.

    Attributes:
        feedetl_sn: Of the charge item.
        medins_list_codg: The hospital's code.
        name_zh: For people.
        name_en: For people.
        cnt: Quantity, in ``unit``.
        unit: Such as ``盒``; empty where the prescription says none.
        dose_zh: How it is taken, in words; empty where the prescription says nothing.
        med_chrgitm_type: Kind of medicine.
        dr_code: Who prescribed it.
        dr_name: Name of that.
        ordered_by: Command that charged it.
    """

    feedetl_sn: ChargeItemNo
    medins_list_codg: str
    name_zh: str
    name_en: str
    cnt: Decimal
    unit: str
    dose_zh: str
    med_chrgitm_type: str
    dr_code: str
    dr_name: str
    ordered_by: CommandId


@dataclass(frozen=True, slots=True)
class DispenseLine:
    """A line of a request and what became of it.

    Attributes:
        line_no: In the request, from 0.
        feedetl_sn: The charge item that stands for it now.
        medins_list_codg: The hospital's code.
        name_zh: For people.
        name_en: For people.
        unit: Such as ``盒``.
        dose_zh: How it is taken.
        med_chrgitm_type: Kind of medicine.
        ordered: Quantity.
        released: What went out.
        returned: What of that came back.
        coming_back: What of that is being given back just now.
        untraced: Whether it is wholly self-paid because a box had no code.
        released_at: When something of it went out last, UTC.
    """

    line_no: int
    feedetl_sn: ChargeItemNo
    medins_list_codg: str
    name_zh: str
    name_en: str
    unit: str
    dose_zh: str
    med_chrgitm_type: str
    ordered: Decimal
    released: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    coming_back: Decimal = Decimal(0)
    untraced: bool = False
    released_at: datetime | None = None

    @property
    def owed(self) -> Decimal:
        """What was never given out."""
        return self.ordered - self.released

    @property
    def kept(self) -> Decimal:
        """What the patient has and does not give back."""
        return self.released - self.returned - self.coming_back

    @property
    def coded(self) -> bool:
        """Whether its boxes carry trace codes."""
        return self.med_chrgitm_type in CODED


@dataclass(frozen=True, slots=True)
class DispenseRequest:
    """What one prescription asks of the pharmacy.

    Attributes:
        request_no: Its number.
        institution: Whose.
        command_id: Of who asked for it.
        encounter_no: Of which visit.
        record_no: Of whom.
        psn_no: The insurer's number of the person.
        mdtrt_id: The insurer's number of the visit.
        dr_code: Who prescribed it.
        dr_name: Name of that.
        day: Business day of the request.
        queue_place: Place in the pharmacy's queue of that day, from 1.
        opened_at: UTC.
        lines: What is asked.
        state: Where it stands.
        reviewed_by: The pharmacist who reviewed it last.
        reviewed_at: UTC.
        note: Why it was refused, or why the doctor stands by it.
        slip_no: Under which an owed rest is collected.
    """

    request_no: RequestNo
    institution: InstitutionCode
    command_id: CommandId
    encounter_no: EncounterNo
    record_no: RecordNo
    psn_no: PersonNo
    mdtrt_id: VisitId
    dr_code: str
    dr_name: str
    day: date
    queue_place: int
    opened_at: datetime
    lines: tuple[DispenseLine, ...]
    state: RequestState = RequestState.WAITING
    reviewed_by: StaffId | None = None
    reviewed_at: datetime | None = None
    note: str = ""
    slip_no: str | None = None

    @property
    def queue_no(self) -> str:
        """What is called and shown, such as ``P012``."""
        return f"P{self.queue_place:03d}"

    @property
    def owed(self) -> Sequence[DispenseLine]:
        """The lines of which something was never given out."""
        return [line for line in self.lines if line.owed > 0]

    def line(self, line_no: int) -> DispenseLine:
        """A line by its number.

        Raises:
            Refused: ``hospital.dispense_lines``.
        """
        for line in self.lines:
            if line.line_no == line_no:
                return line
        raise Refused(DISPENSE_LINES, line_no=line_no, broken="no such line")


@dataclass(frozen=True, slots=True)
class Picked:
    """What a pharmacist took off the shelf for one line.

    Attributes:
        line_no: For which.
        quantity: Above 0, at most what is owed.
        codes: Trace codes of the boxes.
        exception: Why there are none.
        reason: In words, of a split pack.
        mother_code: Of the opened box.
    """

    line_no: int
    quantity: Decimal
    codes: tuple[str, ...] = ()
    exception: TraceException | None = None
    reason: str = ""
    mother_code: str | None = None


@dataclass(frozen=True, slots=True)
class HandoverPart:
    """What goes out of one line.

    Attributes:
        picked: What was taken off the shelf.
        missing: How many boxes have no code and no exception.
        picks: From which batches.
    """

    picked: Picked
    missing: int
    picks: tuple[Pick, ...]

    @property
    def line_no(self) -> int:
        """Of which line."""
        return self.picked.line_no


@dataclass(frozen=True, slots=True)
class Collector:
    """Who took it.

    Attributes:
        kind: Patient, family or proxy.
        channel: By what they showed who they are.
        psn_no: The insurer's number, where it is known.
        id_number_hash: Keyed hash of the document's number, of a proxy with a document.
        kinship: What a proxy is to the patient.
        seen_by: Who answers for a document.
        proof_digest: Keyed hash of a face proof; a proof collects once.
    """

    kind: CollectorKind
    channel: Channel
    psn_no: PersonNo | None = None
    id_number_hash: bytes | None = field(default=None, repr=False)
    kinship: Kinship | None = None
    seen_by: StaffId | None = None
    proof_digest: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """Somebody who collects for a patient who cannot come.

    Attributes:
        evidence: Their own face or document.
        kinship: What they are to the patient.
    """

    evidence: Evidence
    kinship: Kinship


@dataclass(frozen=True, slots=True)
class Handover:
    """One time at the window.

    Attributes:
        handover_no: Its number; stock moves under it once.
        institution: Whose.
        request_no: Of which request.
        parts: What goes out.
        prepared_by: Who picked it.
        prepared_at: UTC.
        state: Where it stands.
        told: Whether the insurer may know its boxes.
        command_id: Under which it is paid and released, once it is ready.
        pays: Whether it pays under that command too.
        intent_id: What the person is asked to confirm.
        collector: Who confirmed it.
        released_by: Who handed it out.
        released_at: UTC.
    """

    handover_no: HandoverNo
    institution: InstitutionCode
    request_no: RequestNo
    parts: tuple[HandoverPart, ...]
    prepared_by: StaffId
    prepared_at: datetime
    state: HandoverState = HandoverState.PREPARED
    told: bool = False
    command_id: CommandId | None = None
    pays: bool = False
    intent_id: IntentId | None = None
    collector: Collector | None = None
    released_by: StaffId | None = None
    released_at: datetime | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of its boxes."""
        return tuple(code for part in self.parts for code in part.picked.codes)

    @property
    def picks(self) -> tuple[Pick, ...]:
        """What it takes of each batch, each once."""
        return summed([pick for part in self.parts for pick in part.picks])


class ReturnState(StrEnum):
    """Where a return stands."""

    ASKED = "asked"
    """Stored; the refund was asked for or is about to be."""
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ReturnPart:
    """What comes back of one line.

    Attributes:
        line_no: Of which.
        quantity: Above 0, at most what the patient has.
        codes: Trace codes of the boxes, where they had some.
    """

    line_no: int
    quantity: Decimal
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MedicineReturn:
    """Medicine that comes back, and its money.

    Attributes:
        command_id: Of the caller; the refund is asked for under the same.
        institution: Whose.
        request_no: Of which request.
        parts: What.
        reason: In words.
        taken_by: The pharmacist who saw that it is unopened.
        asked_at: UTC.
        state: Where it stands.
        refunded_fen: What was given back, once done.
        refused_code: Why it was not, if it was refused.
    """

    command_id: CommandId
    institution: InstitutionCode
    request_no: RequestNo
    parts: tuple[ReturnPart, ...]
    reason: str
    taken_by: StaffId
    asked_at: datetime
    state: ReturnState = ReturnState.ASKED
    refunded_fen: Fen | None = None
    refused_code: str = ""


@dataclass(frozen=True, slots=True)
class DispensingPolicy:
    """What a hospital decides for itself.

    Attributes:
        reviewer_may_release: Whether who reviewed may also hand out.
        return_within: How long after it went out something may come back.
        never_returned: ``medins_list_codg`` that never come back (cold chain, injections).
    """

    reviewer_may_release: bool = False
    return_within: timedelta = timedelta(days=7)
    never_returned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unreleased:
    """A handover that the person has confirmed and that has not gone out.

    Attributes:
        handover: Which; its ``command_id`` goes on with it.
        settled: Whether its payment is settled, so that the person is owed the medicine now.
    """

    handover: Handover
    settled: bool


DISPENSE_NOT_FOUND = hospital_kind(
    "dispense_not_found",
    "没有这张取药单",
    "There is no such dispense request",
    "请核对取药号",
    "Check the number",
)
DISPENSE_STEP = hospital_kind(
    "dispense_step",
    "这张取药单现在不能做这一步",
    "The request cannot take this step now",
    "请看取药单的状态再办理",
    "Look at the state of the request first",
)
DISPENSE_LINES = hospital_kind(
    "dispense_lines",
    "药品、数量或追溯码不对",
    "The lines, quantities or codes do not fit the prescription",
    "请对照处方重新核对",
    "Compare with the prescription again",
)
DISPENSE_NO_MEDICINE = hospital_kind(
    "dispense_no_medicine",
    "没有等着取的药",
    "There is no medicine to be dispensed",
    "请核对处方；可能已经在另一张取药单上",
    "Check the prescription; it may be on another request",
)
DISPENSE_OTHER_PERSON = hospital_kind(
    "dispense_other_person",
    "窗口前的人不是这张处方的病人",
    "The person at the window is not the patient of this prescription",
    "不要发药。请核对取药号；家属代取请按代办办理",
    "Hand out nothing. Check the number; relatives collect as proxies",
)
DISPENSE_PROXY_CANNOT_PAY = hospital_kind(
    "dispense_proxy_cannot_pay",
    "代办人的脸或证件不能动病人的钱",
    "A proxy's face or document moves none of the patient's money",
    "请用病人本人的医保码、医保卡或证件付款，或先在医保绑定亲情账户",
    "Pay with the patient's own code, card or document, or bind the family account first",
    Helper.INSURER,
)
DISPENSE_EVIDENCE_MISSING = hospital_kind(
    "dispense_evidence_missing",
    "还没有确认是谁来取药",
    "Nobody has shown who collects the medicine",
    "请本人刷脸，或出示医保码、医保卡、证件",
    "Let the person scan, or show a code, a card or a document",
    Helper.SELF,
)
DISPENSE_PROOF_USED = hospital_kind(
    "dispense_proof_used",
    "这次刷脸已经取过一次药",
    "This scan has collected medicine before",
    "请本人重新刷脸",
    "Let the person scan again",
    Helper.SELF,
)
DISPENSE_NOT_PAID = hospital_kind(
    "dispense_not_paid",
    "这张处方的药费没有结清",
    "The medicine is not paid",
    "请先付款，再用同一个编号发药",
    "Pay first; then release with the same command",
)
DISPENSE_CASH_OPEN = hospital_kind(
    "dispense_cash_open",
    "医保已经结算，还有现金没有付",
    "The insurer has settled; cash is still due",
    "请收了现金，再用同一个编号发药，不用再刷脸",
    "Take the cash, then release with the same command; no other scan is needed",
    finality=Finality.TEMPORARY,
)
DISPENSE_OTHER_BILL = hospital_kind(
    "dispense_other_bill",
    "这次就诊还有更早的账单没有付",
    "An earlier bill of this visit is not paid",
    "请先付那一张，再付药费",
    "Pay that one first",
)
DISPENSE_TRACE_MISSING = hospital_kind(
    "dispense_trace_missing",
    "这条药费已经结算，没有追溯码不能发药",
    "The line is settled; without trace codes it is not handed out",
    "请扫药盒上的追溯码，或换一盒有码的",
    "Scan the code on the box, or take one that has a code",
)
DISPENSE_CODE_USED = hospital_kind(
    "dispense_code_used",
    "这盒药的追溯码在另一张取药单上",
    "This trace code is on another request",
    "请换一盒，把这盒留下待查",
    "Take another box and keep this one aside",
)
DISPENSE_EXPIRED = hospital_kind(
    "dispense_expired",
    "备好的药过了有效期",
    "What was prepared has expired meanwhile",
    "请重新配药；已付的钱不用再付",
    "Prepare it again; what is paid stays paid",
)
DISPENSE_NOT_RETURNABLE = hospital_kind(
    "dispense_not_returnable",
    "这种药不能退，或者过了退药的时间",
    "This medicine is not taken back, or the time for that is over",
    "请向病人说明；质量问题找药房负责人",
    "Explain it to the patient; for a defect see the head of the pharmacy",
)
DISPENSE_NOT_RETURNED = hospital_kind(
    "dispense_not_returned",
    "这笔费用的药已经发出，要先退药",
    "The medicine of this bill was handed out; it must come back first",
    "请到药房窗口办理退药，钱一起退",
    "Return the medicine at the pharmacy; the money comes with it",
)
RETURN_OF_TWO_PAYMENTS = hospital_kind(
    "return_of_two_payments",
    "一次只能退同一笔结算里的药",
    "Medicine of one payment is taken back at a time",
    "请分几次退，每次退一笔结算里的",
    "Return it in several steps, one payment each",
)

REFUSALS = (
    RETURN_OF_TWO_PAYMENTS,
    DISPENSE_NOT_FOUND,
    DISPENSE_STEP,
    DISPENSE_LINES,
    DISPENSE_NO_MEDICINE,
    DISPENSE_OTHER_PERSON,
    DISPENSE_PROXY_CANNOT_PAY,
    DISPENSE_EVIDENCE_MISSING,
    DISPENSE_PROOF_USED,
    DISPENSE_NOT_PAID,
    DISPENSE_CASH_OPEN,
    DISPENSE_OTHER_BILL,
    DISPENSE_TRACE_MISSING,
    DISPENSE_CODE_USED,
    DISPENSE_EXPIRED,
    DISPENSE_NOT_RETURNABLE,
    DISPENSE_NOT_RETURNED,
)


def moved(request: DispenseRequest, to: RequestState) -> DispenseRequest:
    """The request one step further.

    Raises:
        Refused: ``hospital.dispense_step``.
    """
    if to not in _NEXT[request.state]:
        raise Refused(DISPENSE_STEP, found=request.state.value, asked=to.value)
    return replace(request, state=to)


def may_withdraw(request: DispenseRequest) -> bool:
    """Whether nothing of a request was given out, so that it can leave the queue."""
    return RequestState.WITHDRAWN in _NEXT[request.state]


def handover_moved(handover: Handover, to: HandoverState) -> Handover:
    """The handover one step further.

    Raises:
        Refused: ``hospital.dispense_step``.
    """
    if to not in _HANDOVER_NEXT[handover.state]:
        raise Refused(DISPENSE_STEP, found=handover.state.value, asked=to.value)
    return replace(handover, state=to)


def new_line(line_no: int, prescribed: PrescribedLine) -> DispenseLine:
    """A line of a request, of which nothing went out yet."""
    return DispenseLine(
        line_no=line_no,
        feedetl_sn=prescribed.feedetl_sn,
        medins_list_codg=prescribed.medins_list_codg,
        name_zh=prescribed.name_zh,
        name_en=prescribed.name_en,
        unit=prescribed.unit,
        dose_zh=prescribed.dose_zh,
        med_chrgitm_type=prescribed.med_chrgitm_type,
        ordered=prescribed.cnt,
    )


def reviewed(
    request: DispenseRequest, by: StaffId, *, now: datetime, refused_because: str = ""
) -> DispenseRequest:
    """The request after a pharmacist looked at it; a reason sends it back to the doctor.

    Raises:
        Refused: ``hospital.dispense_step``, ``hospital.dispense_lines`` for too long a reason.
    """
    reason = refused_because.strip()
    check_reason(reason, needed=False)
    after = moved(request, RequestState.REFUSED if reason else RequestState.REVIEWED)
    # What the doctor said when standing by it stays beside the review.
    return replace(after, reviewed_by=by, reviewed_at=now, note=reason or request.note)


def stood_by(request: DispenseRequest, *, note: str) -> DispenseRequest:
    """The refused request after its doctor stands by it, with a reason, or has amended it.

    Raises:
        Refused: ``hospital.dispense_step``, ``hospital.dispense_lines``.
    """
    check_reason(note)
    return replace(moved(request, RequestState.WAITING), note=note.strip())


def check_reason(text: str, *, needed: bool = True) -> None:
    """Check words that somebody typed.

    Raises:
        Refused: ``hospital.dispense_lines``.
    """
    if len(text.strip()) > REASON_CHARACTERS_MAX or (needed and not text.strip()):
        raise Refused(DISPENSE_LINES, broken="a reason", limit=REASON_CHARACTERS_MAX)


def check_picked(request: DispenseRequest, picked: Sequence[Picked]) -> None:
    """Check what was taken off the shelf against the prescription.

    Raises:
        Refused: ``hospital.dispense_step``, ``hospital.dispense_lines``.
    """
    if request.state not in PREPARING_STATES or not request.owed:
        raise Refused(DISPENSE_STEP, found=request.state.value, asked="prepare")
    codes = [code for each in picked for code in each.codes]
    numbers = {each.line_no for each in picked}
    if not picked or len(numbers) != len(picked) or len(set(codes)) != len(codes):
        raise Refused(DISPENSE_LINES, broken="each line once, each code once")
    for each in picked:
        _check_picked_line(request.line(each.line_no), each)


def _check_picked_line(line: DispenseLine, picked: Picked) -> None:
    split = picked.exception is TraceException.SPLIT_PACK
    whole = picked.quantity == picked.quantity.to_integral_value()
    for rule, holds in {
        "a quantity, at most what is owed": is_quantity(picked.quantity)
        and picked.quantity <= line.owed,
        "no more codes than boxes": len(picked.codes) <= picked.quantity,
        "codes only where boxes carry them": line.coded or not (picked.codes or picked.exception),
        "an exception has no codes": picked.exception is None or not picked.codes,
        "only decoction pieces have no box": picked.exception
        is not TraceException.DECOCTION_PIECES,
        "a split pack has a reason and a mother code": not split
        or (bool(picked.reason.strip()) and bool(picked.mother_code)),
        "whole boxes, unless a pack is split": not line.coded or split or whole,
        "a code that can be one": all(
            0 < len(code) <= CODE_CHARACTERS_MAX
            for code in (*picked.codes, picked.mother_code or "-")
        ),
    }.items():
        if not holds:
            raise Refused(DISPENSE_LINES, line_no=line.line_no, broken=rule)
    check_reason(picked.reason, needed=False)


def missing_of(line: DispenseLine, picked: Picked) -> int:
    """How many of the boxes have no code and no exception."""
    if not line.coded or picked.exception is not None:
        return 0
    return int(picked.quantity) - len(picked.codes)


def trace_line(line: DispenseLine, part: HandoverPart) -> TraceLine:
    """What the insurer is told of a part."""
    picked = part.picked
    exception = picked.exception
    if line.med_chrgitm_type == PIECES:
        exception = TraceException.DECOCTION_PIECES
    return TraceLine(
        feedetl_sn=line.feedetl_sn,
        codes=picked.codes,
        missing=part.missing,
        exception=exception,
        reason=picked.reason.strip(),
        mother_code=picked.mother_code,
    )


def check_traced(line: DispenseLine, part: HandoverPart, standing: Standing) -> None:
    """Check that what was settled before goes out with its codes; the fund has paid for it.

    Raises:
        Refused: ``hospital.dispense_trace_missing``.
    """
    is_open = standing is Standing.OPEN
    if part.missing and not (is_open or line.untraced):
        raise Refused(DISPENSE_TRACE_MISSING, line_no=line.line_no, missing=part.missing)


def check_may_release(request: DispenseRequest, by: StaffId, *, policy: DispensingPolicy) -> None:
    """The two-person rule: who reviewed does not hand out, unless the hospital allows it.

    Raises:
        Refused: ``staff.same_person``.
    """
    if not policy.reviewer_may_release:
        check_two_people(by, request.reviewed_by)


def check_paid(standings: Mapping[ChargeItemNo, Standing]) -> None:
    """Check that everything that goes out is settled and paid.

    Raises:
        Refused: ``hospital.dispense_not_paid``, ``hospital.dispense_cash_open``.
    """
    for standing in standings.values():
        if standing is Standing.CASH_OPEN:
            raise Refused(DISPENSE_CASH_OPEN)
        if standing is not Standing.PAID:
            raise Refused(DISPENSE_NOT_PAID, found=standing.value)


def released(
    request: DispenseRequest, parts: Sequence[HandoverPart], *, now: datetime
) -> DispenseRequest:
    """The request after parts went out.

    Raises:
        Refused: ``hospital.dispense_lines`` when it would be more than was ordered;
            ``hospital.dispense_step``.
    """
    given = {part.line_no: part.picked.quantity for part in parts}
    lines = tuple(
        replace(line, released=line.released + given[line.line_no], released_at=now)
        if line.line_no in given
        else line
        for line in request.lines
    )
    for line in lines:
        if line.owed < 0:
            raise Refused(DISPENSE_LINES, line_no=line.line_no, broken="more than was ordered")
    return _counted(replace(request, lines=lines))


def check_return(
    request: DispenseRequest,
    parts: Sequence[ReturnPart],
    *,
    unopened: bool,
    policy: DispensingPolicy,
    now: datetime,
) -> None:
    """Check what somebody brings back.

    Raises:
        Refused: ``hospital.dispense_lines``, ``hospital.dispense_not_returnable``.
    """
    if not parts or len({part.line_no for part in parts}) != len(parts):
        raise Refused(DISPENSE_LINES, broken="each line once")
    for part in parts:
        line = request.line(part.line_no)
        if not (is_quantity(part.quantity) and part.quantity <= line.kept):
            raise Refused(DISPENSE_LINES, line_no=part.line_no, broken="more than the patient has")
        in_time = line.released_at is not None and now <= line.released_at + policy.return_within
        for rule, holds in {
            "unopened": unopened,
            "in time": in_time,
            "a kind that comes back": line.med_chrgitm_type != PIECES
            and line.medins_list_codg not in policy.never_returned,
        }.items():
            if not holds:
                raise Refused(DISPENSE_NOT_RETURNABLE, line_no=part.line_no, broken=rule)


def returning(request: DispenseRequest, parts: Sequence[ReturnPart]) -> DispenseRequest:
    """The request while a refund is asked for: what comes back is promised once."""
    return _lines_changed(
        request, parts, lambda line, many: replace(line, coming_back=line.coming_back + many)
    )


def not_returned(request: DispenseRequest, parts: Sequence[ReturnPart]) -> DispenseRequest:
    """The request after its refund was refused."""
    return _lines_changed(
        request, parts, lambda line, many: replace(line, coming_back=line.coming_back - many)
    )


def returned(
    request: DispenseRequest,
    parts: Sequence[ReturnPart],
    *,
    instead: Mapping[ChargeItemNo, ChargeItemNo],
) -> DispenseRequest:
    """The request after something came back; ``instead`` names the lines that replace others."""
    after = _lines_changed(
        request,
        parts,
        lambda line, many: replace(
            line,
            coming_back=line.coming_back - many,
            returned=line.returned + many,
            feedetl_sn=instead.get(line.feedetl_sn, line.feedetl_sn),
        ),
    )
    return _counted(after)


def _lines_changed(
    request: DispenseRequest,
    parts: Sequence[ReturnPart],
    change: Callable[[DispenseLine, Decimal], DispenseLine],
) -> DispenseRequest:
    many = {part.line_no: part.quantity for part in parts}
    lines = [
        change(line, many[line.line_no]) if line.line_no in many else line for line in request.lines
    ]
    return replace(request, lines=tuple(lines))


def _counted(request: DispenseRequest) -> DispenseRequest:
    out = sum((line.released for line in request.lines), Decimal(0))
    back = sum((line.returned for line in request.lines), Decimal(0))
    if back:
        to = RequestState.RETURNED if back == out else RequestState.PART_RETURNED
    else:
        to = RequestState.PART_RELEASED if request.owed else RequestState.RELEASED
    return request if to is request.state else moved(request, to)


def summed(picks: Sequence[Pick]) -> tuple[Pick, ...]:
    """What is taken of each batch, each once, in the order of their first mention."""
    whole: dict[str, Pick] = {}
    for pick in picks:
        known = whole.get(pick.batch_id)
        quantity = pick.quantity if known is None else known.quantity + pick.quantity
        whole[pick.batch_id] = Pick(pick.batch_id, quantity)
    return tuple(whole.values())


def taken_back(given: Sequence[Pick], quantity: Decimal) -> tuple[Pick, ...]:
    """Into which batches a quantity comes back, of what was given and did not come back yet.

    Raises:
        Refused: ``hospital.dispense_lines``.
    """
    picks, left = [], quantity
    for pick in given:
        taken = min(left, pick.quantity)
        if taken > 0:
            picks.append(Pick(pick.batch_id, taken))
            left -= taken
    if left > 0:
        raise Refused(DISPENSE_LINES, broken="more than was given out")
    return tuple(picks)


def check_same_return(found: MedicineReturn, wanted: MedicineReturn) -> None:
    """Check that a repeated command gives back what it gave back the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.request_no, found.parts) != (wanted.request_no, wanted.parts):
        raise Refused(COMMAND_DIFFERS)
