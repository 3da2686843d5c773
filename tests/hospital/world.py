"""A hospital for tests, with a real store, and around it a registry of proofs and an insurer.

The insurer has a state of its own, refuses what a real one refuses, and its messages can get lost
on the way there or back. The power can be cut before and after every step.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import TypeVar

from sqlalchemy import Connection, MetaData

from shualian.core.clock import SettableClock, business_date
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    SettlementId,
    StaffId,
    TerminalId,
    VisitId,
    new_identifier,
    new_secret_token,
)
from shualian.core.money import ZERO, Fen, share, total
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.hospital.cashier import store as cashier_store
from shualian.hospital.cashier.closing.model import InsurerDay, totals_of
from shualian.hospital.cashier.closing.model import Line as BookLine
from shualian.hospital.cashier.service import Cashier, CashierServices, cashier_services
from shualian.hospital.cashier.shifts.model import DrawerNo, Shift
from shualian.hospital.clinical import store as clinical_store
from shualian.hospital.clinical.model import (
    ClinicalLine,
    ClinicalOrder,
    OrderKind,
    OrderView,
    Use,
)
from shualian.hospital.clinical.service import (
    ClinicalOrders,
    Diagnoses,
    refuse_performed,
    refuse_refund_of_performed,
)
from shualian.hospital.desk.service import DoctorDesk
from shualian.hospital.dispensing import store as dispensing_store
from shualian.hospital.dispensing.ports import RefundDone
from shualian.hospital.dispensing.prescriptions.service import (
    SignedPrescriptions,
    refuse_handed_out,
    refuse_refund_of_handed_out,
)
from shualian.hospital.dispensing.returns.service import Returns
from shualian.hospital.dispensing.service import Dispensing
from shualian.hospital.emergencies.service import EmergencyDesk
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.examinations import store as examination_store
from shualian.hospital.examinations.service import Examinations
from shualian.hospital.model import (
    FUND_REFUSED,
    NOTHING_SAID,
    WHOLE_STAY,
    Admission,
    Amounts,
    CardEvidence,
    ChargeRecall,
    ChargeUpload,
    CodeEvidence,
    DocumentEvidence,
    EstimateRequest,
    Evidence,
    FaceEvidence,
    FeeDetail,
    FeeSplit,
    FundDetail,
    Insurance,
    InsuredPerson,
    NumberClaim,
    OpenedVisit,
    PersonQuery,
    Reason,
    RefundAnswer,
    RefundRequest,
    SettlementAnswer,
    SettlementCancellation,
    SettlementCommand,
    SettlementRequest,
    SettlementReversal,
    StayMessage,
    TraceEnding,
    TraceTelling,
    VisitCancellation,
    VisitInformation,
    VisitOpening,
)
from shualian.hospital.orders import store as order_store
from shualian.hospital.orders.model import ChargeItem, OrderLine
from shualian.hospital.orders.service import Orders
from shualian.hospital.orders.store import load_price_list, packaged_price_lists
from shualian.hospital.payments import store as payment_store
from shualian.hospital.payments.model import Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.prices import store as price_store
from shualian.hospital.prices.service import PriceLists
from shualian.hospital.records import store as record_store
from shualian.hospital.records.model import PatientRecord
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling import store as scheduling_store
from shualian.hospital.scheduling.model import BookingPolicy, Department, Doctor, Title
from shualian.hospital.scheduling.service import Appointments, OrderedFees, Schedule
from shualian.hospital.selfpaid.service import Payers, SelfPaid
from shualian.hospital.stock import store as stock_store
from shualian.hospital.stock.service import Stock
from shualian.hospital.wallet import store as wallet_store
from shualian.hospital.wallet.model import (
    Agreement,
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    Movement,
    MovementKind,
    News,
    NotificationId,
    Outcome,
    PayerRef,
    PaymentStatus,
    RefundCommand,
    Silence,
    Statement,
    Unknown,
    VoidCommand,
    WalletNo,
)
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.hospital.wallet.service import Agreements
from shualian.sandbox.ewallet.model import (
    Payer,
    Terms,
    agreement_of,
    captured,
    counted,
    expired,
    held,
    refunded,
    voided,
)
from shualian.staff.model import Caller, Employer, Role
from shualian.trust.audit import store as audit_store
from shualian.trust.model import Key, KeyId
from shualian.trust.sealing import Sealer
from shualian.verification.model import (
    PROOF_EXPIRED,
    PROOF_NOT_FOUND,
    PROOF_OTHER_INSTITUTION,
    PROOF_OTHER_SUBJECT,
    FaceProof,
    Relation,
    Scene,
)
from tables import make_tables

T = TypeVar("T")

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
HOSPITAL = InstitutionCode("H99000000001")
OTHER_HOSPITAL = InstitutionCode("H99000000002")
KIOSK = TerminalId("K02")
CLERK = StaffId("S001")
DOCTOR_STAFF, TECHNICIAN, OTHER_TECHNICIAN = StaffId("S002"), StaffId("S003"), StaffId("S004")
PROOF_VALID = timedelta(minutes=5)
CODE_VALID = timedelta(seconds=30)
PIN = "135790"
INTERNAL = Department("A03", "内科", "A03", "A")
SURGERY = Department("A04", "外科", "A04", "B")
DOCTOR = Doctor("D990000000001", "示例医生")
PRICES = load_price_list(packaged_price_lists() / "990000-illustrative.csv")

CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS = "ZC001", "JC002", "YP003", "YP004"
METADATA: tuple[MetaData, ...] = (
    record_store.metadata,
    scheduling_store.metadata,
    encounter_store.metadata,
    order_store.metadata,
    payment_store.metadata,
    cashier_store.metadata,
    wallet_store.metadata,
    audit_store.metadata,
    stock_store.metadata,
    dispensing_store.metadata,
    price_store.metadata,
    clinical_store.metadata,
    examination_store.metadata,
)
AMOXICILLIN, URINALYSIS, INFUSION = "YP009", "HY002", "ZL002"
KINDS = {
    CHEST_CT: OrderKind.EXAMINATION,
    URINALYSIS: OrderKind.LABORATORY,
    INFUSION: OrderKind.TREATMENT,
    CONSULTATION: OrderKind.TREATMENT,
}
"""Of which kind an order of an item is; of every other a prescription."""


def _kind(code: str, finality: Finality = Finality.FINAL) -> RefusalKind:
    return RefusalKind(code, "不行", "No", "换一种", "Another way", Helper.INSURER, finality)


NOT_KNOWN = _kind("insurer.not_known")
PROOF_WRONG = _kind("insurer.proof_wrong")
LINE_DIFFERS = _kind("insurer.line_differs")
BATCH_WITHDRAWN = _kind("insurer.batch_withdrawn")
ITEM_UNKNOWN = _kind("insurer.item_unknown")
NOTHING_OPEN = _kind("insurer.nothing_open")
AMOUNTS_DIFFER = _kind("insurer.amounts_differ")
DIFFERS = _kind("insurer.command_differs")
REVERSED = _kind("insurer.command_reversed")
SETTLED_TO_END = _kind("insurer.settled_to_end")
BUSY = _kind("insurer.busy", Finality.TEMPORARY)
TRACE_USED = _kind("insurer.trace_used")
TRACE_MISSING = _kind("insurer.trace_missing")
OF_ANOTHER = _kind("insurer.evidence_of_another")
NOT_BOUND = _kind("insurer.family_not_bound")
NO_REFUND = _kind("insurer.refund_invalid")


def sample_number(serial: int, born: str = "19600229") -> IdNumber:
    """An ID number of the sample region."""
    digits = f"990000{born}{serial:03d}"
    return IdNumber(digits + check_character(digits))


ZHANG = InsuredPerson(
    PersonNo("990000000001"),
    "张建国",
    sample_number(1),
    (Insurance("310", "11", "990000", in_force=True),),
)
LI = InsuredPerson(
    PersonNo("990000000002"),
    "李梅",
    sample_number(2),
    (
        Insurance("310", "11", "990000", in_force=False),
        Insurance("390", "15", "990000", in_force=True),
    ),
)
UNINSURED = InsuredPerson(PersonNo("990000000003"), "王强", sample_number(3), ())


class PowerCutError(BaseException):
    """The process ends here."""


class Breaker:
    """Cuts the power at a chosen step from now on; every step is a place between two acts."""

    def __init__(self) -> None:
        self.steps_left: int | None = None

    def step(self) -> None:
        if self.steps_left is None:
            return
        if self.steps_left == 0:
            self.steps_left = None
            raise PowerCutError
        self.steps_left -= 1


class BreakableDatabase:
    """A database whose process may die before a write or after its commit."""

    writes_at_once = 1

    def __init__(self, database: Database, breaker: Breaker) -> None:
        self._database = database
        self._breaker = breaker

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._database.read(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        self._breaker.step()
        result = self._database.write(work)
        self._breaker.step()
        return result

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        return self._database.change_schema(work)

    def create_tables(self, metadata: MetaData) -> None:
        self._database.create_tables(metadata)

    def close(self) -> None:
        self._database.close()


class KeysInMemory:
    """Real keys, one for each purpose."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def current(self, purpose: str) -> Key:
        return self._keys.setdefault(purpose, Key(purpose, 1, secrets.token_bytes(32)))

    def first(self, purpose: str) -> Key:
        return self.current(purpose)

    def key(self, purpose: str, key_id: KeyId) -> Key:
        found = self.current(purpose)
        assert found.id == key_id
        return found


