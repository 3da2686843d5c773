"""Random days at a pharmacy: whatever happens, nothing goes out twice, unpaid or untraced."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hospital.dispensing.pharmacy import RELEASER, REVIEWER, Pharmacy, box
from hospital.world import BLOOD_PRESSURE_TABLETS, VITAMINS, ZHANG, Fault, World, command
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    DispenseRequest,
    HandoverState,
    Picked,
    RequestState,
    ReturnPart,
    Standing,
)
from shualian.hospital.dispensing.service import ChargedMedicine
from shualian.hospital.stock import store as stock_store
from shualian.hospital.stock.model import Place

MEDICINES = (BLOOD_PRESSURE_TABLETS, VITAMINS)
picks = st.integers(0, 20)
quantities = st.integers(1, 4)
faults = st.sampled_from([None, None, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUSY])


class Days(RuleBasedStateMachine):
    """One pharmacy, its patients, its shelf and the insurer's messages that get lost."""

    make_world: Callable[[], World]

    @initialize()
    def open(self) -> None:
        self.world = type(self).make_world()
        self.pharmacy = Pharmacy(self.world)
        self.world.agreed()
        self.requests: list[DispenseRequest] = []
        for code in MEDICINES:
            self.pharmacy.receive("6", code=code)

    def request(self, pick: int) -> DispenseRequest | None:
        if not self.requests:
            return None
        number = self.requests[pick % len(self.requests)].request_no
        return self.world.dispensing.get(request_no=number)

    @rule(quantity=quantities, days=st.integers(0, 400), code=st.sampled_from(MEDICINES))
    def receive(self, quantity: int, days: int, code: str) -> None:
        self.pharmacy.receive(str(quantity), code=code, days=days)

    @rule(codes=st.lists(st.sampled_from(MEDICINES), min_size=1, max_size=2), cnt=quantities)
    def prescribe(self, codes: list[str], cnt: int) -> None:
        self.requests.append(self.pharmacy.prescribed(*codes, cnt=str(cnt)))

    @rule(pick=picks, refuse=st.booleans())
    def review(self, pick: int, refuse: bool) -> None:
        request = self.request(pick)
        if request is not None:
            with suppress(Refused):
                self.world.dispensing.review(
                    REVIEWER,
                    request_no=request.request_no,
                    refused_because="不合适" if refuse else "",
                )

    @rule(
        pick=picks,
        quantity=quantities,
        first_box=st.integers(1, 60),
        coded=st.booleans(),
        fault=faults,
    )
    def prepare(
        self, pick: int, quantity: int, first_box: int, coded: bool, fault: Fault | None
    ) -> None:
        """Boxes are drawn from few numbers on purpose: some were scanned before."""
        request = self.request(pick)
        if request is None or not request.owed:
            return
        line = request.owed[0]
        many = min(line.owed, Decimal(quantity))
        codes = tuple(box(first_box + each) for each in range(int(many))) if coded else ()
        if fault is not None:
            self.world.insurer.break_next("3506", fault)
        with suppress(Refused):
            self.world.dispensing.prepare(
                REVIEWER,
                request_no=request.request_no,
                taken=[Picked(line.line_no, many, codes)],
            )

    @rule(pick=picks, fault=faults)
    def bill(self, pick: int, fault: Fault | None) -> None:
        request = self.request(pick)
        if request is None:
            return
        if fault is not None:
            self.world.insurer.break_next("3505", fault)
        with suppress(Refused):
            self.pharmacy.billed(request.request_no)

    @rule(pick=picks)
    def pay_elsewhere(self, pick: int) -> None:
        request = self.request(pick)
        if request is not None:
            with suppress(Refused):
                self.pharmacy.paid(request)

    @rule(pick=picks, infno=st.sampled_from(["2207"]), fault=faults, again=st.booleans())
    def release(self, pick: int, infno: str, fault: Fault | None, again: bool) -> None:
        request = self.request(pick)
        if request is None:
            return
        handover = self.world.dispensing.handover(REVIEWER, request_no=request.request_no)
        if handover is None or handover.intent_id is None:
            return
        if fault is not None:
            self.world.insurer.break_next(infno, fault)
        for _ in range(1 + again):
            with suppress(Refused):
                self.pharmacy.release(handover, self.pharmacy.face(handover, ZHANG))

    @rule()
    def resolve(self) -> None:
        self.world.insurer.fault = None
        self.world.payments.resolve_all()
        self.world.returns.resolve_all()
        self.world.dispensing.tell_endings()
        for waiting in self.world.dispensing.unreleased(RELEASER):
            with suppress(Refused):
                self.pharmacy.release(waiting.handover)

    @rule(pick=picks, quantity=quantities, fault=faults)
    def give_back(self, pick: int, quantity: int, fault: Fault | None) -> None:
        request = self.request(pick)
        if request is None:
            return
        line = request.lines[0]
        out = self.world.database.read(
            lambda connection: store.released_codes(
                connection, request.institution, request.request_no, line.line_no
            )
        )
        codes = tuple(sorted(out))[:quantity]
        self.world.refunds.fault = fault if fault is not Fault.BUSY else None
        with suppress(Refused):
            self.world.returns.give_back(
                REVIEWER,
                command_id=command(),
                request_no=request.request_no,
                parts=[ReturnPart(line.line_no, Decimal(quantity), codes)],
                unopened=True,
                reason="换药",
            )

    @rule(pick=picks)
    def cancel_payment(self, pick: int) -> None:
        request = self.request(pick)
        if request is None:
            return
        for payment in self.world.payments.of_encounter(encounter_no=request.encounter_no):
            with suppress(Refused):
                self.world.payments.cancel(command_id=payment.command_id)

    @rule(pick=picks)
    def withdraw(self, pick: int) -> None:
        request = self.request(pick)
        if request is not None:
            with suppress(Refused):
                self.world.dispensing.withdraw(request_no=request.request_no)

    @invariant()
    def stock_is_the_sum_of_its_movements_and_never_below_what_is_promised(self) -> None:
        if not hasattr(self, "world"):
            return
        promised: Counter[str] = Counter()
        for request in self.requests:
            for handover in self.handovers(request):
                if handover.state in store.UNDER_WAY:
                    for pick in handover.picks:
                        promised[pick.batch_id] += int(pick.quantity)
        for code in MEDICINES:
            for batch in self.world.stock.of_medicine(code):
                shelf, back = (
                    self.world.database.read(
                        lambda connection, at=place, number=batch.batch_id: (
                            stock_store.sum_of_movements(connection, number, at)
                        )
                    )
                    for place in Place
                )
                assert (shelf, back) == (batch.on_shelf, batch.in_quarantine)
                assert batch.on_shelf >= batch.set_aside == promised[batch.batch_id]
                assert batch.in_quarantine >= 0

    @invariant()
    def what_is_out_was_ordered_once_and_is_paid(self) -> None:
        if not hasattr(self, "world"):
            return
        for known in self.requests:
            request = self.world.dispensing.get(request_no=known.request_no)
            gone: Counter[int] = Counter()
            for handover in self.handovers(request):
                if handover.state is HandoverState.RELEASED:
                    for part in handover.parts:
                        gone[part.line_no] += int(part.picked.quantity)
            for line in request.lines:
                assert line.returned <= line.released == gone[line.line_no] <= line.ordered
                if line.released > line.returned:
                    assert self.standing(request, line.line_no) is Standing.PAID
            nothing_out = all(line.released == 0 for line in request.lines)
            before = {
                RequestState.WAITING,
                RequestState.REVIEWED,
                RequestState.REFUSED,
                RequestState.PREPARED,
                RequestState.WITHDRAWN,
            }
            assert nothing_out is (request.state in before)

    @invariant()
    def a_code_is_live_on_one_line_and_what_is_out_is_known_to_the_insurer(self) -> None:
        if not hasattr(self, "world"):
            return
        live: list[str] = []
        for request in self.requests:
            for line in request.lines:
                out = self.world.database.read(
                    lambda connection, request=request, line=line: store.released_codes(
                        connection, request.institution, request.request_no, line.line_no
                    )
                )
                live.extend(out)
                for code in out:
                    number, _, state = self.world.insurer.boxes[code]
                    assert (number, state) == (line.feedetl_sn, "live")
        assert len(live) == len(set(live))

    def handovers(self, request: DispenseRequest) -> list[store.Handover]:
        return list(
            self.world.database.read(
                lambda connection: store.handovers_of(
                    connection, request.institution, request.request_no
                )
            )
        )

    def standing(self, request: DispenseRequest, line_no: int) -> Standing:
        number = request.line(line_no).feedetl_sn
        medicine = ChargedMedicine(institution=request.institution)
        return self.world.database.read(
            lambda connection: medicine.standings(connection, request.encounter_no, [number])
        )[number]


def test_random_days_at_the_pharmacy(make_world: Callable[[], World]) -> None:
    Days.make_world = staticmethod(make_world)  # type: ignore[assignment]
    days = Days.TestCase
    days.settings = settings(
        max_examples=15,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    days().runTest()
