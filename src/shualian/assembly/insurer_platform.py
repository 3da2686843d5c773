"""Between the halves: a hospital's port ``InsurerPlatform`` over an insurer in the same process."""

from dataclasses import fields
from decimal import Decimal
from typing import Protocol

from shualian.core.clock import Clock
from shualian.core.identifiers import InstitutionCode, PersonNo, SettlementId
from shualian.core.refusals import Refused
from shualian.hospital import model as at_hospital
from shualian.hospital.ports import FaceProofs
from shualian.insurer.benefits.model import WHOLE, LineSplit, Settlement
from shualian.insurer.benefits.wording import render_trace
from shualian.insurer.family.service import FamilyBindings
from shualian.insurer.persons.model import PERSON_NOT_FOUND, InsuranceStatus
from shualian.insurer.persons.service import Persons
from shualian.insurer.settlement import model as at_insurer
from shualian.insurer.settlement.evidence.model import (
    EVIDENCE_OF_ANOTHER,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
)
from shualian.insurer.settlement.evidence.service import Cards
from shualian.insurer.settlement.model import ALREADY_CANCELLED, REGISTER_USE
from shualian.insurer.settlement.service import Settlements
from shualian.insurer.traces.model import LineTraces, TraceCode, TraceException
from shualian.insurer.traces.service import Traces
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.verification.model import PROOF_OTHER_RELATION, PROOF_OTHER_SUBJECT, Relation

IDENTITY_USE = "identity"
"""The use of a shown code by which somebody only shows who they are."""


class Register(Protocol):
    """What the platform needs of the insured."""

    @property
    def persons(self) -> Persons:
        """Who is insured."""
        ...

    @property
    def vouchers(self) -> Vouchers:
        """Their codes."""
        ...

    @property
    def pins(self) -> VoucherPins:
        """Their PINs."""
        ...

    @property
    def family(self) -> FamilyBindings:
        """Who may act for whom."""
        ...


class InsurerParts(Protocol):
    """What the platform needs of an insurer; :class:`InsurerSide` is one."""

    @property
    def verification(self) -> FaceProofs:
        """Where proofs are looked at."""
        ...

    @property
    def insured(self) -> Register:
        """The insured."""
        ...

    @property
    def settlements(self) -> Settlements:
        """The money of visits."""
        ...

    @property
    def cards(self) -> Cards:
        """Whose a card is."""
        ...

    @property
    def traces(self) -> Traces:
        """Trace codes of boxes."""
        ...


