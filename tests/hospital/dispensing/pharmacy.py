"""The window of a pharmacy for tests: two pharmacists, a shelf, and the moves at the window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from hospital.world import BLOOD_PRESSURE_TABLETS, CLERK, HOSPITAL, ZHANG, World, command
from shualian.core.clock import business_date
from shualian.core.identifiers import CommandId, IntentId, StaffId
from shualian.hospital.dispensing.model import (
    DispenseRequest,
    Handover,
    Picked,
    RequestNo,
)
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import DocumentEvidence, Evidence, FaceEvidence, InsuredPerson
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.stock.model import Delivery, StockBatch
from shualian.staff.model import Caller, Employer, Role
from shualian.verification.model import Scene


def caller(name: str, role: Role = Role.PHARMACIST) -> Caller:
    return Caller(StaffId(name), Employer(HOSPITAL), frozenset((role,)))


REVIEWER, RELEASER = caller("PH01"), caller("PH02")
DOCTOR = caller("DR01", Role.DOCTOR)


def box(number: int) -> str:
    return f"8123456{number:013d}"


@dataclass
class Pharmacy:
    """Moves at the window, over a world."""

    world: World

    def __post_init__(self) -> None:
        self._boxes = 0

    @property
    def today(self) -> date:
        return business_date(self.world.clock.now())

    def receive(
        self, quantity: str = "10", *, code: str = BLOOD_PRESSURE_TABLETS, days: int = 300
    ) -> StockBatch:
        expires_on = self.today + timedelta(days=days)
        delivery = Delivery(code, f"L{days}", expires_on, Decimal(quantity))
        return self.world.stock.receive(REVIEWER, command_id=command(), delivery=delivery)

    def new_boxes(self, many: int) -> tuple[str, ...]:
        self._boxes += many
        return tuple(box(self._boxes - place) for place in range(many))

    def prescribed(
        self,
        *codes: str,
        cnt: str = "2",
        person: InsuredPerson = ZHANG,
        encounter: Encounter | None = None,
    ) -> DispenseRequest:
        world = self.world
        encounter = encounter or world.registered(person)
        lines = [OrderLine(code, Decimal(cnt)) for code in codes or (BLOOD_PRESSURE_TABLETS,)]
        world.orders.order(command_id=command(), encounter_no=encounter.encounter_no, lines=lines)
        world.orders.upload(encounter_no=encounter.encounter_no)
        return world.dispensing.open(command_id=command(), encounter_no=encounter.encounter_no)

    def reviewed(self, *codes: str, cnt: str = "2") -> DispenseRequest:
        request = self.prescribed(*codes, cnt=cnt)
        return self.world.dispensing.review(REVIEWER, request_no=request.request_no)

    def taken(self, request: DispenseRequest, quantity: str | None = None) -> Sequence[Picked]:
        """Everything owed, or so much of each line, with a new box for each."""
        picked = []
        for line in request.owed:
            many = line.owed if quantity is None else Decimal(quantity)
            picked.append(Picked(line.line_no, many, self.new_boxes(int(many))))
        return picked

    def prepared(
        self, request: DispenseRequest, quantity: str | None = None, *, coded: bool = True
    ) -> Handover:
        taken = self.taken(request, quantity)
        if not coded:
            taken = [Picked(each.line_no, each.quantity) for each in taken]
        return self.world.dispensing.prepare(REVIEWER, request_no=request.request_no, taken=taken)

    def billed(self, request_no: RequestNo, command_id: CommandId | None = None) -> Handover:
        return self.world.dispensing.bill(
            REVIEWER, command_id=command_id or command(), request_no=request_no
        )

    def ready(self, *codes: str, cnt: str = "2", quantity: str | None = None) -> Handover:
        """A reviewed prescription with everything scanned and its bill known."""
        request = self.reviewed(*codes, cnt=cnt)
        self.prepared(request, quantity)
        return self.billed(request.request_no)

    def paid(self, request: DispenseRequest, *, cash: bool = True) -> CommandId:
        """The bill is paid at the cashier before anybody comes to the window."""
        world = self.world
        payment = world.payments.prepare(command_id=command(), encounter_no=request.encounter_no)
        evidence = world.confirmed(payment)
        payment = world.payments.settle(command_id=payment.command_id, evidence=evidence)
        if cash:
            self.take_cash(payment.command_id)
        return payment.command_id

    def take_cash(self, payment: CommandId) -> None:
        due = self.world.payments.get(command_id=payment).cash_due_fen
        if due:
            self.world.cashier.take_cash(
                command_id=command(), payment=payment, tendered_fen=due, taken_by=CLERK
            )

    def face(
        self, handover: Handover, person: InsuredPerson = ZHANG, **changed: object
    ) -> FaceEvidence:
        return self.world.scan(
            person, scene=Scene.DISPENSING, intent_id=self.intent(handover), **changed
        )

    def document(self, handover: Handover, person: InsuredPerson = ZHANG) -> DocumentEvidence:
        return DocumentEvidence(person.certno, RELEASER.staff_id, self.intent(handover))

    def intent(self, handover: Handover) -> IntentId:
        assert handover.intent_id is not None
        return handover.intent_id

    def command_of(self, handover: Handover) -> CommandId:
        assert handover.command_id is not None
        return handover.command_id

    def release(
        self, handover: Handover, evidence: Evidence | None = None, *, wallet: bool = True
    ) -> DispenseRequest:
        """Pay and release on one scan; the cash share from the account, where one is agreed."""
        world, command_id = self.world, self.command_of(handover)
        due = 0
        if wallet and handover.pays:
            payment = world.payments.get(command_id=command_id)
            due = payment.confirmed.amounts.psn_cash_pay
        return world.dispensing.release(
            RELEASER,
            command_id=command_id,
            evidence=evidence,
            from_wallet_fen=due,  # type: ignore[arg-type]
        )

    def collected(
        self, *codes: str, cnt: str = "2", quantity: str | None = None
    ) -> DispenseRequest:
        """A whole visit to the window: one scan pays and takes."""
        self.world.agreed()
        handover = self.ready(*codes, cnt=cnt, quantity=quantity)
        return self.release(handover, self.face(handover))

    def shelf(self, code: str = BLOOD_PRESSURE_TABLETS) -> Decimal:
        return sum((each.on_shelf for each in self.world.stock.of_medicine(code)), Decimal(0))

    def set_aside(self, code: str = BLOOD_PRESSURE_TABLETS) -> Decimal:
        return sum((each.set_aside for each in self.world.stock.of_medicine(code)), Decimal(0))

    def quarantine(self, code: str = BLOOD_PRESSURE_TABLETS) -> Decimal:
        return sum((each.in_quarantine for each in self.world.stock.of_medicine(code)), Decimal(0))