class Proofs:
    """Where proofs are issued, read and redeemed."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        self._proofs: dict[AuthNo, FaceProof] = {}
        self._redeemed: set[tuple[AuthNo, str]] = set()
        self.looked_at = 0

    def issue(self, subject: PersonNo, **changed: object) -> FaceProof:
        proof = FaceProof(
            auth_no=AuthNo(new_secret_token()),
            subject=subject,
            beneficiary=subject,
            relation=Relation.SELF,
            intent_id=IntentId(new_identifier()),
            scene=Scene.REGISTRATION,
            terminal_id=KIOSK,
            institution=HOSPITAL,
            amount_max_fen=ZERO,
            uses=1,
            expires_at=self._clock.now() + PROOF_VALID,
        )
        proof = replace(proof, **changed)  # type: ignore[arg-type]
        self._proofs[proof.auth_no] = proof
        return proof

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        forbid_in_transaction("a look at a proof")
        self.looked_at += 1
        proof = self._proofs.get(auth_no)
        if proof is None:
            raise Refused(PROOF_NOT_FOUND)
        if proof.institution != expected_institution:
            raise Refused(PROOF_OTHER_INSTITUTION)
        if self._clock.now() >= proof.expires_at:
            raise Refused(PROOF_EXPIRED)
        return proof

    def redeem(self, evidence: FaceEvidence, *, subject: PersonNo, use: str) -> None:
        if (evidence.auth_no, use) in self._redeemed:
            return
        proof = self.check(evidence.auth_no, expected_institution=HOSPITAL)
        expected = (evidence.intent_id, evidence.terminal_id, evidence.scene)
        if (proof.intent_id, proof.terminal_id, proof.scene) != expected:
            raise Refused(PROOF_WRONG)
        if (proof.subject, proof.beneficiary) != (evidence.subject or subject, subject):
            raise Refused(PROOF_OTHER_SUBJECT)
        if proof.relation is not evidence.relation:
            raise Refused(PROOF_WRONG)
        self._redeemed.add((evidence.auth_no, use))


class Fault(Enum):
    """What happens to the next message to the insurer or to the wallet."""

    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    BUSY = "busy"
    LATE = "arrives later"


@dataclass
class Line:
    """A charge item in the insurer's books."""

    detail: FeeDetail
    chrg_bchno: str
    split: FeeSplit
    settled_by: CommandId | None = None
    mdtrt_id: VisitId | None = None


_CLASSES: dict[str, tuple[str, str, str, str | None]] = {
    "ZC001": ("01", "02", "0", None),
    "JC002": ("02", "03", "0.1", "180"),
    "YP003": ("01", "09", "0", "28.5"),
    "YP004": ("03", "09", "1", None),
    "YP009": ("01", "09", "0", None),
    "HY002": ("01", "04", "0", None),
    "ZL002": ("01", "05", "0", None),
    "CW001": ("01", "01", "0", "45"),
    "HL001": ("01", "07", "0", None),
    "TX001": ("01", "05", "0", None),
}


def classed(detail: FeeDetail) -> FeeSplit:
    """The split of a line by the insurer's rules of class and ceiling."""
    if detail.medins_list_codg not in _CLASSES:
        raise Refused(ITEM_UNKNOWN, feedetl_sn=detail.feedetl_sn)
    level, kind, upfront, ceiling = _CLASSES[detail.medins_list_codg]
    amount, own, over = detail.det_item_fee_sumamt, ZERO, ZERO
    if level == "03" or detail.hosp_appr_flag == FUND_REFUSED:
        own = amount
    elif ceiling is not None:
        limit = (Decimal(ceiling) * detail.cnt * 100).to_integral_value(ROUND_HALF_UP)
        over = Fen(max(0, amount - int(limit)))
    first = ZERO if own else share(Fen(amount - over), Decimal(upfront))
    return FeeSplit(
        feedetl_sn=detail.feedetl_sn,
        det_item_fee_sumamt=amount,
        fulamt_ownpay_amt=own,
        overlmt_amt=over,
        preselfpay_amt=first,
        inscp_scp_amt=Fen(amount - own - over - first),
        chrgitm_lv=level,
        med_chrgitm_type=kind,
        selfpay_prop=Decimal(upfront),
        pric_uplmt_amt=None if ceiling is None else Decimal(ceiling),
    )


def split_bill(splits: Sequence[FeeSplit], balance: Fen) -> Amounts:
    """A bill by simple rules: 20 yuan deductible, 60 % from the fund, account before cash."""
    own = total([split.fulamt_ownpay_amt for split in splits])
    over = total([split.overlmt_amt for split in splits])
    upfront = total([split.preselfpay_amt for split in splits])
    scope = total([split.inscp_scp_amt for split in splits])
    deductible = Fen(min(scope, 20_00))
    fund = share(Fen(scope - deductible), Decimal("0.6"))
    bill = total([split.det_item_fee_sumamt for split in splits])
    person = Fen(bill - fund)
    account = Fen(min(balance, person - own))
    return Amounts(
        medfee_sumamt=bill,
        fulamt_ownpay_amt=own,
        overlmt_selfpay=over,
        preselfpay_amt=upfront,
        inscp_scp_amt=scope,
        act_pay_dedc=deductible,
        hifp_pay=fund,
        fund_pay_sumamt=fund,
        psn_part_amt=person,
        acct_pay=account,
        psn_cash_pay=Fen(person - account),
        balc=Fen(balance - account),
    )


def _reasons(amounts: Amounts) -> tuple[Reason, ...]:
    borne = amounts.act_pay_dedc
    after = Fen(amounts.inscp_scp_amt - borne)
    return (
        Reason(
            rule="deductible",
            clause="2.1",
            subject="",
            before=amounts.inscp_scp_amt,
            after=after,
            facts={"standard": 20_00, "borne": borne},
            zh="起付线 20 元，这次先由个人承担",
            en="Deductible 20 yuan, borne first",
        ),
        Reason(
            rule="segment",
            clause="3.1",
            subject="hifp_pay",
            before=after,
            after=Fen(after - amounts.hifp_pay),
            facts={"ratio": 6000},
            zh="统筹基金付 60%",
            en="The pooled fund pays 60%",
        ),
    )