class LocalInsurerPlatform:
    """The insurer's platform for a hospital in the same process: no wire, the same messages."""

    def __init__(self, insurer: InsurerParts, clock: Clock) -> None:
        self._insurer = insurer
        self._clock = clock

    def person_information(self, query: at_hospital.PersonQuery) -> at_hospital.InsuredPerson:
        """1101, answered to who holds evidence of that person.

        Nothing is used up, or a code once it is known to be that person's.
        """
        subject = self._subject(query.evidence, query.fixmedins_code)
        if query.psn_no not in {None, subject}:
            face = isinstance(query.evidence, at_hospital.FaceEvidence)
            raise Refused(PROOF_OTHER_SUBJECT if face else EVIDENCE_OF_ANOTHER)
        if query.uses_up and isinstance(query.evidence, at_hospital.CodeEvidence):
            self._use_code(query.evidence, query.fixmedins_code, subject, use=IDENTITY_USE)
        person = self._insurer.insured.persons.get(subject)
        return at_hospital.InsuredPerson(
            psn_no=person.psn_no,
            psn_name=person.name,
            certno=person.id_number,
            insuinfo=tuple(
                at_hospital.Insurance(
                    insutype=insurance.insutype,
                    psn_type=insurance.psn_type,
                    insuplc_admdvs=insurance.insuplc_admdvs,
                    in_force=insurance.psn_insu_stas is InsuranceStatus.INSURED,
                )
                for insurance in person.insurances
            ),
        )

    def open_visit(self, opening: at_hospital.VisitOpening) -> at_hospital.OpenedVisit:
        """2201; a repeat is known by the hospital's own number of the visit.

        A face proof is redeemed with the visit and a code before it: power lost between the two
        leaves a used code and no visit, and the repeat goes through, because redeeming is
        idempotent for (institution, intent, use). On a card or a document the visit is a claim.
        """
        face = None
        if isinstance(opening.evidence, at_hospital.FaceEvidence):
            face = _face(opening.evidence, opening.psn_no)
        if isinstance(opening.evidence, at_hospital.CodeEvidence):
            institution, psn_no = opening.fixmedins_code, opening.psn_no
            self._use_code(opening.evidence, institution, psn_no, use=REGISTER_USE)
        visit = self._insurer.settlements.open_visit(
            institution=opening.fixmedins_code,
            registration=at_insurer.Registration(
                psn_no=opening.psn_no,
                insutype=opening.insutype,
                begntime=opening.begntime,
                mdtrt_cert_type=opening.certificate.mdtrt_cert_type.value,
                ipt_otp_no=opening.ipt_otp_no,
                atddr_no=opening.atddr_no,
                dept_code=opening.dept_code,
                caty=opening.caty,
            ),
            evidence=face,
        )
        return at_hospital.OpenedVisit(visit.mdtrt_id, opening.psn_no, opening.ipt_otp_no)

    def cancel_visit(self, cancellation: at_hospital.VisitCancellation) -> None:
        """2202."""
        self._insurer.settlements.visits.cancel_visit(
            institution=cancellation.fixmedins_code,
            mdtrt_id=cancellation.mdtrt_id,
            psn_no=cancellation.psn_no,
            ipt_otp_no=cancellation.ipt_otp_no,
        )

    def upload_charge_items(
        self, upload: at_hospital.ChargeUpload
    ) -> tuple[at_hospital.FeeSplit, ...]:
        """2204."""
        splits = self._insurer.settlements.upload_charge_items(
            institution=upload.fixmedins_code,
            mdtrt_id=upload.mdtrt_id,
            psn_no=upload.psn_no,
            items=[_charge_item(detail, upload.chrg_bchno) for detail in upload.feedetail],
        )
        return tuple(_fee_split(split) for split in splits)

    def pre_settle(self, request: at_hospital.SettlementRequest) -> at_hospital.SettlementAnswer:
        """2206."""
        settlement = self._insurer.settlements.pre_settle(
            institution=request.fixmedins_code, bill=_bill(request)
        )
        return self._trial(settlement)

    def settle(self, command: at_hospital.SettlementCommand) -> at_hospital.SettlementAnswer:
        """2207."""
        confirmed = command.confirmed
        record = self._insurer.settlements.settle(
            institution=command.request.fixmedins_code,
            command_id=command.command_id,
            bill=_bill(command.request),
            confirmed=at_insurer.Confirmed(
                fulamt_ownpay_amt=confirmed.fulamt_ownpay_amt,
                overlmt_selfpay=confirmed.overlmt_selfpay,
                preselfpay_amt=confirmed.preselfpay_amt,
                inscp_scp_amt=confirmed.inscp_scp_amt,
                fund_pay_sumamt=confirmed.fund_pay_sumamt,
                acct_pay=confirmed.acct_pay,
                psn_cash_pay=confirmed.psn_cash_pay,
            ),
            evidence=_evidence(command.evidence, command.request.psn_no),
        )
        return _settled(record)

    def cancel_settlement(self, cancellation: at_hospital.SettlementCancellation) -> SettlementId:
        """2208; one that was taken back by another command is answered with that one's number."""
        settlements, institution = self._insurer.settlements, cancellation.fixmedins_code
        try:
            return settlements.cancel_settlement(
                institution=institution,
                command_id=cancellation.command_id,
                setl_id=cancellation.setl_id,
                mdtrt_id=cancellation.mdtrt_id,
                psn_no=cancellation.psn_no,
            ).setl_id
        except Refused as refused:
            earlier = settlements.cancelled_by(cancellation.setl_id)
            if refused.kind is not ALREADY_CANCELLED or earlier is None:
                raise
            return earlier

    def reverse_settlement(self, reversal: at_hospital.SettlementReversal) -> SettlementId | None:
        """2601."""
        ended = self._insurer.settlements.reverse(
            institution=reversal.fixmedins_code,
            command_id=reversal.command_id,
            psn_no=reversal.psn_no,
        )
        return None if ended.cancellation is None else ended.cancellation.setl_id

    def _subject(
        self,
        evidence: at_hospital.Evidence | at_hospital.NumberClaim,
        institution: InstitutionCode,
    ) -> PersonNo:
        """Whose evidence it is."""
        insurer = self._insurer
        match evidence:
            case at_hospital.FaceEvidence():
                return self._of_face(evidence, institution)
            case at_hospital.CodeEvidence(token=token):
                return insurer.insured.vouchers.read_code(token, institution=institution)
            case at_hospital.CardEvidence(card_no=card_no, pin=pin):
                holder = insurer.cards.holder(card_no)
                insurer.insured.pins.check(holder, pin)
                return holder
            case at_hospital.DocumentEvidence() | at_hospital.NumberClaim():
                id_number = evidence.id_number
                found = insurer.insured.persons.by_number(id_number)
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        return found

    def _of_face(
        self, evidence: at_hospital.FaceEvidence, institution: InstitutionCode
    ) -> PersonNo:
        proof = self._insurer.verification.check(evidence.auth_no, expected_institution=institution)
        if proof.relation is not evidence.relation:
            raise Refused(PROOF_OTHER_RELATION)
        if proof.relation is Relation.SELF:
            return proof.subject
        if proof.subject != evidence.subject:
            raise Refused(PROOF_OTHER_SUBJECT)
        # The proof lives on for two minutes when a binding ends; what it would do does not.
        self._insurer.insured.family.check(
            subject=proof.subject,
            beneficiary=proof.beneficiary,
            relation=proof.relation,
            at=self._clock.now(),
        )
        return proof.beneficiary

    def _use_code(
        self,
        evidence: at_hospital.CodeEvidence,
        institution: InstitutionCode,
        psn_no: PersonNo,
        *,
        use: str,
    ) -> None:
        made = self._insurer.insured.vouchers.redeem_code(
            evidence.token,
            institution=institution,
            intent_id=evidence.intent_id,
            use=use,
        )
        if made.psn_no != psn_no:
            raise Refused(EVIDENCE_OF_ANOTHER)

    def tell_traces(self, telling: at_hospital.TraceTelling) -> tuple[at_hospital.FeeSplit, ...]:
        """Trace codes of boxes that are about to go out."""
        splits = self._insurer.traces.tell(
            institution=telling.fixmedins_code,
            mdtrt_id=telling.mdtrt_id,
            psn_no=telling.psn_no,
            lines=[_traces(line) for line in telling.lines],
        )
        return tuple(_fee_split(split) for split in splits)

    def end_traces(self, ending: at_hospital.TraceEnding) -> None:
        """Trace codes of boxes that came back or never went out."""
        self._insurer.traces.end(
            institution=ending.fixmedins_code,
            mdtrt_id=ending.mdtrt_id,
            psn_no=ending.psn_no,
            codes=[TraceCode(code) for code in ending.codes],
            handed_out=ending.handed_out,
        )

    def admit(self, admission: at_hospital.Admission) -> at_hospital.OpenedVisit:
        """2401; a repeat is known by the hospital's own number of the stay.

        Only a face is redeemed by an admission; on everything else the stay is a claim.
        """
        shown = admission.evidence
        face = shown if isinstance(shown, at_hospital.FaceEvidence) else None
        visit = self._insurer.settlements.open_visit(
            institution=admission.fixmedins_code,
            registration=at_insurer.Registration(
                psn_no=admission.psn_no,
                insutype=admission.insutype,
                begntime=admission.begntime,
                mdtrt_cert_type=admission.certificate.mdtrt_cert_type.value,
                ipt_otp_no=admission.ipt_otp_no,
                atddr_no=admission.atddr_no,
                dept_code=admission.dept_code,
                caty=admission.caty,
                kind=at_insurer.VisitKind.INPATIENT,
            ),
            evidence=None if face is None else _face(face, admission.psn_no),
        )
        return at_hospital.OpenedVisit(visit.mdtrt_id, admission.psn_no, admission.ipt_otp_no)

    def discharge(self, message: at_hospital.StayMessage) -> None:
        """2402."""
        self._insurer.settlements.visits.discharge(
            institution=message.fixmedins_code,
            mdtrt_id=message.mdtrt_id,
            psn_no=message.psn_no,
            endtime=message.endtime or self._clock.now(),
        )

    def cancel_discharge(self, message: at_hospital.StayMessage) -> None:
        """2405."""
        self._insurer.settlements.visits.cancel_discharge(
            institution=message.fixmedins_code,
            mdtrt_id=message.mdtrt_id,
            psn_no=message.psn_no,
        )

    def cancel_admission(self, message: at_hospital.StayMessage) -> None:
        """2404."""
        self._insurer.settlements.visits.cancel_visit(
            institution=message.fixmedins_code,
            mdtrt_id=message.mdtrt_id,
            psn_no=message.psn_no,
            ipt_otp_no=message.ipt_otp_no,
        )

    def tell_visit_information(self, information: at_hospital.VisitInformation) -> None:
        """2203."""
        self._insurer.settlements.visits.tell_information(
            institution=information.fixmedins_code,
            mdtrt_id=information.mdtrt_id,
            psn_no=information.psn_no,
            information=at_insurer.VisitInformation(
                med_type=information.med_type,
                main_cond_dscr=information.main_cond_dscr,
                diagnoses=tuple(row.diag_code for row in information.diseinfo),
            ),
        )

    def withdraw_charge_items(self, recall: at_hospital.ChargeRecall) -> None:
        """2205."""
        self._insurer.settlements.visits.withdraw_charge_items(
            institution=recall.fixmedins_code,
            mdtrt_id=recall.mdtrt_id,
            psn_no=recall.psn_no,
            chrg_bchno=recall.chrg_bchno,
        )

    def estimate(self, request: at_hospital.EstimateRequest) -> at_hospital.SettlementAnswer:
        """The calculation of 2206 over lines that are not uploaded."""
        bill = _bill(request.request)
        settlement = self._insurer.settlements.estimate(
            institution=request.request.fixmedins_code,
            bill=bill,
            items=[_charge_item(detail, bill.chrg_bchno) for detail in request.feedetail],
        )
        return self._trial(settlement)

    def refund_settlement(self, request: at_hospital.RefundRequest) -> at_hospital.RefundAnswer:
        """2208 and 2207 of the rest, in one step of the insurer's."""
        refund = self._insurer.settlements.refund(
            institution=request.fixmedins_code,
            command_id=request.command_id,
            setl_id=request.setl_id,
            mdtrt_id=request.mdtrt_id,
            psn_no=request.psn_no,
            give_back=request.give_back,
            instead=[_charge_item(detail, request.chrg_bchno) for detail in request.instead],
        )
        if refund.rest is None:
            return at_hospital.RefundAnswer(refund.cancellation.setl_id, None)
        kept = {detail.feedetl_sn for detail in request.instead}
        splits = [split for split in refund.rest.settlement.lines if split.item.feedetl_sn in kept]
        return at_hospital.RefundAnswer(
            refund.cancellation.setl_id,
            _settled(refund.rest),
            tuple(_fee_split(split) for split in splits),
        )

    def _trial(self, settlement: Settlement) -> at_hospital.SettlementAnswer:
        return at_hospital.SettlementAnswer(
            setl_id=None,
            setl_time=self._clock.now(),
            amounts=_amounts(settlement),
            setldetail=_details(settlement),
            reasons=_reasons(settlement),
        )


