"""The payer of visits without insurance, and which payer a visit has.

Both speak the messages of ``InsurerPlatform``, so that registration, charges, payment, refund and
stay are the same whoever pays. What a self-paid visit is answered follows from the message and the
hospital's own lines alone: nothing is stored, every repeat is answered as the first time, and an
insurer that is away keeps nobody from being treated and from paying.
"""

from collections.abc import Sequence
from typing import TypeAlias

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, SettlementId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    PROOF_NOT_FITTING,
    SELF_PAID,
    Admission,
    ChargeRecall,
    ChargeUpload,
    DocumentEvidence,
    EstimateRequest,
    FaceEvidence,
    FeeDetail,
    FeeSplit,
    InsuredPerson,
    OpenedVisit,
    PersonQuery,
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
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import bill_amount
from shualian.hospital.orders.ports import Prices
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.selfpaid.model import (
    is_self_paid,
    own_answer,
    own_split,
    settlement_number,
    visit_number,
)

_OfVisit: TypeAlias = (
    VisitCancellation
    | ChargeUpload
    | ChargeRecall
    | VisitInformation
    | SettlementRequest
    | SettlementCancellation
    | SettlementReversal
    | RefundRequest
    | TraceTelling
    | TraceEnding
    | StayMessage
)


class SelfPaid:
    """The payer of visits that no insurance pays, as if it were an insurer without funds."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        prices: Prices,
        insurer: InsurerPlatform,
        proofs: FaceProofs,
    ) -> None:
        """Describe it.

        Args:
            institution: Whose visits.
            database: Where its lines are.
            clock: When something is settled.
            prices: What kind of thing a line is.
            insurer: Says whose a code or a card is; not asked about a document.
            proofs: Say whose a face is.
        """
        self._institution = institution
        self._database = database
        self._clock = clock
        self._prices = prices
        self._insurer = insurer
        self._proofs = proofs

    def open_visit(self, opening: VisitOpening) -> OpenedVisit:
        """The number of a visit; what was shown is good for one visit here."""
        number = visit_number(opening.ipt_otp_no)
        return OpenedVisit(number, opening.psn_no, opening.ipt_otp_no)

    def admit(self, admission: Admission) -> OpenedVisit:
        """The number of a stay."""
        number = visit_number(admission.ipt_otp_no)
        return OpenedVisit(number, admission.psn_no, admission.ipt_otp_no)

    def upload_charge_items(self, upload: ChargeUpload) -> tuple[FeeSplit, ...]:
        """Every line is wholly self-paid."""
        return self._splits(upload.feedetail)

    def pre_settle(self, request: SettlementRequest) -> SettlementAnswer:
        """The whole bill is the person's own."""
        return own_answer(request.medfee_sumamt, setl_id=None, now=self._clock.now())

    def estimate(self, request: EstimateRequest) -> SettlementAnswer:
        """The same of lines that are not ordered yet."""
        return self.pre_settle(request.request)

    def settle(self, command: SettlementCommand) -> SettlementAnswer:
        """Settle without insurance, once it is known that the person or their document is there.

        A proof or a code is for one payment of one hospital; the payment takes it once.

        Raises:
            Refused: ``hospital.proof_not_fitting``; what refuses the evidence.
        """
        self._check_shown(command)
        amount = command.request.medfee_sumamt
        number = settlement_number(command.command_id)
        return own_answer(amount, setl_id=number, now=self._clock.now())

    def cancel_settlement(self, cancellation: SettlementCancellation) -> SettlementId:
        """The number of the cancellation."""
        return settlement_number(cancellation.command_id)

    def reverse_settlement(self, _reversal: SettlementReversal) -> SettlementId | None:
        """Nothing was done elsewhere, so nothing has to be undone."""
        return None

    def refund_settlement(self, request: RefundRequest) -> RefundAnswer:
        """What of the bill stays is settled anew."""
        gone = set(request.give_back)
        lines = self._database.read(
            lambda connection: orders.items_of_batch(
                connection, self._institution, request.chrg_bchno
            )
        )
        kept = bill_amount([line for line in lines if line.feedetl_sn not in gone])
        instead = sum(detail.det_item_fee_sumamt for detail in request.instead)
        amount, number = Fen(kept + instead), settlement_number(request.command_id)
        rest = own_answer(amount, setl_id=number, now=self._clock.now()) if amount else None
        return RefundAnswer(cancellation=number, rest=rest, splits=self._splits(request.instead))

    def cancel_visit(self, cancellation: VisitCancellation) -> None:
        """Nobody else knows of the visit."""

    def tell_visit_information(self, information: VisitInformation) -> None:
        """No fund asks what the illness is."""

    def withdraw_charge_items(self, recall: ChargeRecall) -> None:
        """Nobody else knows the lines."""

    def tell_traces(self, _telling: TraceTelling) -> tuple[FeeSplit, ...]:
        """Whose boxes they are stays with the hospital; the lines stay as they are."""
        return ()

    def end_traces(self, ending: TraceEnding) -> None:
        """Nobody else knows the boxes."""

    def discharge(self, message: StayMessage) -> None:
        """Nobody else knows of the stay."""

    def cancel_discharge(self, message: StayMessage) -> None:
        """Nobody else knows of the stay."""

    def cancel_admission(self, message: StayMessage) -> None:
        """Nobody else knows of the stay."""

    def _splits(self, feedetail: Sequence[FeeDetail]) -> tuple[FeeSplit, ...]:
        return tuple(
            own_split(detail, self._prices.on(business_date(detail.fee_ocur_time)))
            for detail in feedetail
        )

    def _check_shown(self, command: SettlementCommand) -> None:
        request, evidence = command.request, command.evidence
        if isinstance(evidence, DocumentEvidence):
            # The record's own number: this must also go on while the insurer is away.
            if evidence.id_number.value != request.certificate.mdtrt_cert_no:
                raise Refused(PROOF_NOT_FITTING, differs="document")
            return
        if isinstance(evidence, FaceEvidence):
            self._check_face(evidence, request)
            return
        query = PersonQuery(self._institution, request.psn_no, evidence, uses_up=True)
        self._insurer.person_information(query)

    def _check_face(self, evidence: FaceEvidence, request: SettlementRequest) -> None:
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        for name, fits in (
            ("terminal", proof.terminal_id == evidence.terminal_id),
            ("intent", proof.intent_id == evidence.intent_id),
            ("person", proof.beneficiary == request.psn_no),
            ("relation", proof.relation is evidence.relation),
            ("subject", proof.subject == (evidence.subject or request.psn_no)),
            ("amount", proof.amount_max_fen >= request.medfee_sumamt),
        ):
            if not fits:
                raise Refused(PROOF_NOT_FITTING, differs=name)


