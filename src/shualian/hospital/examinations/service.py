"""Use cases of examinations: arrive, perform, enter, sign, collect."""

import json
from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
)
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import ORDER_NOT_PAID, OrderKind, OrderNo, OrderView, Standing
from shualian.hospital.clinical.service import ClinicalOrders
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.examinations import store
from shualian.hospital.examinations.model import (
    ARRIVAL_SCENES,
    COLLECTION_SCENES,
    EXAMINATION_NOT_FOUND,
    EXAMINATION_STEP,
    EXAMINED,
    NOT_EXAMINED_HERE,
    ORDER_OF_ANOTHER_PERSON,
    REPORT_NOT_READY,
    Collection,
    Collector,
    Examination,
    ExamState,
    Findings,
    LabValue,
    Report,
    ResultReady,
    WorkItem,
    check_findings,
    check_patient,
    check_same_report,
    holding,
    moved,
    performed,
    presence,
    signed,
)
from shualian.hospital.examinations.ports import Identities
from shualian.hospital.examinations.store import SealedReport
from shualian.hospital.model import COMMAND_DIFFERS, Evidence, FaceEvidence
from shualian.hospital.ports import FaceProofs, FieldSealer
from shualian.hospital.records.service import Records
from shualian.verification.model import Scene

_CONTENT = "hospital.report.content"
_BOUNDS = ("low", "high", "critical_low", "critical_high")