def _traces(line: at_hospital.TraceLine) -> LineTraces:
    return LineTraces(
        feedetl_sn=line.feedetl_sn,
        codes=tuple(TraceCode(code) for code in line.codes),
        missing=line.missing,
        exception=None if line.exception is None else TraceException(line.exception.value),
        reason=line.reason,
        mother_code=None if line.mother_code is None else TraceCode(line.mother_code),
    )


def _settled(record: at_insurer.SettlementRecord) -> at_hospital.SettlementAnswer:
    return at_hospital.SettlementAnswer(
        setl_id=record.setl_id,
        setl_time=record.setl_time,
        amounts=_amounts(record.settlement),
        setldetail=_details(record.settlement),
        reasons=_reasons(record.settlement),
    )


def _face(evidence: at_hospital.FaceEvidence, subject: PersonNo) -> FaceEvidence:
    return FaceEvidence(
        auth_no=evidence.auth_no,
        intent_id=evidence.intent_id,
        terminal_id=evidence.terminal_id,
        scene=evidence.scene,
        subject=evidence.subject or subject,
        relation=evidence.relation,
    )


def _evidence(evidence: at_hospital.Evidence, subject: PersonNo) -> Evidence:
    match evidence:
        case at_hospital.FaceEvidence():
            return _face(evidence, subject)
        case at_hospital.CodeEvidence(token, intent_id):
            return CodeEvidence(token, intent_id)
        case at_hospital.CardEvidence(card_no, pin, intent_id):
            return CardEvidence(card_no, pin, intent_id)
        case at_hospital.DocumentEvidence(id_number, seen_by, intent_id):
            return DocumentEvidence(id_number=id_number, seen_by=seen_by, intent_id=intent_id)


