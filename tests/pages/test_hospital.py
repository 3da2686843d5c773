"""What somebody does alone at the kiosk with the hospital; the books of money are compared."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Route, expect

from pages.audit import audit
from pages.house import PIN, House
from pages.kiosk import MISSED, Kiosk, kiosk_in
from shualian.core.identifiers import PersonNo
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import Channel
from shualian.hospital.payments.model import PaymentState
from shualian.sandbox import city
from shualian.sandbox.ewallet.model import Fault, FaultKind

CONSULTATION, CHEST_CT = "ZC001", "JC002"
CARD = "99000012345678"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        yield House(tmp_path_factory.mktemp("house"), opened)


@pytest.fixture(scope="module")
def patient(house: House) -> PersonNo:
    """Comes often: a template is kept, a PIN set at a window, an account authorised."""
    psn_no = house.regular(city.PATIENT)
    house.agrees(psn_no)
    return psn_no


@pytest.fixture(scope="module")
def encounter(house: House, patient: PersonNo) -> Encounter:
    """The visit of today; each test orders what it pays."""
    del patient
    return house.visit(city.PATIENT)


def _scanned(kiosk: Kiosk) -> Kiosk:
    """The task, notice, consent, and the scan; the simulated person does what the screen says."""

    def walk() -> Kiosk:
        kiosk.touch("task-pay").at("way")
        kiosk.touch("way-face").at("notice")
        return kiosk.touch("tick-comparison", "agree")

    return walk().found(walk).touch("yes")


def test_one_scan_pays_insurance_and_own_share_together(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    money = house.wallet_balance(patient)
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        _at_bill(kiosk.enrolled())
        expect(kiosk.part("wallet")).to_contain_text("1234")
        audit(kiosk.page)
        kiosk.touch("confirm").types(PIN)
        audit(kiosk.page)
        kiosk.touch("ok")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")
        audit(kiosk.page)

        payment = house.payments(encounter.encounter_no)[-1]
        assert payment.state is PaymentState.SETTLED
        own = payment.confirmed.amounts.psn_cash_pay
        assert own > 0
        assert house.wallet_balance(patient) == money - own
        kiosk.touch("done").at("asleep")
        assert kiosk.errors == []
        assert kiosk.outside == []


def _at_bill(kiosk: Kiosk) -> Kiosk:
    kiosk.touch("start").at("home")
    _scanned(kiosk)
    expect(kiosk.part("split")).to_be_visible()
    return kiosk


class Cut:
    """The network of one address: it loses questions on the way, or answers on the way back."""

    def __init__(self, kiosk: Kiosk, path: str, *, before: int = 0, after: int = 0) -> None:
        self._before, self._after = before, after
        self.reached = 0
        kiosk.page.route(f"**/{path}", self._pass)

    def _pass(self, route: Route) -> None:
        if self._before:
            self._before -= 1
            route.abort("connectionfailed")
            return
        answer = route.fetch()
        self.reached += 1
        if self._after:
            self._after -= 1
            route.abort("connectionreset")
            return
        route.fulfill(response=answer)


@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2), (1, 1)])
def test_the_network_that_goes_and_comes_while_it_is_paid_charges_once(
    house: House, patient: PersonNo, encounter: Encounter, before: int, after: int
) -> None:
    money, books = house.wallet_balance(patient), house.settled_at_insurer()
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        _at_bill(kiosk.enrolled())
        cut = Cut(kiosk, "payments/settle", before=before, after=after)
        kiosk.touch("confirm").types(PIN).touch("ok")
        expect(kiosk.part("late")).to_contain_text("不会重复扣款")
        expect(kiosk.page.locator("h1")).to_contain_text("正在结算")
        assert "没有办成" not in kiosk.text()
        audit(kiosk.page)
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")

    assert cut.reached == after + 1
    payment = house.payments(encounter.encounter_no)[-1]
    own = payment.confirmed.amounts.psn_cash_pay
    assert payment.done
    assert house.wallet_balance(patient) == money - own
    after_it = house.settled_at_insurer()
    assert after_it.lines == books.lines + 1
    assert after_it.cash_fen == books.cash_fen + own
    assert house.wallet.wallet.check_books().coherent


def test_an_answer_that_is_lost_before_anything_was_sent_leads_to_another_look(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    money = house.wallet_balance(patient)
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        _at_bill(kiosk.enrolled())
        Cut(kiosk, "captures/proof", after=1)
        kiosk.touch("confirm").types(PIN).touch("ok").at("refused")
        expect(kiosk.part("money")).to_contain_text("您没有被扣钱")
        audit(kiosk.page)
        assert house.wallet_balance(patient) == money
        kiosk.touch("exit-again")
        kiosk.found().touch("yes", "confirm").types(PIN).touch("ok")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")

    payment = house.payments(encounter.encounter_no)[-1]
    assert house.wallet_balance(patient) == money - payment.confirmed.amounts.psn_cash_pay


def test_a_wallet_that_does_not_answer_is_never_told_as_a_failure(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    """It has taken the money and its answers are lost: what is known is told until it is known."""
    money = house.wallet_balance(patient)
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        _at_bill(kiosk.enrolled())
        house.wallet.wallet.faults.set(Fault(FaultKind.CUT_AFTER, times=3))
        kiosk.touch("confirm").types(PIN).touch("ok")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")

    payment = house.payments(encounter.encounter_no)[-1]
    assert house.wallet_balance(patient) == money - payment.confirmed.amounts.psn_cash_pay


def test_a_wrong_pin_is_asked_for_again_and_cash_at_the_window_is_always_left(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    money = house.wallet_balance(patient)
    house.ordered(encounter, CONSULTATION)
    with kiosk_in(house) as kiosk:
        _at_bill(kiosk.enrolled())
        kiosk.touch("confirm").types("246802").touch("ok")
        expect(kiosk.part("pin-trouble")).to_contain_text("密码不对")
        audit(kiosk.page)
        kiosk.touch("no-pin", "cash")
        expect(kiosk.part("slip-no")).to_be_visible()
        audit(kiosk.page)
        slip = kiosk.page.locator(".slip-no").inner_text()
        assert kiosk.errors == []

    found = house.hospital.payments.by_slip(slip_no=slip)
    assert (found.encounter_no, found.state) == (encounter.encounter_no, PaymentState.RESERVED)
    assert house.wallet_balance(patient) == money
    # The next test pays at the kiosk again.
    house.hospital.payments.withdraw(command_id=found.command_id)


@pytest.mark.usefixtures("encounter")
def test_a_patient_sees_who_opened_the_own_record(house: House, patient: PersonNo) -> None:
    house.record_opened(patient)
    with kiosk_in(house) as kiosk:
        kiosk.enrolled().touch("start").at("home")
        kiosk.touch("task-record").at("way")

        def walk() -> Kiosk:
            kiosk.touch("way-face").at("notice")
            return kiosk.touch("tick-comparison", "agree")

        walk().found(walk).touch("yes")
        expect(kiosk.part("looks")).to_contain_text("SIM-CLERK · 窗口工作人员")
        audit(kiosk.page)
        assert kiosk.errors == []


def test_who_shows_a_card_and_types_its_pin_pays_the_same(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    """Every step by face has its twin without one: same bill, same way to the end."""
    money = house.wallet_balance(patient)
    house.side.cards.issue(patient, CARD)
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        kiosk.enrolled().touch("start").at("home")
        kiosk.touch("task-pay", "way-card").at("card")
        kiosk.page.evaluate(
            "keys => keys.forEach((key) => dispatchEvent(new KeyboardEvent('keydown', { key })))",
            [*CARD, "Enter"],
        )
        kiosk.types(PIN).touch("ok")
        expect(kiosk.part("split")).to_be_visible()
        audit(kiosk.page)
        kiosk.touch("confirm")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")
        assert CARD not in kiosk.page.content()
        assert kiosk.errors == []

    payment = house.payments(encounter.encounter_no)[-1]
    assert payment.channel is Channel.CARD
    assert house.wallet_balance(patient) == money - payment.confirmed.amounts.psn_cash_pay


@pytest.fixture
def patient_again(house: House) -> Iterator[None]:
    """Afterwards the patient stands there again."""
    yield
    house.stands_there(city.PATIENT_SEEN)


def _refused_face(kiosk: Kiosk) -> str:
    """Who is not let through is told why and shown every other way; gives the code."""
    kiosk.enrolled().touch("start").at("home")
    kiosk.touch("task-pay").at("way")
    kiosk.touch("way-face", "tick-comparison", "agree").at("refused")
    audit(kiosk.page)
    assert city.PATIENT.name[0] not in kiosk.part("reason").inner_text()
    return kiosk.part("reason").get_attribute("data-code") or ""


@pytest.mark.usefixtures("patient", "encounter", "patient_again")
def test_a_stranger_learns_nothing_of_anybody_and_is_shown_the_other_ways(house: House) -> None:
    house.stands_there(city.STRANGER_SEEN)
    with kiosk_in(house) as kiosk:
        code = _refused_face(kiosk)
        while code != "not_matched" and kiosk.part("exit-again").count():
            kiosk.touch("exit-again").at("refused")
            code = kiosk.part("reason").get_attribute("data-code") or ""
        assert code == "not_matched"
        assert kiosk.page.locator("[data-testid^=exit-]").count() >= 2
        assert kiosk.errors == []


@pytest.mark.usefixtures("patient", "encounter", "patient_again")
def test_a_screen_with_the_patients_face_opens_nothing(house: House) -> None:
    house.holds_a_screen(city.PATIENT_SEEN)
    with kiosk_in(house) as kiosk:
        assert _refused_face(kiosk) in {*MISSED, "no_face"}
        assert kiosk.errors == []


def test_the_same_bill_at_two_machines_at_once_is_charged_once(
    house: House, patient: PersonNo, encounter: Encounter
) -> None:
    house.ordered(encounter, CHEST_CT)
    money = house.wallet_balance(patient)
    with kiosk_in(house) as one, kiosk_in(house) as other:
        _at_bill(one.enrolled())
        _at_bill(other.enrolled())
        for kiosk in (other, one):
            kiosk.touch("confirm").types(PIN).touch("ok")
        expect(other.page.locator("h1")).to_contain_text("缴费成功")
        one.at("refused")
        audit(one.page)

        done = [each for each in house.payments(encounter.encounter_no) if each.done][-1]
        assert house.wallet_balance(patient) == money - done.confirmed.amounts.psn_cash_pay
        assert one.errors == other.errors == []