class Codes:
    """Shown codes: read while they are good, used up once, for one confirmation."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        self._shown: dict[str, tuple[PersonNo, datetime]] = {}
        self.used: dict[str, IntentId] = {}

    def show(self, person: InsuredPerson) -> str:
        token = new_secret_token()
        self._shown[token] = person.psn_no, self._clock.now() + CODE_VALID
        return token

    def read(self, token: str) -> PersonNo:
        psn_no, until = self._shown.get(token, (None, START))
        if psn_no is None or self._clock.now() >= until:
            raise Refused(NOT_KNOWN)
        return psn_no

    def use(self, evidence: CodeEvidence, *, subject: PersonNo) -> None:
        if self.used.get(evidence.token) == evidence.intent_id:
            return
        if self.read(evidence.token) != subject:
            raise Refused(OF_ANOTHER)
        if evidence.token in self.used:
            raise Refused(PROOF_WRONG)
        self.used[evidence.token] = evidence.intent_id


class Insurer:
    """The insurer's platform with its own books; a command is done once, under its identifier."""

    def __init__(self, proofs: Proofs, clock: SettableClock) -> None:
        self._proofs = proofs
        self._clock = clock
        self._lock = threading.Lock()
        self.people = {person.psn_no: person for person in (ZHANG, LI, UNINSURED)}
        self.balances: dict[PersonNo, Fen] = {ZHANG.psn_no: Fen(30_00), LI.psn_no: ZERO}
        self.codes = Codes(clock)
        self.cards: dict[str, PersonNo] = {}
        self.cancelled_visits: set[VisitId] = set()
        self.bound: set[tuple[PersonNo, PersonNo]] = set()
        """Who may act for whom at this moment."""
        self.visits: dict[EncounterNo, tuple[VisitOpening, OpenedVisit]] = {}
        self.stays: dict[EncounterNo, tuple[Admission, OpenedVisit]] = {}
        self.discharged: dict[VisitId, datetime] = {}
        self.gone: set[VisitId] = set()
        self.lines: dict[ChargeItemNo, Line] = {}
        self.settlements: dict[CommandId, tuple[SettlementCommand, SettlementAnswer]] = {}
        self.refused: dict[CommandId, Refused] = {}
        self.cancelled: dict[CommandId, tuple[SettlementCancellation, SettlementId]] = {}
        self.reversed: dict[CommandId, SettlementId | None] = {}
        self.unreversible = False
        self.cancelled_at: dict[CommandId, datetime] = {}
        self.refunded: dict[CommandId, tuple[RefundRequest, RefundAnswer]] = {}
        self.rests: dict[CommandId, SettlementAnswer] = {}
        self.exchanged: list[
            tuple[CommandId, SettlementAnswer, SettlementAnswer | None, datetime]
        ] = []
        self.given_back: dict[ChargeItemNo, Line] = {}
        self.remembers_withdrawals = True
        self.withdrawn_batches: set[str] = set()
        self.information: dict[VisitId, VisitInformation] = {}
        self.settled_intents: set[IntentId] = set()
        self.boxes: dict[str, tuple[ChargeItemNo, PersonNo, str]] = {}
        self.messages: list[str] = []
        self.fault: Fault | None = None
        self._only: str | None = None
        self.late: list[Callable[[], object]] = []
        self.breaker = Breaker()
        self.altered: Callable[[SettlementAnswer], SettlementAnswer] = lambda answer: answer

    def person_information(self, query: PersonQuery) -> InsuredPerson:
        def answer() -> InsuredPerson:
            subject = self._subject(query.evidence, query.fixmedins_code)
            shown = query.evidence
            if query.psn_no not in {None, subject}:
                face = isinstance(shown, FaceEvidence)
                raise Refused(PROOF_OTHER_SUBJECT if face else OF_ANOTHER)
            if query.uses_up and isinstance(shown, CodeEvidence):
                self.codes.use(shown, subject=subject)
            return self.people[subject]

        return self._carry("1101", answer)

    def open_visit(self, opening: VisitOpening) -> OpenedVisit:
        def answer() -> OpenedVisit:
            earlier = self.visits.get(opening.ipt_otp_no)
            if earlier is not None:
                if earlier[0] != opening:
                    raise Refused(DIFFERS)
                return earlier[1]
            if isinstance(opening.evidence, FaceEvidence):
                self._proofs.redeem(opening.evidence, subject=opening.psn_no, use="register")
            if isinstance(opening.evidence, CodeEvidence):
                self.codes.use(opening.evidence, subject=opening.psn_no)
            visit = OpenedVisit(VisitId(new_identifier()), opening.psn_no, opening.ipt_otp_no)
            self.visits[opening.ipt_otp_no] = opening, visit
            return visit

        return self._carry("2201", answer)

    def admit(self, admission: Admission) -> OpenedVisit:
        def answer() -> OpenedVisit:
            number = admission.ipt_otp_no
            earlier = self.stays.get(number)
            if earlier is not None:
                if earlier[0] != admission:
                    raise Refused(DIFFERS)
                return earlier[1]
            if isinstance(admission.evidence, FaceEvidence):
                self._proofs.redeem(admission.evidence, subject=admission.psn_no, use="register")
            visit = OpenedVisit(VisitId(new_identifier()), admission.psn_no, number)
            self.stays[number] = admission, visit
            return visit

        return self._carry("2401", answer)

    def discharge(self, message: StayMessage) -> None:
        def answer() -> None:
            self._check_visit(message.mdtrt_id, message.psn_no)
            assert message.endtime is not None
            if self.discharged.setdefault(message.mdtrt_id, message.endtime) != message.endtime:
                raise Refused(DIFFERS)

        self._carry("2402", answer)

    def cancel_discharge(self, message: StayMessage) -> None:
        def answer() -> None:
            self._check_visit(message.mdtrt_id, message.psn_no)
            if self.settled_to_end(message.mdtrt_id):
                raise Refused(SETTLED_TO_END)
            self.discharged.pop(message.mdtrt_id, None)

        self._carry("2405", answer)

    def cancel_admission(self, message: StayMessage) -> None:
        def answer() -> None:
            self._check_visit(message.mdtrt_id, message.psn_no)
            if any(line.mdtrt_id == message.mdtrt_id for line in self.lines.values()):
                raise Refused(DIFFERS)
            self.gone.add(message.mdtrt_id)

        self._carry("2404", answer)

    def settled_to_end(self, mdtrt_id: VisitId) -> bool:
        """Whether a settlement that was not one of the middle stands."""
        commands = [self.settlements[command_id][0] for command_id in self.standing]
        return any(
            each.request.mdtrt_id == mdtrt_id and not each.request.mid_setl_flag
            for each in commands
        )

    def upload_charge_items(self, upload: ChargeUpload) -> tuple[FeeSplit, ...]:
        def answer() -> tuple[FeeSplit, ...]:
            self._check_visit(upload.mdtrt_id, upload.psn_no)
            new = {
                detail.feedetl_sn: Line(
                    detail, upload.chrg_bchno, classed(detail), mdtrt_id=upload.mdtrt_id
                )
                for detail in upload.feedetail
            }
            known_lines = self.lines | self.given_back
            for number, line in new.items():
                known = known_lines.get(number)
                if known is not None and (known.detail, known.chrg_bchno) != (
                    line.detail,
                    line.chrg_bchno,
                ):
                    raise Refused(LINE_DIFFERS)
            added = {n: line for n, line in new.items() if n not in known_lines}
            if added and upload.chrg_bchno in self.withdrawn_batches:
                raise Refused(BATCH_WITHDRAWN)
            self.lines |= added
            return tuple((known_lines | added)[number].split for number in new)

        return self._carry("2204", answer)

    def cancel_visit(self, cancellation: VisitCancellation) -> None:
        def answer() -> None:
            self._check_visit(cancellation.mdtrt_id, cancellation.psn_no)
            self.cancelled_visits.add(cancellation.mdtrt_id)

        self._carry("2202", answer)

    def pre_settle(self, request: SettlementRequest) -> SettlementAnswer:
        return self._carry("2206", lambda: self._computed(request))

    def settle(self, command: SettlementCommand) -> SettlementAnswer:
        return self._carry("2207", lambda: self._settled(command))

    def cancel_settlement(self, cancellation: SettlementCancellation) -> SettlementId:
        return self._carry("2208", lambda: self._cancelled(cancellation))

    def reverse_settlement(self, reversal: SettlementReversal) -> SettlementId | None:
        return self._carry("2601", lambda: self._reversed(reversal))

    def tell_traces(self, telling: TraceTelling) -> tuple[FeeSplit, ...]:
        return self._carry("3505", lambda: self._traced(telling))

    def end_traces(self, ending: TraceEnding) -> None:
        def answer() -> None:
            for code in ending.codes:
                number, psn_no, state = self.boxes[code]
                if state == "live" and psn_no == ending.psn_no:
                    ended = "returned" if ending.handed_out else "free"
                    self.boxes[code] = number, psn_no, ended

        self._carry("3506", answer)

    def _traced(self, telling: TraceTelling) -> tuple[FeeSplit, ...]:
        self._check_visit(telling.mdtrt_id, telling.psn_no)
        for told in telling.lines:
            line = self.lines[told.feedetl_sn]
            for code in told.codes:
                number, psn_no, state = self.boxes.get(code, (told.feedetl_sn, "", "free"))
                own = number == told.feedetl_sn or (
                    state == "returned" and psn_no == telling.psn_no
                )
                if state != "free" and not own:
                    raise Refused(TRACE_USED)
            untraced = line.detail.hosp_appr_flag == FUND_REFUSED
            if line.settled_by is not None and told.missing and not untraced:
                raise Refused(TRACE_MISSING)
        for told in telling.lines:
            live = (told.feedetl_sn, telling.psn_no, "live")
            self.boxes |= dict.fromkeys(told.codes, live)
            self._flag(self.lines[told.feedetl_sn], missing=told.missing > 0)
        return tuple(self.lines[told.feedetl_sn].split for told in telling.lines)

    def _flag(self, line: Line, *, missing: bool) -> None:
        if line.settled_by is not None:
            return
        flag = FUND_REFUSED if missing else NOTHING_SAID
        line.detail = replace(line.detail, hosp_appr_flag=flag)
        line.split = classed(line.detail)

    def tell_visit_information(self, information: VisitInformation) -> None:
        def answer() -> None:
            self._check_visit(information.mdtrt_id, information.psn_no)
            self.information[information.mdtrt_id] = information

        self._carry("2203", answer)

    def withdraw_charge_items(self, recall: ChargeRecall) -> None:
        def answer() -> None:
            self._check_visit(recall.mdtrt_id, recall.psn_no)
            if self.remembers_withdrawals:
                self.withdrawn_batches.add(recall.chrg_bchno)
            for line in self.open_lines(recall.chrg_bchno):
                del self.lines[line.detail.feedetl_sn]

        self._carry("2205", answer)

    def estimate(self, request: EstimateRequest) -> SettlementAnswer:
        def answer() -> SettlementAnswer:
            asked = request.request
            self._check_visit(asked.mdtrt_id, asked.psn_no)
            splits = [classed(detail) for detail in request.feedetail]
            return self._answer(splits, self.balances[asked.psn_no])

        return self._carry("estimate", answer)

    def refund_settlement(self, request: RefundRequest) -> RefundAnswer:
        return self._carry("refund", lambda: self._refunded(request))

    @property
    def standing(self) -> dict[CommandId, SettlementAnswer]:
        """The settlements that were not taken back, by their command."""
        undone = {cancellation.setl_id for cancellation, _ in self.cancelled.values()}
        undone |= {request.setl_id for request, _ in self.refunded.values()}
        last = {
            command_id: self.rests.get(command_id, answer)
            for command_id, (_, answer) in self.settlements.items()
        }
        return {number: answer for number, answer in last.items() if answer.setl_id not in undone}

    def of_day(self, day: date) -> InsurerDay:
        """3201 and 3202 of a day."""
        forbid_in_transaction("a question to the insurer")
        settled = {answer.setl_id: (c, answer) for c, (_, answer) in self.settlements.items()}
        settled |= {rest.setl_id: (c, rest) for c, _, rest, _ in self.exchanged if rest is not None}
        lines = [_book_line(*each) for each in settled.values() if _on(each[1].setl_time, day)]
        lines += [
            _book_line(*settled[cancellation.setl_id], sign=-1)
            for cancellation, _ in self.cancelled.values()
            if _on(self.cancelled_at[cancellation.command_id], day)
        ]
        lines += [
            _book_line(command_id, before, sign=-1)
            for command_id, before, _, at in self.exchanged
            if _on(at, day)
        ]
        funds = total([line.fund_fen for line in lines])
        return InsurerDay(tuple(lines), totals_of(lines), {"hifp_pay": funds} if funds else {})

    def break_next(self, infno: str, fault: Fault) -> None:
        """Let the next message of this kind meet a fault."""
        self.fault, self._only = fault, infno

    def deliver_late(self) -> None:
        """Let the messages arrive that were under way for long; nobody hears their answers."""
        late, self.late = self.late, []
        for message in late:
            try:
                message()
            except Refused:
                continue

    def open_lines(self, chrg_bchno: str) -> list[Line]:
        return [
            line
            for line in self.lines.values()
            if line.chrg_bchno == chrg_bchno and line.settled_by is None
        ]

    def _subject(self, evidence: Evidence | NumberClaim, institution: InstitutionCode) -> PersonNo:
        match evidence:
            case FaceEvidence():
                return self._of_face(evidence, institution)
            case CodeEvidence(token=token):
                return self.codes.read(token)
            case CardEvidence(card_no=card_no, pin=pin):
                if pin != PIN or card_no not in self.cards:
                    raise Refused(NOT_KNOWN)
                return self.cards[card_no]
            case DocumentEvidence() | NumberClaim():
                number = evidence.id_number
                found = [each.psn_no for each in self.people.values() if each.certno == number]
                if not found:
                    raise Refused(NOT_KNOWN)
                return found[0]

    def _of_face(self, evidence: FaceEvidence, institution: InstitutionCode) -> PersonNo:
        proof = self._proofs.check(evidence.auth_no, expected_institution=institution)
        if proof.relation is not evidence.relation:
            raise Refused(PROOF_WRONG)
        if proof.relation is Relation.SELF:
            return proof.subject
        if proof.subject != evidence.subject:
            raise Refused(PROOF_OTHER_SUBJECT)
        if (proof.subject, proof.beneficiary) not in self.bound:
            raise Refused(NOT_BOUND)
        return proof.beneficiary

    def lines_of(self, request: SettlementRequest) -> list[Line]:
        """What a request settles: a batch, or all that is open of a stay."""
        if request.chrg_bchno != WHOLE_STAY:
            return self.open_lines(request.chrg_bchno)
        if request.mid_setl_flag and request.mdtrt_id in self.discharged:
            raise Refused(DIFFERS)
        return [
            line
            for line in self.lines.values()
            if line.mdtrt_id == request.mdtrt_id and line.settled_by is None
        ]

    def _settled(self, command: SettlementCommand) -> SettlementAnswer:
        if command.command_id in self.reversed:
            raise Refused(REVERSED)
        earlier = self.settlements.get(command.command_id)
        if earlier is not None:
            if earlier[0] != command:
                raise Refused(DIFFERS)
            return earlier[1]
        if command.command_id in self.refused:
            raise self.refused[command.command_id]
        try:
            return self._settle_new(command)
        except Refused as refused:
            self.refused[command.command_id] = refused
            raise

    def _settle_new(self, command: SettlementCommand) -> SettlementAnswer:
        request = command.request
        computed = self._computed(request)
        if computed.amounts != command.confirmed:
            raise Refused(AMOUNTS_DIFFER)
        if command.evidence.intent_id in self.settled_intents:
            raise Refused(DIFFERS)
        self._prove(command.evidence, self.people[request.psn_no])
        answer = replace(computed, setl_id=SettlementId(new_identifier()))
        for line in self.lines_of(request):
            line.settled_by = command.command_id
        self.balances[request.psn_no] = answer.amounts.balc
        self.settlements[command.command_id] = command, answer
        self.settled_intents.add(command.evidence.intent_id)
        return answer

    def _prove(self, evidence: Evidence, person: InsuredPerson) -> None:
        """What settles: redeemed or used up where it can be, once."""
        if isinstance(evidence, FaceEvidence):
            self._proofs.redeem(evidence, subject=person.psn_no, use="settle")
        elif isinstance(evidence, CodeEvidence):
            self.codes.use(evidence, subject=person.psn_no)
        elif self._subject(evidence, HOSPITAL) != person.psn_no:
            is_card = isinstance(evidence, CardEvidence)
            raise Refused(OF_ANOTHER if is_card else PROOF_OTHER_SUBJECT)

    def _cancelled(self, cancellation: SettlementCancellation) -> SettlementId:
        for known, number in self.cancelled.values():
            if known.setl_id == cancellation.setl_id:
                return number
        (command_id,) = [
            number
            for number, answer in self.standing.items()
            if answer.setl_id == cancellation.setl_id
        ]
        for line in self.lines.values():
            if line.settled_by == command_id:
                line.settled_by = None
        paid = self.rests.get(command_id, self.settlements[command_id][1]).amounts.acct_pay
        self.balances[cancellation.psn_no] = Fen(self.balances[cancellation.psn_no] + paid)
        number = SettlementId(new_identifier())
        self.cancelled[cancellation.command_id] = cancellation, number
        self.cancelled_at[cancellation.command_id] = self._clock.now()
        return number

    def _reversed(self, reversal: SettlementReversal) -> SettlementId | None:
        command_id = reversal.command_id
        if self.unreversible:
            raise Refused(DIFFERS)
        if command_id in self.reversed:
            return self.reversed[command_id]
        undone_by = None
        if command_id in self.settlements:
            settled, answer = self.settlements[command_id]
            request = settled.request
            assert answer.setl_id is not None
            undone_by = self._cancelled(
                SettlementCancellation(
                    command_id,
                    request.fixmedins_code,
                    request.psn_no,
                    request.mdtrt_id,
                    answer.setl_id,
                )
            )
        self.reversed[command_id] = undone_by
        return undone_by

    def _refunded(self, request: RefundRequest) -> RefundAnswer:
        known = self.refunded.get(request.command_id)
        if known is not None:
            if known[0] != request:
                raise Refused(DIFFERS)
            return known[1]
        found = [n for n, answer in self.standing.items() if answer.setl_id == request.setl_id]
        if not found:
            raise Refused(NOTHING_OPEN)
        (command_id,) = found
        held = {n: line for n, line in self.lines.items() if line.settled_by == command_id}
        if not set(request.give_back) <= set(held):
            raise Refused(NOTHING_OPEN)
        stood = self.standing[command_id]
        before = stood.amounts
        kept = [line.split for n, line in held.items() if n not in request.give_back]
        instead = [classed(detail) for detail in request.instead]
        kept += instead
        rest = None
        if kept:
            rest = self._answer(kept, before.acct_pay)
            rest = replace(rest, setl_id=SettlementId(new_identifier()))
            self.rests[command_id] = rest
        for detail, split in zip(request.instead, instead, strict=True):
            line = Line(detail, request.chrg_bchno, split, command_id)
            self.lines[detail.feedetl_sn] = line
        for number in request.give_back:
            self.given_back[number] = self.lines.pop(number)
        paid = rest.amounts.acct_pay if rest else ZERO
        balance = Fen(self.balances[request.psn_no] + before.acct_pay - paid)
        self.balances[request.psn_no] = balance
        answer = RefundAnswer(SettlementId(new_identifier()), rest, tuple(instead))
        self.refunded[request.command_id] = request, answer
        self.exchanged.append((request.command_id, stood, rest, self._clock.now()))
        return answer

    def _computed(self, request: SettlementRequest) -> SettlementAnswer:
        self._check_visit(request.mdtrt_id, request.psn_no)
        lines = self.lines_of(request)
        if not lines:
            raise Refused(NOTHING_OPEN)
        balance = self.balances[request.psn_no] if request.acct_used_flag else ZERO
        amounts = split_bill([line.split for line in lines], balance)
        if amounts.medfee_sumamt != request.medfee_sumamt:
            raise Refused(AMOUNTS_DIFFER)
        return self._answered(amounts)

    def _answer(self, splits: Sequence[FeeSplit], balance: Fen) -> SettlementAnswer:
        return self._answered(split_bill(splits, balance))

    def _answered(self, amounts: Amounts) -> SettlementAnswer:
        detail = FundDetail("310100", "统筹基金", amounts.inscp_scp_amt, ZERO, amounts.hifp_pay)
        return SettlementAnswer(None, self._clock.now(), amounts, (detail,), _reasons(amounts))

    def _check_visit(self, mdtrt_id: VisitId, psn_no: PersonNo) -> None:
        known = [*self.visits.values(), *self.stays.values()]
        opened = {visit.mdtrt_id: visit.psn_no for _, visit in known}
        if opened.get(mdtrt_id) != psn_no:
            raise Refused(NOT_KNOWN)

    def _fault_for(self, infno: str) -> Fault | None:
        if self._only not in {None, infno}:
            return None
        fault, self.fault, self._only = self.fault, None, None
        return fault

    def _carry(self, infno: str, answer: Callable[[], T]) -> T:
        """Bring a message there and its answer back, unless it is lost."""
        forbid_in_transaction("a message to the insurer")
        self.breaker.step()
        fault = self._fault_for(infno)
        self.messages.append(infno)
        if fault is Fault.BUSY:
            raise Refused(BUSY)
        if fault is Fault.REQUEST_LOST:
            raise ConnectionError
        if fault is Fault.LATE:
            self.late.append(answer)
            raise TimeoutError
        with self._lock:
            result = answer()
        if fault is Fault.REPLY_LOST:
            raise TimeoutError
        self.breaker.step()
        if isinstance(result, SettlementAnswer):
            return self.altered(result)  # type: ignore[return-value]
        return result