class Examinations:
    """The examination rooms and laboratories of one hospital; also the port ``ResultsReady``."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        clinical: ClinicalOrders,
        proofs: FaceProofs,
        identities: Identities,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._clinical = clinical
        self._proofs = proofs
        self._identities = identities
        self._sealer = sealer

    # The desk

    def worklist(self, *, kinds: Several[OrderKind] = EXAMINED) -> Sequence[WorkItem]:
        """Paid orders whose patients have not come, and what is begun and not reported.

        The begun ones first, each by age.
        """
        begun = self._database.read(
            lambda connection: store.in_states(
                connection, self._institution, (ExamState.ARRIVED, ExamState.PERFORMED)
            )
        )
        states = {each.order_no: each.state for each in begun if each.kind in kinds}
        views = [self._clinical.get(order_no=order_no) for order_no in states]
        waiting = [
            view for view in self._clinical.paid(kinds=kinds) if view.order.order_no not in states
        ]
        return [self._work_item(view, states.get(view.order.order_no)) for view in views + waiting]

    def arrive(
        self,
        *,
        command_id: CommandId,
        order_no: OrderNo,
        evidence: Evidence,
        terminal_id: TerminalId | None = None,
        received_by: StaffId | None = None,
    ) -> Examination:
        """The patient of a paid order has come to the desk, and is the patient.

        Args:
            command_id: Made and stored by the caller.
            order_no: Which order.
            evidence: Of any kind; read and not used up.
            terminal_id: Where, at a terminal.
            received_by: Who received the patient, at a window.

        Raises:
            Refused: ``hospital.order_not_found``, ``not_examined_here``, ``order_not_paid``,
                ``order_of_another_person``, ``examination_step`` when the patient has come by
                another command; what refuses the evidence.
        """
        earlier = self._database.read(
            lambda connection: store.by_order(connection, self._institution, order_no)
        )
        if earlier is not None and earlier.command_id == command_id:
            return earlier
        view = self._examined(order_no)
        came = self._collector(evidence, ARRIVAL_SCENES)
        encounter = self._encounter(view.order.encounter_no)
        check_patient(came.subject, expected=encounter.psn_no)
        new = Examination(
            order_no=order_no,
            institution=self._institution,
            encounter_no=encounter.encounter_no,
            record_no=encounter.record_no,
            psn_no=encounter.psn_no,
            kind=view.order.kind,
            command_id=command_id,
            channel=came.channel,
            arrived_at=self._clock.now(),
            terminal_id=terminal_id,
            received_by=received_by,
        )
        return self._database.write(lambda connection: self._arrived(connection, new))

    def expected(self, *, order_no: OrderNo) -> RecordNo:
        """Whose record it is who may arrive for an order now; nothing is written.

        Raises:
            Refused: ``hospital.order_not_found``, ``not_examined_here``, ``order_not_paid``,
                ``examination_step`` when the patient has come.
        """
        view = self._examined(order_no)
        earlier = self._database.read(
            lambda connection: store.by_order(connection, self._institution, order_no)
        )
        if earlier is not None:
            raise Refused(
                EXAMINATION_STEP, found=earlier.state.value, asked=ExamState.ARRIVED.value
            )
        if view.standing is not Standing.PAID:
            raise Refused(ORDER_NOT_PAID)
        return self._encounter(view.order.encounter_no).record_no

    def perform(self, *, order_no: OrderNo, by: StaffId) -> Examination:
        """It was performed: from now on it cannot be given back; again changes nothing.

        Raises:
            Refused: ``hospital.examination_not_found``, ``examination_step``, ``order_step``,
                ``order_not_paid``.
        """

        def work(connection: Connection) -> Examination:
            found = self._examination(connection, order_no)
            if found.state is not ExamState.ARRIVED:
                return found
            self._clinical.perform_within(connection, order_no, by=by)
            after = performed(found, by=by, now=self._clock.now())
            store.change(connection, after)
            return after

        return self._database.write(work)

    # Reports

    def enter(
        self, *, command_id: CommandId, order_no: OrderNo, findings: Findings, entered_by: StaffId
    ) -> Report:
        """Enter what was found: the first version, or one that amends the last.

        Nobody sees it before it is signed.

        Raises:
            Refused: ``hospital.report_invalid``, ``examination_not_found``,
                ``examination_step`` before it was performed, ``command_differs``.
        """
        check_findings(findings)
        dr_code = self._clinical.get(order_no=order_no).order.doctor.dr_code
        content = _to_bytes(findings)
        sealed = self._sealer.seal(content, purpose=_CONTENT, context=order_no.encode())

        def work(connection: Connection) -> SealedReport:
            earlier = store.report_of_command(connection, self._institution, command_id)
            if earlier is not None:
                return earlier
            found = self._examination(connection, order_no)
            if found.state is ExamState.ARRIVED:
                moved(found, ExamState.REPORTED)
            known = store.reports_of(connection, self._institution, [order_no])
            new = SealedReport(
                institution=self._institution,
                order_no=order_no,
                version=len(known) + 1,
                encounter_no=found.encounter_no,
                dr_code=dr_code,
                command_id=command_id,
                content_sealed=sealed,
                critical=findings.critical,
                entered_by=entered_by,
                entered_at=self._clock.now(),
            )
            store.add_report(connection, new)
            return new

        report = self._opened(self._database.write(work))
        check_same_report(report, order_no=order_no, findings=findings)
        return report

    def sign(self, *, order_no: OrderNo, version: int, by: StaffId) -> Report:
        """Answer for a version: it holds from now on; again changes nothing.

        Raises:
            Refused: ``hospital.examination_not_found``, ``report_not_ready`` when there is no
                such version, ``report_needs_second``.
        """

        def work(connection: Connection) -> SealedReport:
            examination = self._examination(connection, order_no)
            stored = self._version(connection, order_no, version)
            report = signed(self._opened(stored), by=by, now=self._clock.now())
            after = replace(stored, signed_by=report.signed_by, signed_at=report.signed_at)
            store.change_report(connection, after)
            if examination.state is not ExamState.REPORTED:
                store.change(connection, moved(examination, ExamState.REPORTED))
            return after

        return self._opened(self._database.write(work))

    def report(self, *, order_no: OrderNo) -> Report:
        """The version that holds, for staff.

        Raises:
            Refused: ``hospital.report_not_ready``.
        """
        return holding(self._versions([order_no]))

    def versions(self, *, order_no: OrderNo) -> Sequence[Report]:
        """All versions of a report, signed or not, the oldest first."""
        return self._versions([order_no])

    def of_encounters(self, numbers: Sequence[EncounterNo]) -> Sequence[Report]:
        """The reports of some visits that hold, the oldest first."""
        found = self._database.read(
            lambda connection: store.reports_of_encounters(connection, self._institution, numbers)
        )
        return _holding_of([self._opened(sealed) for sealed in found])

    def results_since(self, *, encounter_no: EncounterNo, at: datetime) -> Sequence[ResultReady]:
        """The reports of a visit that were signed at ``at`` (UTC) or later, the oldest first."""
        ready = [self._ready(report) for report in self.of_encounters([encounter_no])]
        return [each for each in ready if each.signed_at >= at]

    def critical(self, *, dr_code: str) -> Sequence[Report]:
        """Critical reports of a doctor's orders of which nobody has taken note."""
        found = self._database.read(
            lambda connection: store.critical_unseen(connection, self._institution, dr_code)
        )
        return [self._opened(sealed) for sealed in found]

    def take_note(self, *, order_no: OrderNo, version: int, by: StaffId) -> Report:
        """A doctor has taken note of a critical report; again changes nothing.

        Raises:
            Refused: ``hospital.report_not_ready``.
        """

        def work(connection: Connection) -> SealedReport:
            stored = self._version(connection, order_no, version)
            if stored.signed_at is None:
                raise Refused(REPORT_NOT_READY)
            if stored.seen_at is not None:
                return stored
            after = replace(stored, seen_by=by, seen_at=self._clock.now())
            store.change_report(connection, after)
            return after

        return self._opened(self._database.write(work))

    # Collecting

    def own_reports(self, *, evidence: Evidence) -> Sequence[ResultReady]:
        """What the person who shows this, or for whom they came, can collect; the oldest first.

        Raises:
            Refused: What refuses the evidence.
        """
        came = self._collector(evidence, COLLECTION_SCENES)
        return [self._ready(report) for report in self._reports_of(came.beneficiary)]

    def collect(
        self,
        *,
        command_id: CommandId,
        order_no: OrderNo,
        evidence: Evidence,
        terminal_id: TerminalId | None = None,
        given_by: StaffId | None = None,
        is_proxy: bool = False,
    ) -> tuple[Report, Collection]:
        """Take a report away; who did is recorded. Also again, and under another command.

        A proxy is known at a terminal by a face proof that names for whom; at a window any
        evidence of the proxy's own does, and the clerk says that it is one.

        Args:
            command_id: Made and stored by the caller; a repeat gives the same version.
            order_no: Which report.
            evidence: Of who came; read and not used up.
            terminal_id: Where, at a terminal.
            given_by: Who hands it out, at a window.
            is_proxy: That somebody else than the patient stands at the window.

        Raises:
            Refused: ``hospital.examination_not_found``, ``report_not_ready``,
                ``order_of_another_person``, ``command_differs``; what refuses the evidence.
        """
        earlier = self._database.read(
            lambda connection: store.collection_of_command(
                connection, self._institution, command_id
            )
        )
        if earlier is not None:
            return self._collected_before(earlier, order_no)
        came = self._collector(evidence, COLLECTION_SCENES)
        found = self._database.read(lambda connection: self._examination(connection, order_no))
        by_proxy = is_proxy and given_by is not None
        if came.beneficiary != found.psn_no and not by_proxy:
            raise Refused(ORDER_OF_ANOTHER_PERSON)
        report = self.report(order_no=order_no)
        new = Collection(
            command_id=command_id,
            order_no=order_no,
            version=report.version,
            collected_at=self._clock.now(),
            channel=came.channel,
            collector=came.subject,
            is_proxy=came.subject != found.psn_no,
            terminal_id=terminal_id,
            given_by=given_by,
        )
        self._database.write(
            lambda connection: store.add_collection(connection, self._institution, new)
        )
        return report, new

    def collections(self, *, order_no: OrderNo) -> Sequence[Collection]:
        """Who took a report away, the earliest first."""
        return self._database.read(
            lambda connection: store.collections_of(connection, self._institution, order_no)
        )

    # Inside

    def _collector(self, evidence: Evidence, scenes: frozenset[Scene]) -> Collector:
        if isinstance(evidence, FaceEvidence):
            proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
            return presence(evidence, proof, scenes)
        person = self._identities.person_of(evidence, scenes=scenes)
        return Collector(person.psn_no, person.psn_no, evidence.channel)

    def _arrived(self, connection: Connection, new: Examination) -> Examination:
        earlier = store.by_order(connection, self._institution, new.order_no)
        if earlier is not None:
            if earlier.command_id == new.command_id:
                return earlier
            return moved(earlier, ExamState.ARRIVED)
        # Paid when the patient was looked at, and still paid now.
        if not self._clinical.is_paid_within(connection, new.order_no):
            raise Refused(ORDER_NOT_PAID)
        store.add(connection, new)
        return new

    def _collected_before(
        self, earlier: Collection, order_no: OrderNo
    ) -> tuple[Report, Collection]:
        if earlier.order_no != order_no:
            raise Refused(COMMAND_DIFFERS)
        versions = self._versions([order_no])
        return versions[earlier.version - 1], earlier

    def _reports_of(self, psn_no: PersonNo) -> Sequence[Report]:
        found = self._database.read(
            lambda connection: store.of_person(connection, self._institution, psn_no)
        )
        return _holding_of(self._versions([each.order_no for each in found]))

    def _versions(self, orders: Sequence[OrderNo]) -> Sequence[Report]:
        found = self._database.read(
            lambda connection: store.reports_of(connection, self._institution, orders)
        )
        return [self._opened(sealed) for sealed in found]

    def _version(self, connection: Connection, order_no: OrderNo, version: int) -> SealedReport:
        known = store.reports_of(connection, self._institution, [order_no])
        for stored in known:
            if stored.version == version:
                return stored
        raise Refused(REPORT_NOT_READY)

    def _examination(self, connection: Connection, order_no: OrderNo) -> Examination:
        found = store.by_order(connection, self._institution, order_no)
        if found is None:
            raise Refused(EXAMINATION_NOT_FOUND)
        return found

    def _examined(self, order_no: OrderNo) -> OrderView:
        view = self._clinical.get(order_no=order_no)
        if view.order.kind not in EXAMINED:
            raise Refused(NOT_EXAMINED_HERE, found=view.order.kind.value)
        return view

    def _encounter(self, encounter_no: EncounterNo) -> Encounter:
        stored = self._database.read(
            lambda connection: encounters.by_number(connection, self._institution, encounter_no)
        )
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return stored.encounter

    def _work_item(self, view: OrderView, state: ExamState | None) -> WorkItem:
        encounter = self._encounter(view.order.encounter_no)
        record = self._records.get(record_no=encounter.record_no)
        return WorkItem(
            order_no=view.order.order_no,
            encounter_no=encounter.encounter_no,
            kind=view.order.kind,
            queue_no=encounter.queue_no,
            masked_name=record.masked_name,
            names_zh=tuple(item.name_zh for item in view.items),
            names_en=tuple(item.name_en for item in view.items),
            state=state,
        )

    def _ready(self, report: Report) -> ResultReady:
        if report.signed_at is None:
            raise Refused(REPORT_NOT_READY)
        items = self._clinical.get(order_no=report.order_no).items
        return ResultReady(
            order_no=report.order_no,
            encounter_no=report.encounter_no,
            version=report.version,
            signed_at=report.signed_at,
            critical=report.findings.critical,
            names_zh=tuple(item.name_zh for item in items),
            names_en=tuple(item.name_en for item in items),
        )

    def _opened(self, sealed: SealedReport) -> Report:
        context = sealed.order_no.encode()
        content = self._sealer.open(sealed.content_sealed, purpose=_CONTENT, context=context)
        return Report(
            order_no=sealed.order_no,
            encounter_no=sealed.encounter_no,
            version=sealed.version,
            command_id=sealed.command_id,
            findings=_from_bytes(content),
            entered_by=sealed.entered_by,
            entered_at=sealed.entered_at,
            signed_by=sealed.signed_by,
            signed_at=sealed.signed_at,
            seen_by=sealed.seen_by,
            seen_at=sealed.seen_at,
        )


