"""Use cases of trace codes: an institution tells which boxes it hands out, or that some came back.

It tells before the settlement, so that the fund's side is right when the money moves: the same
transaction takes the codes and sets the line's approval flag. Whoever tells a code that is live
elsewhere is refused, and both institutions are reported: the alert is written in the transaction
whose claims are undone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.statements import own_locks
from shualian.core.identifiers import (
    ChargeItemNo,
    InstitutionCode,
    PersonNo,
    VisitId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import LineSplit, split_items
from shualian.insurer.settlement import store as settlements
from shualian.insurer.settlement.model import ChargeItem, Visit
from shualian.insurer.settlement.visits.model import Rules
from shualian.insurer.settlement.visits.service import Visits, own_visit
from shualian.insurer.traces import store
from shualian.insurer.traces.model import (
    FLAG_OF,
    TRACE_LINE_UNKNOWN,
    TRACE_MISSING,
    TRACE_USED,
    Box,
    BoxState,
    LineState,
    LineTraces,
    TraceAlert,
    TraceCode,
    TracePolicy,
    TraceUsedTwice,
    check_line,
    check_told,
    may_go_out,
)
from shualian.trust.audit.model import Digest, Reference
from shualian.trust.audit.service import record

ALERTS_MAX = 500


class _UsedError(Exception):
    """A code is live elsewhere; everything that was claimed with it is undone."""

    def __init__(self, found: Box, wanted: Box, number: ChargeItemNo) -> None:
        super().__init__()
        self.found = found
        self.wanted = wanted
        self.number = number


@dataclass(frozen=True, slots=True)
class _Told:
    """One message inside its transaction."""

    visit: Visit
    rules: Rules
    items: dict[ChargeItemNo, ChargeItem]
    kinds: dict[ChargeItemNo, str]
    settled: set[ChargeItemNo]
    now: datetime


class Traces:
    """The codes of every box that was handed out in the region."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        visits: Visits,
        policy: TracePolicy | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._visits = visits
        self._policy = policy or TracePolicy()

    def tell(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        lines: Sequence[LineTraces],
    ) -> tuple[LineSplit, ...]:
        """Take the codes of boxes that are about to go out; gives the lines' splits as they stand.

        All are taken or none. The same again changes nothing. Codes add up; what is missing or
        excepted is as told last. An open line that misses a code becomes wholly self-paid, and is
        as before once all its codes are told.

        Raises:
            Refused: ``insurer.trace_used``, which is reported; ``trace_invalid``,
                ``trace_missing`` for a line that is settled, ``trace_line_unknown``,
                ``visit_not_found``.
        """
        check_told(lines)
        now = self._clock.now()

        def work(connection: Connection) -> tuple[LineSplit, ...] | Refused:
            own_locks(connection)
            settlements.lock_person(connection, psn_no)
            visit = own_visit(connection, institution, mdtrt_id, psn_no)
            told = self._asked(connection, visit, lines, now)
            try:
                with connection.begin_nested():
                    for line in lines:
                        self._claim(connection, told, line)
            except _UsedError as used:
                return self._report(connection, visit, used, now)
            return self._splits(connection, told, lines)

        answer = self._database.write(work)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def end(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        codes: Collection[TraceCode],
        handed_out: bool,
    ) -> None:
        """Boxes came back from the person, or never went out; the same again changes nothing.

        A code that is not live for this visit is passed over.

        Raises:
            Refused: ``insurer.visit_not_found``.
        """
        now, state = self._clock.now(), BoxState.RETURNED if handed_out else BoxState.FREE

        def work(connection: Connection) -> None:
            own_locks(connection)
            settlements.lock_person(connection, psn_no)
            own_visit(connection, institution, mdtrt_id, psn_no)
            for code in sorted(codes):
                box = store.box_of(connection, code, locked=True)
                if box and box.state is BoxState.LIVE and box.mdtrt_id == mdtrt_id:
                    ended = replace(box, state=state, ended_at=now)
                    store.put_box(connection, ended, is_new=False)

        self._database.write(work)

    def find(self, code: TraceCode) -> Box | None:
        """The box with this code, if it was ever told."""
        return self._database.read(lambda connection: store.box_of(connection, code))

    def alerts(self, *, limit: int = ALERTS_MAX) -> Sequence[TraceAlert]:
        """The newest reports of codes that were told twice."""
        return self._database.read(lambda connection: store.newest_alerts(connection, limit))

    def _asked(
        self,
        connection: Connection,
        visit: Visit,
        lines: Sequence[LineTraces],
        now: datetime,
    ) -> _Told:
        numbers = [line.feedetl_sn for line in lines]
        items = settlements.charge_items(connection, visit.mdtrt_id, numbers)
        if len(items) != len(numbers):
            raise Refused(TRACE_LINE_UNKNOWN)
        rules = self._visits.rules(connection, visit)
        classified = rules.classified(list(items.values()))
        return _Told(
            visit=visit,
            rules=rules,
            items=items,
            kinds={each.feedetl_sn: each.med_chrgitm_type for each in classified},
            settled=store.settled_numbers(connection, visit.mdtrt_id, numbers),
            now=now,
        )

    def _claim(self, connection: Connection, told: _Told, line: LineTraces) -> None:
        mdtrt_id, number = told.visit.mdtrt_id, line.feedetl_sn
        for code in line.codes:
            self._claim_box(connection, _box(told, number, code), number)
        if line.mother_code is not None:
            self._claim_box(connection, _opened(told, line.mother_code), number)
        live = store.live_codes(connection, mdtrt_id, number)
        check_line(line, kind=told.kinds[number], cnt=told.items[number].cnt, live=live)
        before = store.told_line(connection, mdtrt_id, number)
        is_missing = (
            # What stays of a line after a refund has a new number and was said to be unpaid.
            told.items[number].hosp_appr_flag == FLAG_OF[LineState.MISSING]
            if before is None
            else before.state is LineState.MISSING
        )
        if number in told.settled:
            if line.state is LineState.MISSING and not is_missing:
                raise Refused(TRACE_MISSING, feedetl_sn=number)
            # What the fund did not pay for stays unpaid, whatever is found afterwards.
            if is_missing:
                return
        said = told.items[number].hosp_appr_flag if before is None else before.said_flag
        is_new = before is None
        store.put_line(connection, mdtrt_id, line, said_flag=said, at=told.now, is_new=is_new)
        store.set_flag(connection, mdtrt_id, number, FLAG_OF[line.state] or said)

    def _claim_box(self, connection: Connection, wanted: Box, number: ChargeItemNo) -> None:
        found = store.box_of(connection, wanted.code, locked=True)
        if found is not None and not may_go_out(found, wanted, policy=self._policy):
            raise _UsedError(found, wanted, number)
        if found is None or found.state is not wanted.state:
            store.put_box(connection, wanted, is_new=found is None)

    def _report(
        self, connection: Connection, visit: Visit, used: _UsedError, now: datetime
    ) -> Refused:
        alert = TraceAlert(
            alert_id=new_identifier(),
            code=used.wanted.code,
            first=used.found.institution,
            second=visit.institution,
            mdtrt_id=visit.mdtrt_id,
            feedetl_sn=used.number,
            at=now,
        )
        if store.add_alert(connection, alert):
            event = TraceUsedTwice(
                alert=Reference(alert.alert_id),
                box=Digest(sha256(alert.code.encode()).hexdigest()),
                first=alert.first,
                second=alert.second,
            )
            record(connection, event, at=now)
        # The other institution is for the insurer to know, not for whoever asks.
        return Refused(TRACE_USED, feedetl_sn=used.number)

    def _splits(
        self, connection: Connection, told: _Told, lines: Sequence[LineTraces]
    ) -> tuple[LineSplit, ...]:
        numbers = [line.feedetl_sn for line in lines]
        items = settlements.charge_items(connection, told.visit.mdtrt_id, numbers)
        rules = told.rules
        splits = split_items(rules.policy, rules.classified(list(items.values())))
        by_number = {split.item.feedetl_sn: split for split in splits}
        return tuple(by_number[number] for number in numbers)


def _box(told: _Told, number: ChargeItemNo, code: TraceCode) -> Box:
    visit = told.visit
    return Box(
        code=code,
        state=BoxState.LIVE,
        institution=visit.institution,
        mdtrt_id=visit.mdtrt_id,
        feedetl_sn=number,
        psn_no=visit.registration.psn_no,
        since=told.now,
    )


def _opened(told: _Told, code: TraceCode) -> Box:
    nothing = VisitId(""), ChargeItemNo(""), PersonNo("")
    return Box(code, BoxState.OPENED, told.visit.institution, *nothing, told.now)
