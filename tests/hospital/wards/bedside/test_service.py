"""All that is open of a stay is one bill: settled at the bed by face, wristband, or at its end."""

import pytest

from hospital.wards.ward import DAY_FEN, NURSE, Wards
from hospital.world import KIOSK, LI, ZHANG, Fault, command
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS, WHOLE_STAY, Channel
from shualian.hospital.payments.model import (
    NOTHING_TO_SETTLE,
    PAYMENT_IN_PROGRESS,
    PAYMENT_WITHDRAWN,
    PaymentState,
)
from shualian.hospital.wards.bedside.model import WRISTBAND_OTHER, BedsideReason
from shualian.hospital.wards.stays.model import WRISTBAND_INVALID, StayState


def _last_request(wards: Wards) -> tuple[str, bool]:
    *_, (sent, _) = wards.world.insurer.settlements.values()
    return sent.request.chrg_bchno, sent.request.mid_setl_flag


def test_a_patient_settles_in_her_bed_by_face_in_the_middle_of_the_stay(any_wards: Wards) -> None:
    stay = any_wards.admitted()
    any_wards.pass_days(2)
    any_wards.charges.charge_days()
    any_wards.ordered(stay)

    payment = any_wards.settled(stay)

    assert payment.state is PaymentState.SETTLED
    assert payment.channel is Channel.FACE
    assert payment.answer.amounts.medfee_sumamt == 2 * DAY_FEN + 220_00
    assert _last_request(any_wards) == (WHOLE_STAY, True)
    assert any_wards.charges.open_items(stay.stay_no) == []
    assert any_wards.stays.get(stay_no=stay.stay_no).state is StayState.ADMITTED


def test_the_rest_is_settled_at_the_end_and_nothing_is_open(any_wards: Wards) -> None:
    stay = any_wards.admitted()
    any_wards.ordered(stay)
    middle = any_wards.settled(stay)
    any_wards.pass_days(3)
    any_wards.stays.discharge(stay_no=stay.stay_no)

    end = any_wards.settled(stay)

    assert _last_request(any_wards) == (WHOLE_STAY, False)
    total = middle.answer.amounts.medfee_sumamt + end.answer.amounts.medfee_sumamt
    assert total == any_wards.charged_fen(stay.stay_no) == 220_00 + 3 * DAY_FEN
    assert any_wards.bedside.settled_fen(stay.stay_no) == total
    assert any_wards.stays.get(stay_no=stay.stay_no).state is StayState.CLOSED


@pytest.mark.parametrize("reason", [BedsideReason.ASLEEP, BedsideReason.MASKED])
def test_who_sleeps_or_wears_a_mask_is_settled_by_wristband_nurse_and_reason(
    any_wards: Wards, reason: BedsideReason
) -> None:
    stay = any_wards.admitted()
    any_wards.ordered(stay)
    wristband = any_wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)
    payment = any_wards.prepared(stay)

    settled = any_wards.bedside.settle_by_wristband(
        command_id=payment.command_id, wristband=wristband, nurse=NURSE, reason=reason
    )

    assert settled.state is PaymentState.SETTLED
    assert settled.channel is Channel.DOCUMENT
    kept = any_wards.bedside.by_wristband(payment.command_id)
    assert kept is not None
    assert (kept.nurse, kept.reason, kept.stay_no) == (NURSE, reason, stay.stay_no)
    *_, (sent, _) = any_wards.world.insurer.settlements.values()
    assert sent.evidence == any_wards.shown(payment)


def test_the_price_does_not_depend_on_how_the_patient_was_identified(wards: Wards) -> None:
    amounts = []
    for by_face in (True, False):
        stay = wards.admitted()
        wards.ordered(stay)
        wristband = wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)
        payment = wards.prepared(stay)
        if by_face:
            done = wards.bedside.settle(
                command_id=payment.command_id, evidence=wards.confirmed(payment)
            )
        else:
            done = wards.bedside.settle_by_wristband(
                command_id=payment.command_id,
                wristband=wristband,
                nurse=NURSE,
                reason=BedsideReason.ASLEEP,
            )
        amounts.append(done.answer.amounts)
        wards.bedside.cancel(command_id=payment.command_id)
        wards.stays.discharge(stay_no=stay.stay_no)
        wards.settled(stay)
        wards.world.insurer.balances[ZHANG.psn_no] = amounts[0].acct_pay

    assert amounts[0].medfee_sumamt == amounts[1].medfee_sumamt
    assert amounts[0].fund_pay_sumamt == amounts[1].fund_pay_sumamt
    assert amounts[0].psn_part_amt == amounts[1].psn_part_amt


