"""Between the halves in one process: evidence of every kind registers, calls arm, 2202 cancels."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from shualian.assembly import (
    HospitalSide,
    InsurerSide,
    LocalInsurerPlatform,
    hospital_beside,
    open_insurer_side,
)
from shualian.core.clock import CHINA, SettableClock, SystemClock, business_date
from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.core.settings import HospitalSettings, Settings
from shualian.hospital.cashier.shifts.model import DrawerNo
from shualian.hospital.cashier.tenders.model import Offer, TenderKind
from shualian.hospital.encounters.model import Encounter, EncounterState
from shualian.hospital.model import (
    CardEvidence,
    Channel,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
    PersonQuery,
)
from shualian.hospital.scheduling.model import ClinicSessionNo, Practitioner, Title
from shualian.insurer.family.model import FAMILY_NOT_BOUND, Binding, Document, Kinship
from shualian.insurer.persons.model import Insurance
from shualian.insurer.settlement import store as settlement_store
from shualian.insurer.settlement.evidence.model import EVIDENCE_OF_ANOTHER
from shualian.insurer.vouchers.model import CODE_EXPIRED, CODE_USED, VOUCHER_ELSEWHERE
from shualian.sandbox import city, known_proofs
from shualian.sandbox.known_proofs import KnownProof
from shualian.staff.model import Caller, Employer, Role
from shualian.terminals.model import InstitutionStaff
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.model import Relation, Scene
from shualian.web.application import build_listener
from shualian.web.hospital_rooms import NO_REAL_MONEY, label_of, staff_rooms

HOSPITAL = city.HOSPITAL.fixmedins_code
KIOSK = TerminalId("K01")
CLERK = StaffId("CLERK-1")
PIN = "580271"
LEADS_ON = re.compile(
    r"resume_all|resolve_all|tell_all|tell_endings|tell_expected|mark_missed|charge_days"
)
ADMINISTRATOR = Caller(StaffId("A1"), Employer(HOSPITAL), frozenset((Role.ADMINISTRATOR,)))


@dataclass
class Halves:
    """An insurer and a hospital in one process, and one insured person after another."""

    insurer: InsurerSide
    hospital: HospitalSide
    platform: LocalInsurerPlatform
    room: TerminalId
    clock: SettableClock
    serial: int = 0

    def person(self, born: str = "19620314") -> PersonNo:
        self.serial += 1
        digits = f"{SANDBOX_REGION}{born}{self.serial:03d}"
        insured = self.insurer.insured
        found = insured.persons.register_insured(
            id_number=IdNumber(digits + check_character(digits)),
            name="张示例",
            insurances=[Insurance("310", "1101", SANDBOX_REGION)],
        )
        insured.vouchers.activate_at_terminal(
            found.psn_no,
            region=SANDBOX_REGION,
            session_id=SessionId(new_identifier()),
            at=self.clock.now(),
        )
        return found.psn_no

    def face(self, psn_no: PersonNo) -> FaceEvidence:
        known = KnownProof(
            institution=HOSPITAL,
            beneficiary=psn_no,
            subject=psn_no,
            scene=Scene.REGISTRATION,
            amount_max_fen=ZERO,
            terminal_id=KIOSK,
        )
        now = self.clock.now()
        proof = self.insurer.database.write(lambda c: known_proofs.issue(c, known, now=now))
        return FaceEvidence(proof.auth_no, proof.intent_id, proof.scene, KIOSK, now)

    def bound(self, parent: PersonNo, child: PersonNo) -> Binding:
        """A child under 16 is bound to a parent, on documents that a clerk saw."""
        number = self.insurer.insured.persons.get
        return self.insurer.insured.family_window.bind_child(
            actor=InstitutionStaff(CLERK, HOSPITAL),
            guardian=number(parent).id_number,
            child=number(child).id_number,
            kinship=Kinship.CHILD,
            documents=(Document.ID_DOCUMENT, Document.HOUSEHOLD_REGISTER),
        )

    def face_for(
        self,
        parent: PersonNo,
        child: PersonNo,
        *,
        scene: Scene = Scene.REGISTRATION,
        intent_id: IntentId | None = None,
        amount: Fen = ZERO,
    ) -> FaceEvidence:
        """A parent has scanned and confirmed for a child, with the PIN."""
        known = KnownProof(
            institution=HOSPITAL,
            beneficiary=child,
            subject=parent,
            scene=scene,
            amount_max_fen=amount,
            relation=Relation.FAMILY,
            terminal_id=KIOSK,
            pin=True,
            intent_id=intent_id,
        )
        now = self.clock.now()
        proof = self.insurer.database.write(lambda c: known_proofs.issue(c, known, now=now))
        made = FaceEvidence(proof.auth_no, proof.intent_id, proof.scene, KIOSK, now)
        return replace(made, relation=Relation.FAMILY)

    def code(self, psn_no: PersonNo) -> CodeEvidence:
        shown = self.insurer.insured.vouchers.show_code(psn_no)
        return CodeEvidence(shown.token, IntentId(new_identifier()))

    def card(self, psn_no: PersonNo) -> CardEvidence:
        self.insurer.cards.issue(psn_no, f"CARD-{psn_no}")
        actor = InstitutionStaff(CLERK, HOSPITAL)
        self.insurer.insured.pins.reset_at_window(psn_no, PIN, actor=actor)
        return CardEvidence(f"CARD-{psn_no}", PIN, IntentId(new_identifier()))

    def document(self, psn_no: PersonNo) -> DocumentEvidence:
        number = self.insurer.insured.persons.get(psn_no).id_number
        return DocumentEvidence(number, CLERK, IntentId(new_identifier()))

    def shown(self, channel: Channel, psn_no: PersonNo) -> Evidence:
        kinds: dict[Channel, Callable[[PersonNo], Evidence]] = {
            Channel.FACE: self.face,
            Channel.CODE: self.code,
            Channel.CARD: self.card,
            Channel.DOCUMENT: self.document,
        }
        return kinds[channel](psn_no)

    def session_no(self) -> ClinicSessionNo:
        today = business_date(self.clock.now())
        return self.hospital.schedule.offers(first=today, last=today)[0].session.session_no

    def register(self, evidence: Evidence) -> Encounter:
        return self.hospital.appointments.register(
            command_id=CommandId(new_identifier()),
            session_no=self.session_no(),
            evidence=evidence,
        )


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halves]:
    noon = SystemClock().now().astimezone(CHINA).replace(hour=12, minute=0)
    settings, clock = Settings(data_dir=tmp_path_factory.mktemp("halves")), SettableClock(noon)
    insurer = open_insurer_side(settings, mode=Mode.SANDBOX, clock=clock)
    insurer.institutions.contract(city.HOSPITAL)
    insurer.terminals.register.register_model(actor=city.SUPERVISOR, model=city.TERMINAL_MODEL)
    key = SigningKey.generate(Algorithm.SM2_SM3)
    room = city.enrol_terminal(insurer, city.CONSULTING_ROOM, key).terminal_id
    platform = LocalInsurerPlatform(insurer, clock)
    own = HospitalSettings(
        code=HOSPITAL,
        name=city.HOSPITAL.name,
        terminal_origin=settings.terminal_origin,
        staff_origin=settings.staff_origin,
    )
    hospital = hospital_beside(insurer, settings, own, mode=Mode.SANDBOX, clock=clock)
    _set_up(hospital, clock, room)
    yield Halves(insurer, hospital, platform, room, clock)
    hospital.close()
    insurer.close()


def _set_up(hospital: HospitalSide, clock: SettableClock, room: TerminalId) -> None:
    schedule = hospital.schedule
    schedule.put_departments(caller=ADMINISTRATOR, departments=[city.RESPIRATORY])
    doctor = Practitioner(city.DOCTOR, city.RESPIRATORY.dept_code, Title.ORDINARY)
    schedule.put_practitioners(caller=ADMINISTRATOR, practitioners=[doctor])
    head = "dr_code,day,period,starts,ends,room,room_en,terminal_id,slots"
    day = business_date(clock.now()).isoformat()
    row = f"{city.DOCTOR.dr_code},{day},afternoon,13:00,17:00,二楼 203,Room 203,{room},40"
    schedule.import_sessions(caller=ADMINISTRATOR, text=f"{head}\n{row}\n")


@pytest.mark.parametrize("channel", Channel)
def test_evidence_of_every_kind_registers_with_the_real_insurer(
    halves: Halves, channel: Channel
) -> None:
    psn_no = halves.person()
    encounter = halves.register(halves.shown(channel, psn_no))
    assert (encounter.psn_no, encounter.channel) == (psn_no, channel)
    assert encounter.state is EncounterState.REGISTERED
    (item,) = halves.hospital.orders.upload(encounter_no=encounter.encounter_no)
    assert item.split is not None
    assert item.medins_list_codg == "ZC001"


def test_a_code_is_read_often_and_used_up_by_the_registration(halves: Halves) -> None:
    psn_no = halves.person()
    code = halves.code(psn_no)
    query = PersonQuery(HOSPITAL, None, code)
    assert halves.platform.person_information(query).psn_no == psn_no
    assert halves.platform.person_information(query).psn_no == psn_no
    halves.register(code)
    vouchers = halves.insurer.insured.vouchers
    with pytest.raises(Refused) as refused:
        vouchers.redeem_code(
            code.token, institution=HOSPITAL, intent_id=IntentId("another"), use="settle"
        )
    assert refused.value.kind is CODE_USED
    with pytest.raises(Refused) as elsewhere:
        vouchers.read_code(code.token, institution=InstitutionCode("H99000000099"))
    assert elsewhere.value.kind is VOUCHER_ELSEWHERE


def test_a_code_that_is_used_up_by_showing_it_is_read_here_and_good_for_nothing_else(
    halves: Halves,
) -> None:
    psn_no, other = halves.person(), halves.person()
    code = halves.code(psn_no)
    with pytest.raises(Refused) as not_theirs:
        halves.platform.person_information(PersonQuery(HOSPITAL, other, code, uses_up=True))
    assert not_theirs.value.kind is EVIDENCE_OF_ANOTHER
    query = PersonQuery(HOSPITAL, psn_no, code, uses_up=True)
    for _ in range(2):
        assert halves.platform.person_information(query).psn_no == psn_no
    elsewhere = replace(code, intent_id=IntentId("another"))
    with pytest.raises(Refused) as used:
        halves.platform.person_information(replace(query, evidence=elsewhere))
    assert used.value.kind is CODE_USED
    with pytest.raises(Refused) as registered:
        halves.register(elsewhere)
    assert registered.value.kind is CODE_USED


def test_a_code_is_not_read_after_its_time(halves: Halves) -> None:
    code = halves.code(halves.person())
    halves.clock.set(halves.clock.now() + timedelta(seconds=30))
    with pytest.raises(Refused) as refused:
        halves.platform.person_information(PersonQuery(HOSPITAL, None, code))
    assert refused.value.kind is CODE_EXPIRED


def test_a_card_that_nobody_has_and_a_wrong_pin_name_nobody(halves: Halves) -> None:
    card = halves.card(halves.person())
    stranger = CardEvidence("CARD-NOBODY", PIN, card.intent_id)
    guessed = CardEvidence(card.card_no, "000001", card.intent_id)
    with pytest.raises(Refused) as unknown:
        halves.platform.person_information(PersonQuery(HOSPITAL, None, stranger))
    assert unknown.value.kind is EVIDENCE_OF_ANOTHER
    with pytest.raises(Refused) as wrong:
        halves.platform.person_information(PersonQuery(HOSPITAL, None, guessed))
    assert wrong.value.kind.code == "insurer.pin_wrong"


@pytest.mark.parametrize("channel", [Channel.CODE, Channel.CARD, Channel.DOCUMENT])
def test_evidence_of_somebody_else_is_told_from_the_persons_own(
    halves: Halves, channel: Channel
) -> None:
    one, other = halves.person(), halves.person()
    query = PersonQuery(HOSPITAL, one, halves.shown(channel, other))
    with pytest.raises(Refused) as refused:
        halves.platform.person_information(query)
    assert refused.value.kind is EVIDENCE_OF_ANOTHER


def test_a_face_registers_once(halves: Halves) -> None:
    psn_no = halves.person()
    face = halves.face(psn_no)
    encounter = halves.register(face)
    assert encounter.first_frame_at == face.first_frame_at
    with pytest.raises(Refused):
        halves.register(face)


def test_a_parent_registers_and_pays_for_a_child_in_whose_books_it_stands(halves: Halves) -> None:
    parent, child = halves.person("19850314"), halves.person("20180314")
    halves.bound(parent, child)

    visit = halves.register(halves.face_for(parent, child))
    payment = halves.hospital.payments.prepare(
        command_id=CommandId(new_identifier()), encounter_no=visit.encounter_no
    )
    pays = halves.face_for(
        parent,
        child,
        scene=Scene.SETTLEMENT,
        intent_id=payment.intent_id,
        amount=payment.amount_max_fen,
    )
    paid = halves.hospital.payments.settle(command_id=payment.command_id, evidence=pays)

    assert (visit.psn_no, visit.acted_by) == (child, parent)
    assert (paid.psn_no, paid.acted_by) == (child, parent)
    assert paid.settled is not None
    assert paid.settled.setl_id is not None
    setl_id = paid.settled.setl_id
    proven, _ = halves.insurer.database.read(lambda c: settlement_store.evidence_of(c, setl_id))
    assert (proven.subject, proven.relation) == (parent, Relation.FAMILY)
    year = business_date(halves.clock.now()).year
    spent, untouched = (
        halves.insurer.settlements.year_counters(psn_no=each, insutype="310", year=year)
        for each in (child, parent)
    )
    assert any(spent.values())
    assert not any(untouched.values())
    lines = halves.insurer.accesses.of(child).lines
    acted = [each.line for each in lines if each.line.by_relative]
    assert [each.use for each in acted if each.use] == ["register", "settle"]
    own = halves.insurer.accesses.of(parent).lines
    assert [each.line.by_relative for each in own] == [False] * len(own)


def test_a_binding_that_ended_registers_and_pays_nothing_with_a_proof_that_lives_on(
    halves: Halves,
) -> None:
    parent, child = halves.person("19850314"), halves.person("20180314")
    binding = halves.bound(parent, child)
    visit = halves.register(halves.face_for(parent, child))
    payment = halves.hospital.payments.prepare(
        command_id=CommandId(new_identifier()), encounter_no=visit.encounter_no
    )
    registers = halves.face_for(parent, child)
    pays = halves.face_for(
        parent,
        child,
        scene=Scene.SETTLEMENT,
        intent_id=payment.intent_id,
        amount=payment.amount_max_fen,
    )
    halves.insurer.insured.family_window.unbind(
        actor=InstitutionStaff(CLERK, HOSPITAL),
        binding_id=binding.binding_id,
        asked_by=halves.insurer.insured.persons.get(parent).id_number,
    )

    with pytest.raises(Refused) as not_registered:
        halves.register(registers)
    with pytest.raises(Refused) as not_paid:
        halves.hospital.payments.settle(command_id=payment.command_id, evidence=pays)

    assert not_registered.value.kind is FAMILY_NOT_BOUND
    assert not_paid.value.kind is FAMILY_NOT_BOUND
    assert halves.hospital.payments.get(command_id=payment.command_id).settled is None


def test_a_stranger_with_a_proof_for_a_child_registers_nobody(halves: Halves) -> None:
    stranger, child = halves.person("19850314"), halves.person("20180314")

    with pytest.raises(Refused) as refused:
        halves.register(halves.face_for(stranger, child))

    assert refused.value.kind is FAMILY_NOT_BOUND
    assert halves.hospital.records.find_by_person(psn_no=child) is None


def test_whom_the_hospital_expects_the_insurer_looks_for_and_a_call_arms_the_room(
    halves: Halves,
) -> None:
    psn_no = halves.person()
    encounter = halves.register(halves.document(psn_no))
    expectations, now = halves.insurer.insured.expectations, halves.clock.now()
    assert expectations.entries_of(psn_no) == 1
    called = halves.hospital.encounters.call_to(encounter_no=encounter.encounter_no)
    assert called.armed
    assert expectations.called(halves.room, now=now) == psn_no
    halves.hospital.encounters.missed(encounter_no=encounter.encounter_no)
    assert expectations.called(halves.room, now=now) is None


def test_a_cancelled_registration_is_cancelled_with_the_insurer(halves: Halves) -> None:
    psn_no = halves.person()
    encounter = halves.register(halves.document(psn_no))
    own = halves.hospital.appointments.own(evidence=halves.document(psn_no))[0]
    halves.hospital.appointments.cancel(
        command_id=CommandId(new_identifier()),
        appointment_no=own.appointment.appointment_no,
        evidence=halves.document(psn_no),
    )
    after = halves.hospital.encounters.get(encounter_no=encounter.encounter_no)
    assert after.state is EncounterState.CANCELLED
    visit = halves.insurer.database.read(
        lambda connection: settlement_store.visit_by_encounter(
            connection, HOSPITAL, encounter.encounter_no
        )
    )
    assert visit is not None
    assert visit.cancelled


def methods_of(room: object) -> Iterator[tuple[object, str]]:
    """What a room leads on by itself; a bundle of rooms has those of each."""
    for name in dir(type(room)):
        if LEADS_ON.fullmatch(name):
            yield room, name
    for field in fields(room) if is_dataclass(room) and not isinstance(room, type) else ():
        yield from methods_of(getattr(room, field.name))


def test_everything_that_a_room_leads_on_by_itself_is_due_now_and_then(halves: Halves) -> None:
    hospital = halves.hospital
    own = {
        (id(room), name)
        for attribute in vars(hospital).values()
        if type(attribute).__module__.startswith("shualian.hospital.")
        for room, name in methods_of(attribute)
    }
    works = [work for _, work in hospital.housekeeping()]
    due = {(id(getattr(work, "__self__", None)), work.__name__) for work in works}
    assert {name for _, name in own} > {"tell_all", "tell_endings", "charge_days"}
    assert {name for _, name in own - due} == set()


def test_money_is_decided_before_the_orders_that_wait_for_it(halves: Halves) -> None:
    names = [name for name, _ in halves.hospital.housekeeping()]
    assert names.index("payments") < names.index("clinical orders") < names.index("diagnoses")
    assert names.index("payments") < names.index("returns") < names.index("trace codes")


def test_what_is_due_now_and_then_runs(halves: Halves) -> None:
    for _, work in halves.hospital.housekeeping():
        work()


def test_what_a_sandbox_prints_says_on_every_line_that_no_money_is_real(halves: Halves) -> None:
    psn_no, hospital = halves.person(), halves.hospital
    encounter = halves.register(halves.document(psn_no))
    hospital.orders.upload(encounter_no=encounter.encounter_no)
    number = CommandId(new_identifier())
    payment = hospital.payments.prepare(command_id=number, encounter_no=encounter.encounter_no)
    shown = replace(halves.document(psn_no), intent_id=payment.intent_id)
    settled = hospital.payments.settle(command_id=number, evidence=shown)
    hospital.desk.shifts.open(
        command_id=CommandId(new_identifier()), drawer=DrawerNo("1"), clerk=CLERK, count={}
    )
    if settled.cash_due_fen:
        hospital.cashier.take(
            command_id=CommandId(new_identifier()),
            payment=number,
            offers=[Offer(TenderKind.CASH, settled.cash_due_fen)],
            taken_by=CLERK,
        )
    clerk = Caller(CLERK, Employer(HOSPITAL), frozenset((Role.CLERK,)))
    rooms = staff_rooms(hospital, lambda _request: clerk)
    client = TestClient(build_listener("staff", routers=list(rooms), mode=Mode.SANDBOX))
    for language, mark in (("zh", NO_REAL_MONEY.zh), ("en", NO_REAL_MONEY.en)):
        answer = client.get(
            f"/hospital/v1/cashier/payments/{number}/receipt", params={"language": language}
        )
        lines = answer.json()["lines"]
        assert lines
        assert all(line.startswith(mark) for line in lines)
    assert label_of(Mode.PRODUCTION) is None