def _on(moment: datetime, day: date) -> bool:
    return business_date(moment) == day


def _book_line(command_id: CommandId, answer: SettlementAnswer, *, sign: int = 1) -> BookLine:
    amounts = answer.amounts
    assert answer.setl_id is not None
    return BookLine(
        setl_id=answer.setl_id,
        command_id=command_id,
        cancels=sign < 0,
        medfee_fen=Fen(sign * amounts.medfee_sumamt),
        fund_fen=Fen(sign * amounts.fund_pay_sumamt),
        account_fen=Fen(sign * amounts.acct_pay),
        cash_fen=Fen(sign * amounts.psn_cash_pay),
    )


SILENCE = {
    Fault.REQUEST_LOST: Silence.UNREACHABLE,
    Fault.REPLY_LOST: Silence.TIMED_OUT,
    Fault.BUSY: Silence.BUSY,
    Fault.LATE: Silence.TIMED_OUT,
}
NAMES: dict[type[Command], str] = {
    HoldCommand: "hold",
    CaptureCommand: "capture",
    VoidCommand: "void",
    RefundCommand: "refund",
}
_MOVES = {CaptureCommand: MovementKind.CAPTURE, RefundCommand: MovementKind.REFUND}
PAYERS = {ZHANG.psn_no: PayerRef("payer-zhang"), LI.psn_no: PayerRef("payer-li")}
TERMS = Terms(Fen(500_00), Fen(2_000_00), START - timedelta(days=1), START + timedelta(days=365))
WALLET_MONEY = Fen(1_000_00)


