"""Who stands at the window: a face is read, a code that only collects is used up; pays nothing."""

from dataclasses import replace

from shualian.core.identifiers import (
    InstitutionCode,
    PersonNo,
)
from shualian.core.refusals import Refused
from shualian.hospital.dispensing.model import (
    COLLECTING_SCENES,
    DISPENSE_EVIDENCE_MISSING,
    DISPENSE_OTHER_PERSON,
    DISPENSE_PROXY_CANNOT_PAY,
    Collector,
    CollectorKind,
    DispenseRequest,
    Handover,
    Proxy,
)
from shualian.hospital.model import (
    INTENT_DIFFERS,
    PROOF_NOT_FITTING,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
    check_scene,
    is_final,
)
from shualian.hospital.payments.model import (
    SETTLING_SCENES,
)
from shualian.hospital.ports import FaceProofs, FieldSealer
from shualian.hospital.records.service import Records
from shualian.verification.model import FaceProof, Relation, Scene

_PROOF = "hospital.dispensing.proof"
_PROXY = "hospital.dispensing.proxy"
_OF_ANOTHER = frozenset(("insurer.evidence_of_another", "verification.proof_other_subject"))
"""By which the insurer says that the evidence is not the patient's."""


class Collectors:
    """Tells who collects: the patient, a relative whom the insurer knows, or somebody sent."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        records: Records,
        proofs: FaceProofs,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._records = records
        self._proofs = proofs
        self._sealer = sealer

    def who(
        self,
        request: DispenseRequest,
        handover: Handover,
        evidence: Evidence | None,
        proxy: Proxy | None,
    ) -> tuple[Collector, Evidence | None]:
        """Who stands at the window, and the evidence that pays; outside of every transaction.

        Raises:
            Refused: ``hospital.intent_differs``, ``dispense_evidence_missing``,
                ``dispense_proxy_cannot_pay``, ``dispense_other_person``, ``scene_not_allowed``,
                ``proof_not_fitting``; what refuses the evidence.
        """
        for shown in (evidence, None if proxy is None else proxy.evidence):
            if shown is not None and shown.intent_id != handover.intent_id:
                raise Refused(INTENT_DIFFERS)
        collects = None if proxy is None else self._proxy(request, proxy)
        if evidence is None:
            if collects is not None and not handover.pays:
                return collects, None
            missing = DISPENSE_EVIDENCE_MISSING if proxy is None else DISPENSE_PROXY_CANNOT_PAY
            raise Refused(missing)
        patient = self._patient(request, evidence, pays=handover.pays)
        if isinstance(evidence, FaceEvidence) and patient.kind is CollectorKind.FAMILY:
            # The insurer is told who scanned, and decides whether the binding lets them pay.
            evidence = replace(evidence, subject=patient.psn_no, relation=Relation.FAMILY)
        return collects or patient, evidence

    def _patient(self, request: DispenseRequest, evidence: Evidence, *, pays: bool) -> Collector:
        if isinstance(evidence, FaceEvidence):
            scenes = SETTLING_SCENES if pays else COLLECTING_SCENES
            return self._face_of_patient(request, evidence, scenes, pays=pays)
        if isinstance(evidence, DocumentEvidence):
            identity = self._records.identity(record_no=request.record_no)
            if evidence.id_number != identity.id_number:
                raise Refused(DISPENSE_OTHER_PERSON)
            return Collector(
                CollectorKind.PATIENT, evidence.channel, request.psn_no, seen_by=evidence.seen_by
            )
        # A code is good once and a PIN is counted: what pays is looked at by the settlement only.
        if not pays:
            self._check_shown(evidence, request.psn_no)
        return Collector(CollectorKind.PATIENT, evidence.channel, request.psn_no)

    def _check_shown(self, evidence: CodeEvidence | CardEvidence, patient: PersonNo) -> None:
        """Whose code or card it is; nothing is paid, so the code is used up here."""
        try:
            self._records.person_of(
                evidence, scenes=COLLECTING_SCENES, expected=patient, uses_up=True
            )
        except Refused as refused:
            if is_of_another(refused):
                raise Refused(DISPENSE_OTHER_PERSON) from refused
            raise

    def _face_of_patient(
        self,
        request: DispenseRequest,
        evidence: FaceEvidence,
        scenes: frozenset[Scene],
        *,
        pays: bool,
    ) -> Collector:
        proof = self._checked(evidence, scenes)
        kinds = {Relation.SELF: CollectorKind.PATIENT, Relation.FAMILY: CollectorKind.FAMILY}
        kind = kinds.get(proof.relation)
        if proof.beneficiary != request.psn_no:
            raise Refused(DISPENSE_OTHER_PERSON)
        if kind is None:
            raise Refused(DISPENSE_PROXY_CANNOT_PAY if pays else DISPENSE_OTHER_PERSON)
        if kind is CollectorKind.PATIENT and proof.subject != request.psn_no:
            raise Refused(DISPENSE_OTHER_PERSON)
        return Collector(
            kind, evidence.channel, proof.subject, proof_digest=self._digest_of(evidence)
        )

    def _proxy(self, request: DispenseRequest, proxy: Proxy) -> Collector:
        evidence = proxy.evidence
        if isinstance(evidence, DocumentEvidence):
            number = evidence.id_number.value.encode()
            return Collector(
                CollectorKind.PROXY,
                evidence.channel,
                id_number_hash=self._sealer.keyed_hash(number, purpose=_PROXY),
                kinship=proxy.kinship,
                seen_by=evidence.seen_by,
            )
        if not isinstance(evidence, FaceEvidence):
            raise Refused(DISPENSE_EVIDENCE_MISSING)
        proof = self._checked(evidence, COLLECTING_SCENES)
        own = proof.relation is Relation.SELF
        if not own and proof.beneficiary != request.psn_no:
            raise Refused(DISPENSE_OTHER_PERSON)
        return Collector(
            CollectorKind.PROXY,
            evidence.channel,
            proof.subject,
            kinship=proxy.kinship,
            proof_digest=self._digest_of(evidence),
        )

    def _checked(self, evidence: FaceEvidence, scenes: frozenset[Scene]) -> FaceProof:
        """A proof that is what the evidence says; read and not redeemed."""
        check_scene(evidence, scenes)
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        for name, fits in (
            ("terminal", proof.terminal_id == evidence.terminal_id),
            ("intent", proof.intent_id == evidence.intent_id),
            ("scene", proof.scene is evidence.scene),
        ):
            if not fits:
                raise Refused(PROOF_NOT_FITTING, differs=name)
        return proof

    def _digest_of(self, evidence: FaceEvidence) -> bytes:
        return self._sealer.keyed_hash(evidence.auth_no.encode(), purpose=_PROOF)


def is_of_another(refused: Refused) -> bool:
    """Whether the insurer says that the evidence is somebody else's; then nothing was done."""
    return refused.kind.code in _OF_ANOTHER and is_final(refused)
