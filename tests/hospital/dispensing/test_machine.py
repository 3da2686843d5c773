"""Random days at a pharmacy: whatever happens, nothing goes out twice, unpaid or untraced."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hospital.dispensing.pharmacy import DOCTOR, RELEASER, REVIEWER, Pharmacy, box
from hospital.world import BLOOD_PRESSURE_TABLETS, VITAMINS, ZHANG, Fault, World, command
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    UNDER_WAY,
    DispenseRequest,
    Handover,
    HandoverState,
    Picked,
    RequestState,
    ReturnPart,
    Standing,
)
from shualian.hospital.dispensing.prescriptions.service import ChargedMedicine
from shualian.hospital.stock import store as stock_store
from shualian.hospital.stock.model import BatchId, Place

MEDICINES = (BLOOD_PRESSURE_TABLETS, VITAMINS)
picks = st.integers(0, 5)
quantities = st.integers(1, 4)
faults = st.sampled_from([None, None, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUSY])


class Days(RuleBasedStateMachine):
    """One pharmacy, its patients, its shelf and the insurer's messages that get lost."""

    make_world: Callable[[], World]

    @initialize()
    def open(self) -> None:
        self.world = type(self).make_world()
        self.pharmacy = Pharmacy(self.world)
        self.boxes_used = 0
        self.world.agreed()
        self.requests: list[DispenseRequest] = []
        for code in MEDICINES:
            self.pharmacy.receive("6", code=code)
        self.prescribe([BLOOD_PRESSURE_TABLETS], 3)
        self.prescribe([VITAMINS, BLOOD_PRESSURE_TABLETS], 2)

    def request(self, pick: int) -> DispenseRequest:
        number = self.requests[pick % len(self.requests)].request_no
        return self.world.dispensing.get(request_no=number)

    @rule(quantity=quantities, days=st.integers(0, 400), code=st.sampled_from(MEDICINES))
    def receive(self, quantity: int, days: int, code: str) -> None:
        self.pharmacy.receive(str(quantity), code=code, days=days)

    @rule(codes=st.lists(st.sampled_from(MEDICINES), min_size=1, max_size=2), cnt=quantities)
    def prescribe(self, codes: list[str], cnt: int) -> None:
        self.requests.append(self.pharmacy.reviewed(*codes, cnt=str(cnt)))

    @rule(pick=picks, refuse=st.booleans())
    def review(self, pick: int, refuse: bool) -> None:
        """Sent back, stood by or let pass, whatever is possible now."""
        number, dispensing = self.request(pick).request_no, self.world.dispensing
        reason = "不合适" if refuse else ""
        with suppress(Refused):
            dispensing.review(REVIEWER, request_no=number, refused_because=reason)
        with suppress(Refused):
            dispensing.stand_by(DOCTOR, request_no=number, note="已核对")

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
        if not request.owed:
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
        if fault is not None:
            self.world.insurer.break_next("3505", fault)
        with suppress(Refused):
            self.pharmacy.billed(request.request_no)

    @rule(pick=picks)
    def pay_elsewhere(self, pick: int) -> None:
        with suppress(Refused):
            self.pharmacy.paid(self.request(pick))

    @rule(pick=picks, infno=st.sampled_from(["2207"]), fault=faults, again=st.booleans())
    def release(self, pick: int, infno: str, fault: Fault | None, again: bool) -> None:
        request = self.request(pick)
        handover = self.world.dispensing.handover(REVIEWER, request_no=request.request_no)
        if handover is None or handover.intent_id is None:
            return
        if fault is not None:
            self.world.insurer.break_next(infno, fault)
        for _ in range(1 + again):
            with suppress(Refused):
                self.pharmacy.release(handover, self.pharmacy.face(handover, ZHANG))

    @rule(pick=picks, quantity=quantities, coded=st.booleans(), fault=faults)
    def come_to_the_window(
        self, pick: int, quantity: int, coded: bool, fault: Fault | None
    ) -> None:
        """The usual course: picked, billed, paid and taken, as far as it goes."""
        self.boxes_used += quantity
        self.prepare(pick, quantity, 100 + self.boxes_used, coded, None)
        self.bill(pick, None)
        self.release(pick, "2207", fault, again=True)

    @rule()
    def resolve(self) -> None:
        self.world.insurer.fault = None
        self.world.payments.resolve_all()
        self.world.returns.resolve_all()
        self.world.dispensing.tell_endings()
        for waiting in self.world.dispensing.unreleased(RELEASER):
            with suppress(Refused):
                self.pharmacy.release(waiting.handover)

    @rule(pick=picks, quantity=quantities, fault=faults, all_of_it=st.booleans())
    def give_back(self, pick: int, quantity: int, fault: Fault | None, *, all_of_it: bool) -> None:
        every = [self.request(place) for place in range(len(self.requests))]
        # Mostly by somebody who has something, now and then by somebody who has nothing.
        having = [each for each in every if any(line.kept for line in each.lines)] or every
        request = having[pick % len(having)]
        line = next((line for line in request.lines if line.kept), request.lines[0])
        quantity = int(line.kept) if all_of_it and line.kept else quantity
        codes = tuple(sorted(self.released_codes(request, line.line_no)))[:quantity]
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
        for payment in self.world.payments.of_encounter(encounter_no=request.encounter_no):
            with suppress(Refused):
                self.world.payments.cancel(command_id=payment.command_id)

    @rule(pick=picks)
    def withdraw(self, pick: int) -> None:
        with suppress(Refused):
            self.world.dispensing.withdraw(request_no=self.request(pick).request_no)

    @invariant()
    def stock_is_the_sum_of_its_movements_and_never_below_what_is_promised(self) -> None:
        if not hasattr(self, "world"):
            return
        promised: Counter[str] = Counter()
        for request in self.requests:
            for handover in self.handovers(request):
                if handover.state in UNDER_WAY:
                    for pick in handover.picks:
                        promised[pick.batch_id] += int(pick.quantity)
        for code in MEDICINES:
            for batch in self.world.stock.of_medicine(code):
                assert self.moved(batch.batch_id, Place.SHELF) == batch.on_shelf
                assert self.moved(batch.batch_id, Place.QUARANTINE) == batch.in_quarantine
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
                out = self.released_codes(request, line.line_no)
                live.extend(out)
                for code in out:
                    number, _, state = self.world.insurer.boxes[code]
                    assert (number, state) == (line.feedetl_sn, "live")
        assert len(live) == len(set(live))

    def handovers(self, request: DispenseRequest) -> list[Handover]:
        return list(
            self.world.database.read(
                lambda connection: store.handovers_of(
                    connection, request.institution, request.request_no
                )
            )
        )

    def moved(self, batch_id: BatchId, place: Place) -> Decimal:
        return self.world.database.read(
            lambda connection: stock_store.sum_of_movements(connection, batch_id, place)
        )

    def released_codes(self, request: DispenseRequest, line_no: int) -> set[str]:
        return self.world.database.read(
            lambda connection: store.released_codes(
                connection, request.institution, request.request_no, line_no
            )
        )

    def standing(self, request: DispenseRequest, line_no: int) -> Standing:
        number = request.line(line_no).feedetl_sn
        medicine = ChargedMedicine(institution=request.institution)
        return self.world.database.read(
            lambda connection: medicine.standings(connection, request.encounter_no, [number])
        )[number]


def test_random_days_at_the_pharmacy(make_world: Callable[[], World]) -> None:
    Days.make_world = staticmethod(make_world)
    days = Days.TestCase
    days.settings = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    days().runTest()