class Wallet:
    """The e-wallet with its own books in memory; one command is done once, under its identifier."""

    def __init__(self, clock: SettableClock, breaker: Breaker) -> None:
        self._clock = clock
        self._breaker = breaker
        self._lock = threading.Lock()
        self.terms = dict.fromkeys(PAYERS.values(), TERMS)
        self.free = dict.fromkeys(PAYERS.values(), WALLET_MONEY)
        self.payments: dict[CommandId, tuple[PayerRef | None, PaymentStatus]] = {}
        self.commands: dict[CommandId, tuple[Command | None, Done | Declined]] = {}
        self.news: list[News] = []
        self.moved: list[Movement] = []
        self.late: list[Command] = []
        self.asked: list[str] = []
        self.fault: Fault | None = None
        self.refuse_next: tuple[str, DeclineReason] | None = None
        self._only: str | None = None

    def break_next(self, name: str, fault: Fault) -> None:
        """Let the next command of this kind meet a fault."""
        self._only, self.fault = name, fault

    def agreement(self, payer: PayerRef) -> Agreement | None:
        forbid_in_transaction("a question to the wallet")
        terms = self.terms.get(payer)
        if terms is None:
            return None
        return agreement_of(Payer(payer, "1234"), terms, spent=self._spent(payer))

    def hold(self, command: HoldCommand) -> Outcome:
        return self._carry(command)

    def capture(self, command: CaptureCommand) -> Outcome:
        return self._carry(command)

    def void(self, command: VoidCommand) -> Outcome:
        return self._carry(command)

    def refund(self, command: RefundCommand) -> Outcome:
        return self._carry(command)

    def query(self, command_id: CommandId) -> CommandReport:
        forbid_in_transaction("a question to the wallet")
        with self._lock:
            self._expire()
            _, outcome = self.commands.get(command_id, (None, None))
            _, status = self.payments.get(command_id, (None, None))
            return CommandReport(command_id, outcome, status)

    def statement(self, day: date) -> Statement:
        return Statement(day, tuple(each for each in self.moved if _on(each.at, day)))

    def deliver_late(self) -> None:
        """Let the commands arrive that were under way for long; nobody hears their answers."""
        late, self.late = self.late, []
        for command in late:
            self._carried_out(command)

    @property
    def taken(self) -> dict[CommandId, Fen]:
        """What the hospital has of each payment of which it has something."""
        statuses = [status for _, status in self.payments.values()]
        return {each.payment: each.refundable_fen for each in statuses if each.refundable_fen}

    @property
    def all_money(self) -> Fen:
        """Free, held and taken; always what was put in."""
        statuses = [status for _, status in self.payments.values()]
        is_held = [each.amount_fen for each in statuses if each.state is WalletState.HELD]
        return total([*self.free.values(), *is_held, *self.taken.values()])

    def _carry(self, command: Command) -> Outcome:
        forbid_in_transaction("a command to the wallet")
        self._breaker.step()
        name = NAMES[type(command)]
        self.asked.append(name)
        fault = None
        if self._only in {None, name}:
            fault, self.fault, self._only = self.fault, None, None
        if fault is Fault.LATE:
            self.late.append(command)
        outcome: Outcome = Unknown(command.command_id, SILENCE.get(fault, Silence.BUSY))  # type: ignore[arg-type]
        if fault in {None, Fault.REPLY_LOST}:
            done = self._carried_out(command)
            outcome = done if fault is None else outcome
        self._breaker.step()
        return outcome

    def _carried_out(self, command: Command) -> Done | Declined:
        with self._lock:
            known, outcome = self.commands.get(command.command_id, (None, None))
            if outcome is not None:
                differs = known not in {None, command}
                reason = DeclineReason.COMMAND_DIFFERS
                return Declined(command.command_id, reason) if differs else outcome
            self._expire()
            outcome = self._done(command)
            self.commands[command.command_id] = command, outcome
            return outcome

    def _done(self, command: Command) -> Done | Declined:
        payment = command.command_id if isinstance(command, HoldCommand) else command.payment
        payer, before = self.payments.get(payment, (None, None))
        if isinstance(command, HoldCommand):
            payer = command.payer
        after = self._after(command, before)
        if self.refuse_next is not None and self.refuse_next[0] == NAMES[type(command)]:
            after, self.refuse_next = self.refuse_next[1], None
        if isinstance(after, DeclineReason):
            return Declined(command.command_id, after)
        if before is None and isinstance(command, VoidCommand):
            ended = Declined(payment, DeclineReason.HOLD_ENDED)
            self.commands.setdefault(payment, (None, ended))
        self._change(payer, before, after, command.command_id)
        number, now = WalletNo(new_identifier()), self._clock.now()
        if isinstance(command, CaptureCommand | RefundCommand):
            kind = _MOVES[type(command)]
            paid = command.payment, command.amount_fen
            self.moved.append(Movement(number, kind, command.command_id, *paid, now))
        return Done(command.command_id, after, number, now)

    def _after(
        self, command: Command, before: PaymentStatus | None
    ) -> PaymentStatus | DeclineReason:
        now = self._clock.now()
        match command:
            case HoldCommand(payer=payer):
                return held(
                    command,
                    payer=Payer(payer, "1234"),
                    terms=self.terms.get(payer),
                    spent=self._spent(payer),
                    balance=self.free[payer],
                    now=now,
                )
            case CaptureCommand():
                return captured(before, command.amount_fen)
            case VoidCommand():
                return voided(before, command.payment, now=now)
            case RefundCommand():
                return refunded(before, command.amount_fen)

    def _change(
        self,
        payer: PayerRef | None,
        before: PaymentStatus | None,
        after: PaymentStatus,
        cause: CommandId | None,
    ) -> None:
        if after == before:
            return
        if payer is not None:
            self.free[payer] = Fen(self.free[payer] + _bound(before) - _bound(after))
        self.payments[after.payment] = payer, after
        number = NotificationId(new_identifier())
        self.news.append(News(number, after, cause, self._clock.now()))

    def _expire(self) -> None:
        for payer, status in list(self.payments.values()):
            if status.state is WalletState.HELD and status.expires_at <= self._clock.now():
                self._change(payer, status, expired(status), None)

    def _spent(self, payer: PayerRef) -> Fen:
        return counted(status for of, status in self.payments.values() if of == payer)


