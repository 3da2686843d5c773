"""A hospital with two wards, over the hospital of the other tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hospital.world import (
    CHEST_CT,
    DOCTOR,
    HOSPITAL,
    PRICES,
    ZHANG,
    World,
    command,
)
from shualian.core.identifiers import EncounterNo, StaffId
from shualian.hospital.model import DocumentEvidence, FaceEvidence, InsuredPerson
from shualian.hospital.orders.model import ChargeItem, OrderLine, PriceList, parse_price_list
from shualian.hospital.payments.model import Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.scheduling.model import Department
from shualian.hospital.wards.bedside import store as bedside_store
from shualian.hospital.wards.charges import store as charge_store
from shualian.hospital.wards.dialysis import store as dialysis_store
from shualian.hospital.wards.service import WardServices, ward_services
from shualian.hospital.wards.stays import store as stay_store
from shualian.hospital.wards.stays.model import Bed, NursingClass, Stay, Ward
from shualian.hospital.wards.stays.service import StayBillsOf
from shualian.verification.model import Scene
from tables import make_tables

NURSE = StaffId("N001")
BED_DAY, NURSING_DAY, DIALYSIS = "CW001", "HL001", "TX001"
DAY_FEN = 45_00 + 18_00
EAST = Ward(
    Department("W1", "东病区", "A03", "W"),
    {NursingClass.TWO: NURSING_DAY, NursingClass.ONE: NURSING_DAY},
)
WEST = Ward(Department("W2", "西病区", "A04", "W"), {NursingClass.TWO: NURSING_DAY})
_WARD_PRICES = parse_price_list(
    "medins_list_codg,med_list_codg,name_zh,name_en,pric_yuan\n"
    "CW001,002000000070000,三人间床位费,Bed in a room of three,45\n"
    "HL001,002000000080000,二级护理,Nursing level two,18\n"
    "TX001,002000001870000,血液透析,Haemodialysis,400\n"
)
WARD_PRICES = PriceList({**PRICES.items, **_WARD_PRICES.items})


@dataclass
class Wards:
    """The wards of a world's hospital, with the moves of a test."""

    world: World

    def __post_init__(self) -> None:
        stores = (stay_store, charge_store, bedside_store, dialysis_store)
        make_tables(self.world.database, [store.metadata for store in stores])
        self.start()
        for ward in (EAST, WEST):
            beds = [Bed(ward.code, number, BED_DAY) for number in ("1", "2")]
            self.services.stays.set_up_ward(ward, beds)

    def start(self) -> None:
        """Start the hospital's process, again after the power was cut."""
        world = self.world
        world.start()
        database = world.orders._database
        self.payments = Payments(
            institution=HOSPITAL,
            database=database,
            clock=world.clock,
            records=world.records,
            insurer=world.payers,
            sealer=world.sealer,
            agreements=world.agreements,
            stays=StayBillsOf(institution=HOSPITAL, database=database),
        )
        self.services: WardServices = ward_services(
            institution=HOSPITAL,
            database=database,
            clock=world.clock,
            records=world.records,
            proofs=world.proofs,
            insurer=world.payers,
            sealer=world.sealer,
            orders=world.orders,
            payments=self.payments,
            prices=lambda _day: WARD_PRICES,
            calls=world.expected,
        )
        self.stays = self.services.stays
        self.charges = self.services.charges
        self.bedside = self.services.bedside
        self.dialysis = self.services.dialysis

    def admitted(
        self,
        person: InsuredPerson = ZHANG,
        *,
        ward: Ward = EAST,
        bed_no: str = "1",
        insutype: str | None = None,
    ) -> Stay:
        """Somebody who was admitted by face."""
        return self.stays.admit(
            command_id=command(),
            record_no=self.world.record(person).record_no,
            ward=ward.code,
            bed_no=bed_no,
            nursing=NursingClass.TWO,
            doctor=DOCTOR,
            evidence=self.world.scan(person, scene=Scene.ADMISSION),
            insutype=insutype,
        )

    def ordered(self, stay: Stay, *codes: str) -> Sequence[ChargeItem]:
        """Something ordered on the ward."""
        lines = [OrderLine(code, Decimal(1)) for code in codes or (CHEST_CT,)]
        return self.charges.order(command_id=command(), encounter_no=stay.stay_no, lines=lines)

    def pass_days(self, days: int) -> None:
        """Let days go by without any run."""
        self.world.wait(timedelta(days=days))

    def prepared(self, stay: Stay) -> Payment:
        return self.bedside.prepare(command_id=command(), stay_no=stay.stay_no)

    def shown(self, payment: Payment, person: InsuredPerson = ZHANG) -> DocumentEvidence:
        return DocumentEvidence(person.certno, NURSE, payment.intent_id)

    def confirmed(self, payment: Payment, person: InsuredPerson = ZHANG) -> FaceEvidence:
        return self.world.confirmed(payment, person)

    def settled(self, stay: Stay, person: InsuredPerson = ZHANG) -> Payment:
        """All that is open of a stay, settled by face."""
        payment = self.prepared(stay)
        return self.bedside.settle(
            command_id=payment.command_id, evidence=self.confirmed(payment, person)
        )

    def charged_fen(self, stay_no: EncounterNo) -> int:
        """The sum of all that a stay was charged."""
        items = self.world.orders.items(encounter_no=stay_no)
        return sum(item.det_item_fee_sumamt for item in items)