def test_a_wristband_settles_its_own_patients_bill_only(wards: Wards) -> None:
    stay, other = wards.admitted(), wards.admitted(LI, bed_no="2")
    wards.ordered(stay)
    payment = wards.prepared(stay)
    of_other = wards.stays.print_wristband(stay_no=other.stay_no, by=NURSE)

    for wristband, kind in ((of_other, WRISTBAND_OTHER), ("invented-code", WRISTBAND_INVALID)):
        with pytest.raises(Refused) as refused:
            wards.bedside.settle_by_wristband(
                command_id=payment.command_id,
                wristband=wristband,
                nurse=NURSE,
                reason=BedsideReason.ASLEEP,
            )
        assert refused.value.kind is kind
    assert wards.bedside.by_wristband(payment.command_id) is None


def test_a_repeat_is_answered_and_another_reason_or_nurse_is_refused(wards: Wards) -> None:
    stay = wards.admitted()
    wards.ordered(stay)
    payment = wards.prepared(stay)
    asked = {
        "command_id": payment.command_id,
        "wristband": wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE),
        "nurse": NURSE,
        "reason": BedsideReason.ASLEEP,
    }
    first = wards.bedside.settle_by_wristband(**asked)  # type: ignore[arg-type]

    assert wards.bedside.settle_by_wristband(**asked) == first  # type: ignore[arg-type]
    for changed in ({"nurse": StaffId("N002")}, {"reason": BedsideReason.MASKED}):
        with pytest.raises(Refused) as refused:
            wards.bedside.settle_by_wristband(**(asked | changed))  # type: ignore[arg-type]
        assert refused.value.kind is COMMAND_DIFFERS


def test_a_new_bill_takes_the_place_of_the_one_that_was_shown(wards: Wards) -> None:
    stay = wards.admitted()
    wards.ordered(stay)
    first = wards.prepared(stay)
    again = wards.bedside.prepare(command_id=first.command_id, stay_no=stay.stay_no)
    second = wards.prepared(stay)

    assert again == first
    with pytest.raises(Refused) as refused:
        wards.bedside.settle(command_id=first.command_id, evidence=wards.confirmed(first))
    assert refused.value.kind is PAYMENT_WITHDRAWN
    assert (
        wards.bedside.settle(command_id=second.command_id, evidence=wards.confirmed(second)).state
        is PaymentState.SETTLED
    )


def test_a_settlement_without_an_answer_holds_the_next_one_and_the_discharge(
    any_wards: Wards,
) -> None:
    stay = any_wards.admitted()
    any_wards.ordered(stay)
    payment = any_wards.prepared(stay)
    any_wards.world.insurer.break_next("2207", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        any_wards.bedside.settle(
            command_id=payment.command_id, evidence=any_wards.confirmed(payment)
        )
    any_wards.ordered(stay, "YP003")
    with pytest.raises(Refused) as next_bill:
        any_wards.prepared(stay)
    with pytest.raises(Refused) as leaving:
        any_wards.stays.discharge(stay_no=stay.stay_no)

    assert any_wards.payments.resolve_all() == []
    assert next_bill.value.kind is PAYMENT_IN_PROGRESS
    assert leaving.value.kind.code == "hospital.stay_payment_open"
    assert any_wards.payments.get(command_id=payment.command_id).state is PaymentState.SETTLED
    assert any_wards.settled(stay).answer.amounts.medfee_sumamt == 32_00


def test_where_nothing_is_open_nothing_is_shown_and_a_discharge_closes_at_once(
    wards: Wards,
) -> None:
    stay = wards.admitted()
    with pytest.raises(Refused) as nothing:
        wards.prepared(stay)
    wards.stays.discharge(stay_no=stay.stay_no)
    wards.settled(stay)

    assert nothing.value.kind is NOTHING_TO_SETTLE
    assert wards.bedside.close_if_settled(stay.stay_no).state is StayState.CLOSED


def test_outpatients_are_settled_batch_by_batch_as_before(wards: Wards) -> None:
    encounter = wards.world.registered()
    (item, *_) = wards.world.ordered(encounter)
    payment = wards.payments.prepare(command_id=command(), encounter_no=encounter.encounter_no)
    wards.payments.settle(command_id=payment.command_id, evidence=wards.confirmed(payment))

    assert _last_request(wards) == (item.chrg_bchno, False)


def test_a_scanned_wristband_arms_the_device_at_the_bed_for_this_patient(any_wards: Wards) -> None:
    stay = any_wards.admitted(LI)
    code = any_wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)

    found = any_wards.bedside.call(wristband=code, terminal_id=KIOSK)

    assert found.stay_no == stay.stay_no
    assert any_wards.world.expected.calls == {KIOSK: LI.psn_no}


def test_a_wristband_of_nobody_arms_nothing(any_wards: Wards) -> None:
    with pytest.raises(Refused) as refused:
        any_wards.bedside.call(wristband="no-such-wristband", terminal_id=KIOSK)

    assert refused.value.kind is WRISTBAND_INVALID
    assert any_wards.world.expected.calls == {}