class Payers:
    """Each message to whoever pays the visit: the insurer, or the person alone."""

    def __init__(self, *, insurer: InsurerPlatform, self_paid: SelfPaid) -> None:
        self._insurer = insurer
        self._self_paid = self_paid

    def person_information(self, query: PersonQuery) -> InsuredPerson:
        """The insurer alone knows people."""
        return self._insurer.person_information(query)

    def open_visit(self, opening: VisitOpening) -> OpenedVisit:
        """By the insurance of the registration."""
        payer = self._self_paid if opening.insutype == SELF_PAID else self._insurer
        return payer.open_visit(opening)

    def admit(self, admission: Admission) -> OpenedVisit:
        """By the insurance of the admission."""
        payer = self._self_paid if admission.insutype == SELF_PAID else self._insurer
        return payer.admit(admission)

    def cancel_visit(self, cancellation: VisitCancellation) -> None:
        """By the visit, as all that follows."""
        self._payer(cancellation).cancel_visit(cancellation)

    def upload_charge_items(self, upload: ChargeUpload) -> tuple[FeeSplit, ...]:
        """See the class."""
        return self._payer(upload).upload_charge_items(upload)

    def pre_settle(self, request: SettlementRequest) -> SettlementAnswer:
        """See the class."""
        return self._payer(request).pre_settle(request)

    def settle(self, command: SettlementCommand) -> SettlementAnswer:
        """See the class."""
        return self._payer(command.request).settle(command)

    def cancel_settlement(self, cancellation: SettlementCancellation) -> SettlementId:
        """See the class."""
        return self._payer(cancellation).cancel_settlement(cancellation)

    def reverse_settlement(self, reversal: SettlementReversal) -> SettlementId | None:
        """See the class."""
        return self._payer(reversal).reverse_settlement(reversal)

    def tell_visit_information(self, information: VisitInformation) -> None:
        """See the class."""
        self._payer(information).tell_visit_information(information)

    def withdraw_charge_items(self, recall: ChargeRecall) -> None:
        """See the class."""
        self._payer(recall).withdraw_charge_items(recall)

    def tell_traces(self, telling: TraceTelling) -> tuple[FeeSplit, ...]:
        """See the class."""
        return self._payer(telling).tell_traces(telling)

    def end_traces(self, ending: TraceEnding) -> None:
        """See the class."""
        self._payer(ending).end_traces(ending)

    def estimate(self, request: EstimateRequest) -> SettlementAnswer:
        """See the class."""
        return self._payer(request.request).estimate(request)

    def refund_settlement(self, request: RefundRequest) -> RefundAnswer:
        """See the class."""
        return self._payer(request).refund_settlement(request)

    def discharge(self, message: StayMessage) -> None:
        """See the class."""
        self._payer(message).discharge(message)

    def cancel_discharge(self, message: StayMessage) -> None:
        """See the class."""
        self._payer(message).cancel_discharge(message)

    def cancel_admission(self, message: StayMessage) -> None:
        """See the class."""
        self._payer(message).cancel_admission(message)

    def _payer(self, message: _OfVisit) -> InsurerPlatform | SelfPaid:
        return self._self_paid if is_self_paid(message.mdtrt_id) else self._insurer