def _bound(status: PaymentStatus | None) -> Fen:
    if status is None:
        return ZERO
    is_held = status.state is WalletState.HELD
    return status.amount_fen if is_held else status.refundable_fen


class ExpectedPeople:
    """What the insurer's side was told of who comes and who is called."""

    def __init__(self) -> None:
        self.days: set[tuple[PersonNo, date]] = set()
        self.calls: dict[TerminalId, PersonNo] = {}
        self.silent = False

    def expect(self, psn_no: PersonNo, day: date) -> None:
        self._hear()
        self.days.add((psn_no, day))

    def forget(self, psn_no: PersonNo, day: date) -> None:
        self._hear()
        self.days.discard((psn_no, day))

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        self._hear()
        self.calls[terminal_id] = psn_no

    def end_call(self, terminal_id: TerminalId) -> None:
        self._hear()
        self.calls.pop(terminal_id, None)

    def _hear(self) -> None:
        forbid_in_transaction("a message to the insurer")
        if self.silent:
            raise Refused(BUSY)


class KnownResults:
    """Encounters of which results came since."""

    def __init__(self) -> None:
        self.came: set[EncounterNo] = set()

    def since(self, encounter_no: EncounterNo) -> bool:
        forbid_in_transaction("a question about results")
        return encounter_no in self.came