def _charge_item(detail: at_hospital.FeeDetail, chrg_bchno: str) -> at_insurer.ChargeItem:
    return at_insurer.ChargeItem(
        feedetl_sn=detail.feedetl_sn,
        chrg_bchno=chrg_bchno,
        fee_ocur_time=detail.fee_ocur_time,
        med_list_codg=detail.med_list_codg,
        medins_list_codg=detail.medins_list_codg,
        det_item_fee_sumamt=detail.det_item_fee_sumamt,
        cnt=detail.cnt,
        pric=detail.pric,
        bilg_dept_codg=detail.bilg_dept_codg,
        bilg_dr_codg=detail.bilg_dr_codg,
        hosp_appr_flag=detail.hosp_appr_flag,
    )


def _fee_split(split: LineSplit) -> at_hospital.FeeSplit:
    item = split.item
    return at_hospital.FeeSplit(
        feedetl_sn=item.feedetl_sn,
        det_item_fee_sumamt=item.det_item_fee_sumamt,
        fulamt_ownpay_amt=split.fulamt_ownpay_amt,
        overlmt_amt=split.overlmt_amt,
        preselfpay_amt=split.preselfpay_amt,
        inscp_scp_amt=split.inscp_scp_amt,
        chrgitm_lv=item.chrgitm_lv.value,
        med_chrgitm_type=item.med_chrgitm_type,
        selfpay_prop=Decimal(item.selfpay_prop) / WHOLE,
        pric_uplmt_amt=item.pric_uplmt_amt,
    )