def _holding_of(reports: Sequence[Report]) -> Sequence[Report]:
    """Of each order the version that holds, by when it was signed."""
    newest: dict[OrderNo, Report] = {
        report.order_no: report for report in reports if report.signed_at is not None
    }
    return sorted(newest.values(), key=lambda report: (report.signed_at, report.order_no))


def _to_bytes(findings: Findings) -> bytes:
    content = {
        "values": [_value_row(value) for value in findings.values],
        "finding": findings.finding,
        "conclusion": findings.conclusion,
        "is_critical": findings.is_critical,
    }
    return json.dumps(content).encode()


def _value_row(value: LabValue) -> Mapping[str, str | None]:
    bounds = {name: getattr(value, name) for name in _BOUNDS}
    return {
        "name": value.name,
        "value": str(value.value),
        "unit": value.unit,
        **{name: None if bound is None else str(bound) for name, bound in bounds.items()},
    }


def _from_bytes(content: bytes) -> Findings:
    stored = json.loads(content)
    return Findings(
        values=tuple(_value(row) for row in stored["values"]),
        finding=stored["finding"],
        conclusion=stored["conclusion"],
        is_critical=stored["is_critical"],
    )


def _value(row: Mapping[str, str]) -> LabValue:
    bounds = {name: None if row[name] is None else Decimal(row[name]) for name in _BOUNDS}
    return LabValue(row["name"], Decimal(row["value"]), row["unit"], **bounds)


class ResultsOfVisits:
    """The port ``ResultsReady`` of scheduling: whether a visit's results came since it began."""

    def __init__(self, examinations: Examinations, encounters: Encounters) -> None:
        self._examinations = examinations
        self._encounters = encounters

    def since(self, encounter_no: EncounterNo) -> bool:
        """Whether a report of the visit was signed."""
        visit = self._encounters.get(encounter_no=encounter_no)
        ready = self._examinations.results_since(encounter_no=encounter_no, at=visit.begntime)
        return bool(ready)
