from dataclasses import replace
from itertools import product

import pytest

from hospital.world import HOSPITAL, KIOSK, START
from shualian.core.identifiers import (
    AuthNo,
    CommandId,
    EncounterNo,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import Amounts, FaceEvidence, SettlementAnswer
from shualian.hospital.payments.model import (
    PAYMENT_NOT_SETTLED,
    PAYMENT_STEP,
    Payment,
    PaymentState,
    refused,
    sent,
    settled,
    unknown,
    withdrawn,
)
from shualian.verification.model import Scene

ANSWER = SettlementAnswer(SettlementId("S1"), START, Amounts(Fen(0)), (), ())
PAYMENT = Payment(
    command_id=CommandId("C1"),
    institution=HOSPITAL,
    encounter_no=EncounterNo("E1"),
    psn_no=PersonNo("P1"),
    mdtrt_id=VisitId("V1"),
    chrg_bchno="B1",
    acct_used_flag=True,
    intent_id=IntentId("I1"),
    prepared_at=START,
    confirmed=ANSWER,
)
EVIDENCE = FaceEvidence(AuthNo("A1"), IntentId("I1"), Scene.SETTLEMENT, KIOSK, START)

STEPS = {
    PaymentState.SENT: lambda payment: sent(payment, EVIDENCE, now=START),
    PaymentState.UNKNOWN: lambda payment: unknown(payment, now=START),
    PaymentState.SETTLED: lambda payment: settled(payment, ANSWER, now=START),
    PaymentState.REFUSED: lambda payment: refused(payment, now=START),
    PaymentState.WITHDRAWN: lambda payment: withdrawn(payment, now=START),
}
ALLOWED = {
    (PaymentState.PREPARED, PaymentState.SENT),
    (PaymentState.PREPARED, PaymentState.WITHDRAWN),
    (PaymentState.SENT, PaymentState.UNKNOWN),
    (PaymentState.SENT, PaymentState.SETTLED),
    (PaymentState.SENT, PaymentState.REFUSED),
    (PaymentState.UNKNOWN, PaymentState.UNKNOWN),
    (PaymentState.UNKNOWN, PaymentState.SETTLED),
    (PaymentState.UNKNOWN, PaymentState.REFUSED),
    (PaymentState.REFUSED, PaymentState.SETTLED),
}


@pytest.mark.parametrize(("before", "after"), list(product(PaymentState, STEPS)))
def test_every_step_that_is_not_named_is_refused(before: PaymentState, after: PaymentState) -> None:
    found = replace(PAYMENT, state=before)
    if (before, after) in ALLOWED:
        assert STEPS[after](found).state is after
        return
    with pytest.raises(Refused) as caught:
        STEPS[after](found)
    assert caught.value.kind is PAYMENT_STEP


@pytest.mark.parametrize("state", sorted(set(PaymentState) - {PaymentState.SETTLED}))
def test_only_a_settled_payment_has_an_answer(state: PaymentState) -> None:
    with pytest.raises(Refused) as caught:
        _ = replace(PAYMENT, state=state).answer
    assert caught.value.kind is PAYMENT_NOT_SETTLED