def _bill(request: at_hospital.SettlementRequest) -> at_insurer.Bill:
    return at_insurer.Bill(
        mdtrt_id=request.mdtrt_id,
        psn_no=request.psn_no,
        insutype=request.insutype,
        chrg_bchno=request.chrg_bchno,
        med_type=request.med_type,
        acct_used=request.acct_used_flag,
        medfee_sumamt=request.medfee_sumamt,
        mid_setl=request.mid_setl_flag,
    )


def _amounts(settlement: Settlement) -> at_hospital.Amounts:
    names = [field.name for field in fields(at_hospital.Amounts)]
    return at_hospital.Amounts(**{name: getattr(settlement.amounts, name) for name in names})


def _details(settlement: Settlement) -> tuple[at_hospital.FundDetail, ...]:
    return tuple(at_hospital.FundDetail(*detail) for detail in settlement.details)


def _reasons(settlement: Settlement) -> tuple[at_hospital.Reason, ...]:
    sentences = zip(
        settlement.trace,
        render_trace(settlement, "zh"),
        render_trace(settlement, "en"),
        strict=True,
    )
    return tuple(
        at_hospital.Reason(
            rule=step.rule.value,
            clause=step.clause,
            subject=step.subject,
            before=step.before,
            after=step.after,
            facts=step.facts,
            zh=zh,
            en=en,
        )
        for step, zh, en in sentences
    )