class Refunds:
    """Where money of returned medicine is given back, once for a command."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self.done: dict[CommandId, dict[ChargeItemNo, Decimal]] = {}
        self.fault: Fault | None = None
        self.refuse_next = False
        self.instead: dict[ChargeItemNo, ChargeItemNo] = {}

    def refund(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        quantities: Mapping[ChargeItemNo, Decimal],
        reason: str,
    ) -> RefundDone:
        forbid_in_transaction("a refund")
        assert encounter_no
        assert reason
        self._breaker.step()
        fault, self.fault = self.fault, None
        if fault is Fault.REQUEST_LOST:
            raise TimeoutError
        if self.refuse_next and command_id not in self.done:
            self.refuse_next = False
            raise Refused(NO_REFUND)
        known = self.done.setdefault(command_id, dict(quantities))
        assert known == dict(quantities)
        if fault is Fault.REPLY_LOST:
            raise TimeoutError
        self._breaker.step()
        return RefundDone(Fen(int(sum(known.values()) * 100)), self.instead)


class SignIns:
    """The insurer's register of doctors at work; everybody is, until said otherwise."""

    def __init__(self) -> None:
        self.absent: set[str] = set()

    def valid(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> bool:
        forbid_in_transaction("a question to the register of doctors")
        return dr_code not in self.absent and bool(institution) and at >= START

    def at_work(
        self, dr_code: str, *, institution: InstitutionCode, at: datetime
    ) -> "Working | None":
        valid = self.valid(dr_code, institution=institution, at=at)
        return Working(at + timedelta(hours=8)) if valid else None


@dataclass(frozen=True, slots=True)
class Working:
    """A sign-in that holds for eight hours."""

    ends_at: datetime
    confirmed: bool = False


class AllergyBook:
    """What patients are allergic to."""

    def __init__(self) -> None:
        self.known: frozenset[str] = frozenset()

    def substances(self, record_no: RecordNo) -> frozenset[str]:
        return self.known if record_no else frozenset()


@dataclass
class Hospital:
    """The services of one hospital, as one process holds them."""

    records: Records
    encounters: Encounters
    orders: Orders
    payments: Payments
    cashier: Cashier
    desk: CashierServices
    agreements: Agreements
    schedule: Schedule
    appointments: Appointments
    emergencies: EmergencyDesk
    stock: Stock
    dispensing: Dispensing
    returns: Returns
    prices: PriceLists
    diagnoses: Diagnoses
    clinical: ClinicalOrders
    examinations: Examinations
    doctor_desk: DoctorDesk
    payers: Payers


@dataclass
class World:
    """A hospital, its database and what stands around it, with the moves of a test."""

    database: Database
    clock: SettableClock = field(default_factory=lambda: SettableClock(START))
    sealer: Sealer = field(default_factory=lambda: Sealer(KeysInMemory()))

    def __post_init__(self) -> None:
        make_tables(self.database, METADATA)
        self.proofs = Proofs(self.clock)
        self.insurer = Insurer(self.proofs, self.clock)
        self.breaker = self.insurer.breaker
        self.wallet = Wallet(self.clock, self.breaker)
        self.expected = ExpectedPeople()
        self.results = KnownResults()
        self.policy = BookingPolicy(fees={Title.ORDINARY: CONSULTATION})
        self.refunds = Refunds(self.breaker)
        self.sign_ins, self.allergies = SignIns(), AllergyBook()
        self.start()
        self.shift = self.opened(CLERK)

    def start(self) -> None:
        """Start the hospital's process, again after the power was cut."""
        self.breaker.steps_left = None
        self.hospital = self.hospital_of(HOSPITAL)
        self.records = self.hospital.records
        self.encounters = self.hospital.encounters
        self.orders = self.hospital.orders
        self.payments = self.hospital.payments
        self.cashier = self.hospital.cashier
        self.desk = self.hospital.desk
        self.agreements = self.hospital.agreements
        self.schedule = self.hospital.schedule
        self.appointments = self.hospital.appointments
        self.emergencies = self.hospital.emergencies
        self.stock = self.hospital.stock
        self.dispensing = self.hospital.dispensing
        self.returns = self.hospital.returns
        self.prices = self.hospital.prices
        self.diagnoses = self.hospital.diagnoses
        self.clinical = self.hospital.clinical
        self.examinations = self.hospital.examinations
        self.doctor_desk = self.hospital.doctor_desk
        self.payers = self.hospital.payers

    def hospital_of(self, institution: InstitutionCode) -> Hospital:
        """The services of a hospital that keeps its rows in the same database."""
        database, clock = BreakableDatabase(self.database, self.breaker), self.clock
        prices = PriceLists(institution=institution, database=database, clock=clock, first=PRICES)
        payers = Payers(
            insurer=self.insurer,
            self_paid=SelfPaid(
                institution=institution,
                database=database,
                clock=clock,
                prices=prices,
                insurer=self.insurer,
                proofs=self.proofs,
            ),
        )
        records = Records(
            institution=institution,
            database=database,
            clock=clock,
            proofs=self.proofs,
            insurer=payers,
            sealer=self.sealer,
        )
        agreements = Agreements(
            institution=institution,
            database=database,
            clock=clock,
            sealer=self.sealer,
            wallet=self.wallet,
        )
        encounters = Encounters(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            insurer=payers,
            sealer=self.sealer,
            expectations=self.expected,
        )
        orders = Orders(
            institution=institution,
            database=database,
            clock=clock,
            insurer=payers,
            prices=prices,
        )
        fees = OrderedFees(institution=institution, database=database, clock=clock, orders=orders)
        payments = Payments(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            insurer=payers,
            sealer=self.sealer,
            agreements=agreements,
            may_cancel=(refuse_handed_out, refuse_performed),
            may_refund=(refuse_refund_of_handed_out, refuse_refund_of_performed),
            tell_charges=lambda number: orders.upload(encounter_no=number),
        )
        cashier = Cashier(
            institution=institution,
            institution_name="示例市第一医院",
            database=database,
            clock=clock,
            records=records,
        )
        diagnoses = Diagnoses(
            institution=institution,
            database=database,
            clock=clock,
            insurer=payers,
            sealer=self.sealer,
        )
        dispensing = Dispensing(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            payments=payments,
            prescriptions=SignedPrescriptions(institution=institution, prices=prices),
            proofs=self.proofs,
            insurer=payers,
            sealer=self.sealer,
            calls=self.expected,
        )
        clinical = ClinicalOrders(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            orders=orders,
            payments=payments,
            insurer=payers,
            sign_ins=self.sign_ins,
            allergies=self.allergies,
            pharmacy=dispensing,
        )
        schedule = Schedule(
            institution=institution,
            database=database,
            clock=clock,
            fees=fees,
            policy=self.policy,
        )
        examinations = Examinations(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            clinical=clinical,
            proofs=self.proofs,
            identities=records,
            sealer=self.sealer,
        )
        return Hospital(
            records=records,
            encounters=encounters,
            orders=orders,
            schedule=schedule,
            appointments=Appointments(
                institution=institution,
                database=database,
                clock=clock,
                records=records,
                encounters=encounters,
                fees=fees,
                results=self.results,
                expectations=self.expected,
                policy=self.policy,
            ),
            stock=Stock(institution=institution, database=database, clock=clock),
            returns=Returns(
                institution=institution, database=database, clock=clock, refunds=self.refunds
            ),
            dispensing=dispensing,
            emergencies=EmergencyDesk(
                institution=institution,
                database=database,
                clock=clock,
                records=records,
                encounters=encounters,
                orders=orders,
            ),
            payments=payments,
            agreements=agreements,
            cashier=cashier,
            desk=cashier_services(
                cashier=cashier,
                institution=institution,
                database=database,
                clock=clock,
                records=records,
                payments=payments,
                proofs=self.proofs,
                books=self.insurer,
                wallet=self.wallet,
            ),
            prices=prices,
            diagnoses=diagnoses,
            clinical=clinical,
            examinations=examinations,
            doctor_desk=DoctorDesk(
                institution=institution,
                database=database,
                clock=clock,
                schedule=schedule,
                sign_ins=self.sign_ins,
                records=records,
                visits=encounters,
                diagnoses=diagnoses,
                clinical=clinical,
                examinations=examinations,
            ),
            payers=payers,
        )

    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)

    def scan(
        self,
        person: InsuredPerson = ZHANG,
        *,
        scene: Scene = Scene.REGISTRATION,
        intent_id: IntentId | None = None,
        **changed: object,
    ) -> FaceEvidence:
        """The person scans and confirms; what the hospital gets of it."""
        intent = {} if intent_id is None else {"intent_id": intent_id}
        proof = self.proofs.issue(person.psn_no, scene=scene, **intent, **changed)
        return FaceEvidence(
            auth_no=proof.auth_no,
            intent_id=proof.intent_id,
            scene=proof.scene,
            terminal_id=proof.terminal_id,
            first_frame_at=self.clock.now(),
        )

    def scan_for(
        self, holder: InsuredPerson, relative: InsuredPerson, **changed: object
    ) -> FaceEvidence:
        """Somebody scans and confirms for a bound relative."""
        bound = {"beneficiary": relative.psn_no, "relation": Relation.FAMILY}
        scanned = self.scan(holder, **(bound | changed))  # type: ignore[arg-type]
        return replace(scanned, relation=Relation.FAMILY)

    def record(self, person: InsuredPerson = ZHANG) -> PatientRecord:
        return self.records.open_record(command_id=command(), evidence=self.scan(person))

    def registered(
        self,
        person: InsuredPerson = ZHANG,
        department: Department = INTERNAL,
        *,
        self_paid: bool = False,
    ) -> Encounter:
        return self.encounters.register(
            command_id=command(),
            record_no=self.record(person).record_no,
            department=department,
            doctor=DOCTOR,
            evidence=self.scan(person),
            self_paid=self_paid,
        )

    def ordered(self, encounter: Encounter, *codes: str) -> Sequence[ChargeItem]:
        """Order one of each and upload it."""
        lines = [OrderLine(code, Decimal(1)) for code in codes or (CONSULTATION, CHEST_CT)]
        self.orders.order(command_id=command(), encounter_no=encounter.encounter_no, lines=lines)
        return self.orders.upload(encounter_no=encounter.encounter_no)

    def prepared(self, encounter: Encounter) -> Payment:
        return self.payments.prepare(command_id=command(), encounter_no=encounter.encounter_no)

    def confirmed(self, payment: Payment, person: InsuredPerson = ZHANG) -> FaceEvidence:
        """The person confirms what a payment shows."""
        return self.scan(
            person,
            scene=Scene.SETTLEMENT,
            intent_id=payment.intent_id,
            amount_max_fen=payment.amount_max_fen,
        )

    def shown(self, payment: Payment, person: InsuredPerson = ZHANG) -> DocumentEvidence:
        """The person lays an ID document down at the window, and the clerk answers for it."""
        return DocumentEvidence(person.certno, CLERK, payment.intent_id)

    def code(
        self, person: InsuredPerson = ZHANG, intent_id: IntentId | None = None
    ) -> CodeEvidence:
        """The person's phone shows a code and it is scanned."""
        return CodeEvidence(
            self.insurer.codes.show(person), intent_id or IntentId(new_identifier())
        )

    def card(
        self,
        person: InsuredPerson = ZHANG,
        pin: str = PIN,
        intent_id: IntentId | None = None,
    ) -> CardEvidence:
        """The person's card is read and the PIN typed."""
        card_no = f"card of {person.psn_no}"
        self.insurer.cards[card_no] = person.psn_no
        return CardEvidence(card_no, pin, intent_id or IntentId(new_identifier()))

    def document(self, person: InsuredPerson = ZHANG) -> DocumentEvidence:
        """A clerk sees the person's ID document."""
        return DocumentEvidence(person.certno, CLERK, IntentId(new_identifier()))

    def opened(self, clerk: StaffId, drawer: str = "1", float_fen: int = 0) -> Shift:
        """The clerk opens a shift at a drawer that holds this much in single yuan."""
        return self.desk.shifts.open(
            command_id=command(),
            drawer=DrawerNo(drawer),
            clerk=clerk,
            count={Fen(1_00): float_fen // 1_00},
        )

    def agreed(self, person: InsuredPerson = ZHANG) -> None:
        """The person agrees to one-scan payment."""
        self.agreements.link(psn_no=person.psn_no, payer=PAYERS[person.psn_no])

    def settled(self, *codes: str) -> Payment:
        """A whole visit up to its settlement."""
        encounter = self.registered()
        self.ordered(encounter, *codes)
        payment = self.prepared(encounter)
        return self.payments.settle(command_id=payment.command_id, evidence=self.confirmed(payment))

    def drafted(self, encounter: Encounter, *codes: str) -> ClinicalOrder:
        """The doctor of the visit drafts an order of one of each, all of one kind."""
        kind = KINDS.get(codes[0], OrderKind.PRESCRIPTION)
        use = Use("1片", "每日三次", "口服", 7) if kind is OrderKind.PRESCRIPTION else None
        return self.clinical.draft(
            command_id=command(),
            encounter_no=encounter.encounter_no,
            kind=kind,
            lines=[ClinicalLine(code, Decimal(1), use) for code in codes],
            doctor=DOCTOR,
            drafted_by=DOCTOR_STAFF,
        )

    def signed(self, encounter: Encounter, *codes: str) -> OrderView:
        """The doctor of the visit orders one of each and signs."""
        order_no = self.drafted(encounter, *codes).order_no
        return self.clinical.sign(order_no=order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    def paid(self, encounter: Encounter, *, from_wallet_fen: Fen = ZERO) -> Payment:
        """The patient of a visit pays what is open."""
        payment = self.prepared(encounter)
        return self.payments.settle(
            command_id=payment.command_id,
            evidence=self.confirmed(payment),
            from_wallet_fen=from_wallet_fen,
        )


def staff(*roles: Role, staff_id: StaffId = CLERK) -> Caller:
    """Somebody of the hospital who is signed in."""
    return Caller(staff_id, Employer(HOSPITAL), frozenset(roles))


def command() -> CommandId:
    return CommandId(new_identifier())


def in_parallel(works: Iterable[Callable[[], T]]) -> list[T | Refused]:
    """Run all works at the same time; what each gave or how it was refused."""
    listed = list(works)
    start = threading.Barrier(len(listed))
    results: list[T | Refused | None] = [None] * len(listed)

    def run(place: int, work: Callable[[], T]) -> None:
        start.wait()
        try:
            results[place] = work()
        except Refused as refused:
            results[place] = refused

    threads = [threading.Thread(target=run, args=each) for each in enumerate(listed)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for result in results if result is not None]
