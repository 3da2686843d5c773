"""Examinations: who comes, what is found, who answers for it, who takes the report away."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from hospital.world import (
    AMOXICILLIN,
    CHEST_CT,
    CLERK,
    DOCTOR,
    DOCTOR_STAFF,
    KIOSK,
    LI,
    OTHER_TECHNICIAN,
    TECHNICIAN,
    URINALYSIS,
    ZHANG,
    Fault,
    World,
    command,
)
from shualian.core.identifiers import IntentId, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import ORDER_NOT_PAID, ORDER_PERFORMED, OrderNo
from shualian.hospital.examinations.model import (
    EXAMINATION_NOT_FOUND,
    EXAMINATION_STEP,
    NOT_EXAMINED_HERE,
    ORDER_OF_ANOTHER_PERSON,
    REPORT_INVALID,
    REPORT_NEEDS_SECOND,
    REPORT_NOT_READY,
    TEXT_MAX,
    Examination,
    ExamState,
    Findings,
    Flag,
    LabValue,
    Report,
)
from shualian.hospital.examinations.store import reports
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    PROOF_NOT_FITTING,
    SCENE_NOT_ALLOWED,
    Channel,
    DocumentEvidence,
    Evidence,
)
from shualian.verification.model import Relation, Scene

CLEAR = Findings(finding="两肺纹理清晰", conclusion="未见异常")
POTASSIUM = LabValue(
    "钾", Decimal("6.8"), "mmol/L", Decimal("3.5"), Decimal("5.3"), Decimal("2.5"), Decimal("6.5")
)
INTENT = IntentId("I1")


def paid_order(world: World, code: str = CHEST_CT) -> OrderNo:
    encounter = world.registered()
    order_no = world.signed(encounter, code).order.order_no
    world.paid(encounter)
    return order_no


def arrived(world: World, order_no: OrderNo, evidence: Evidence | None = None) -> Examination:
    return world.examinations.arrive(
        command_id=command(),
        order_no=order_no,
        evidence=evidence or world.scan(scene=Scene.EXAMINATION),
        terminal_id=KIOSK,
    )


def performed(world: World, code: str = CHEST_CT) -> OrderNo:
    order_no = paid_order(world, code)
    arrived(world, order_no)
    world.examinations.perform(order_no=order_no, by=TECHNICIAN)
    return order_no


def entered(world: World, order_no: OrderNo, findings: Findings = CLEAR) -> Report:
    return world.examinations.enter(
        command_id=command(), order_no=order_no, findings=findings, entered_by=TECHNICIAN
    )


def reported(world: World, findings: Findings = CLEAR, code: str = CHEST_CT) -> OrderNo:
    order_no = performed(world, code)
    entered(world, order_no, findings)
    world.examinations.sign(order_no=order_no, version=1, by=TECHNICIAN)
    return order_no


# The desk


def test_the_worklist_has_what_is_paid_and_not_reported(any_world: World) -> None:
    encounter = any_world.registered()
    any_world.signed(encounter, URINALYSIS)
    paid = paid_order(any_world)
    begun = paid_order(any_world)
    arrived(any_world, begun)
    reported(any_world)
    paid_order(any_world, AMOXICILLIN)

    items = any_world.examinations.worklist()

    assert [(item.order_no, item.state) for item in items] == [
        (begun, ExamState.ARRIVED),
        (paid, None),
    ]
    assert items[0].masked_name == "张*国"
    assert items[0].names_zh == ("胸部 CT 平扫",)


EVERY_WAY = [
    pytest.param(lambda world: world.scan(scene=Scene.EXAMINATION), Channel.FACE, id="face"),
    pytest.param(lambda world: world.scan(scene=Scene.CONSULTATION), Channel.FACE, id="room"),
    pytest.param(lambda world: world.code(), Channel.CODE, id="code"),
    pytest.param(lambda world: world.card(), Channel.CARD, id="card"),
    pytest.param(
        lambda _: DocumentEvidence(ZHANG.certno, CLERK, INTENT), Channel.DOCUMENT, id="document"
    ),
]


@pytest.mark.parametrize(("shown", "channel"), EVERY_WAY)
def test_the_patient_comes_to_the_desk_by_face_code_card_or_document(
    world: World, shown: object, channel: Channel
) -> None:
    order_no = paid_order(world)
    found = arrived(world, order_no, shown(world))  # type: ignore[operator]
    assert (found.state, found.channel) == (ExamState.ARRIVED, channel)


def test_nobody_else_takes_the_patients_place(world: World) -> None:
    order_no = paid_order(world)
    for evidence in (
        world.scan(LI, scene=Scene.EXAMINATION),
        world.code(LI),
        world.scan(LI, scene=Scene.EXAMINATION, beneficiary=ZHANG.psn_no, relation=Relation.PROXY),
    ):
        with pytest.raises(Refused) as refused:
            arrived(world, order_no, evidence)
        assert refused.value.kind is ORDER_OF_ANOTHER_PERSON


def test_one_scan_pays_at_the_desk_and_lets_the_patient_in(any_world: World) -> None:
    world = any_world
    encounter = world.registered()
    order_no = world.signed(encounter, CHEST_CT).order.order_no
    payment = world.prepared(encounter)
    scan = world.confirmed(payment)
    with pytest.raises(Refused) as caught:
        arrived(world, order_no, scan)
    assert caught.value.kind is ORDER_NOT_PAID

    world.payments.settle(command_id=payment.command_id, evidence=scan)

    assert arrived(world, order_no, scan).state is ExamState.ARRIVED


def test_a_face_for_another_scene_or_from_another_place_does_not_count(world: World) -> None:
    order_no = paid_order(world)
    with pytest.raises(Refused) as refused:
        arrived(world, order_no, world.scan(scene=Scene.REGISTRATION))
    assert refused.value.kind is SCENE_NOT_ALLOWED
    scanned = world.scan(scene=Scene.EXAMINATION)
    with pytest.raises(Refused) as refused:
        arrived(world, order_no, replace(scanned, terminal_id=TerminalId("K99")))
    assert refused.value.kind is PROOF_NOT_FITTING


def test_coming_again_under_the_same_command_changes_nothing(any_world: World) -> None:
    order_no, command_id = paid_order(any_world), command()
    evidence = any_world.scan(scene=Scene.EXAMINATION)

    def arrive() -> Examination:
        return any_world.examinations.arrive(
            command_id=command_id, order_no=order_no, evidence=evidence, terminal_id=KIOSK
        )

    first = arrive()
    any_world.wait(timedelta(hours=1))
    assert arrive() == first
    with pytest.raises(Refused) as refused:
        arrived(any_world, order_no)
    assert refused.value.kind is EXAMINATION_STEP


def test_what_is_not_paid_is_not_begun(world: World) -> None:
    order_no = world.signed(world.registered(), CHEST_CT).order.order_no
    with pytest.raises(Refused) as refused:
        arrived(world, order_no)
    assert refused.value.kind is ORDER_NOT_PAID


def test_a_prescription_is_not_examined(world: World) -> None:
    with pytest.raises(Refused) as refused:
        arrived(world, paid_order(world, AMOXICILLIN))
    assert refused.value.kind is NOT_EXAMINED_HERE


def test_what_was_performed_is_not_given_back_and_what_only_waits_is(world: World) -> None:
    done, waits = performed(world), paid_order(world)
    arrived(world, waits)

    with pytest.raises(Refused) as refused:
        world.clinical.withdraw(order_no=done, by=DOCTOR_STAFF, reason="late")
    assert refused.value.kind is ORDER_PERFORMED
    world.clinical.withdraw(order_no=waits, by=DOCTOR_STAFF, reason="in time")
    with pytest.raises(Refused):
        world.examinations.perform(order_no=waits, by=TECHNICIAN)


def test_while_the_refund_is_not_decided_nothing_is_performed(world: World) -> None:
    order_no = paid_order(world)
    arrived(world, order_no)
    world.insurer.break_next("refund", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        world.clinical.withdraw(order_no=order_no, by=DOCTOR_STAFF, reason="lost")

    with pytest.raises(Refused):
        world.examinations.perform(order_no=order_no, by=TECHNICIAN)


# Reports


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("2.4", Flag.CRITICAL_LOW),
        ("2.5", Flag.LOW),
        ("3.5", Flag.NORMAL),
        ("5.3", Flag.NORMAL),
        ("5.4", Flag.HIGH),
        ("6.5", Flag.HIGH),
        ("6.6", Flag.CRITICAL_HIGH),
    ],
)
def test_a_value_is_flagged_by_its_ranges(value: str, flag: Flag) -> None:
    assert replace(POTASSIUM, value=Decimal(value)).flag is flag


def test_a_value_without_a_range_has_no_flag_but_its_critical_bound() -> None:
    bare = LabValue("甲", Decimal(1), "")
    assert bare.flag is Flag.NO_RANGE
    assert replace(bare, critical_high=Decimal("0.5")).flag is Flag.CRITICAL_HIGH


def test_a_report_comes_back_as_it_was_entered_and_holds_once_it_is_signed(
    any_world: World,
) -> None:
    order_no = performed(any_world, URINALYSIS)
    findings = Findings(values=(POTASSIUM,), finding="甲", conclusion="乙")
    entered(any_world, order_no, findings)
    with pytest.raises(Refused) as refused:
        any_world.examinations.report(order_no=order_no)
    assert refused.value.kind is REPORT_NOT_READY

    any_world.examinations.sign(order_no=order_no, version=1, by=TECHNICIAN)

    report = any_world.examinations.report(order_no=order_no)
    assert report.findings == findings
    assert (report.entered_by, report.signed_by) == (TECHNICIAN, TECHNICIAN)


def test_a_report_is_entered_after_the_examination_only(world: World) -> None:
    order_no = paid_order(world)
    with pytest.raises(Refused) as refused:
        entered(world, order_no)
    assert refused.value.kind is EXAMINATION_NOT_FOUND
    arrived(world, order_no)
    with pytest.raises(Refused) as refused:
        entered(world, order_no)
    assert refused.value.kind is EXAMINATION_STEP


@pytest.mark.parametrize(
    "findings",
    [
        Findings(),
        Findings(finding="只有所见"),
        Findings(conclusion="长" * (TEXT_MAX + 1)),
        Findings(values=(replace(POTASSIUM, value=Decimal("nan")),)),
    ],
)
def test_a_report_says_something_and_not_too_much(world: World, findings: Findings) -> None:
    order_no = performed(world)
    with pytest.raises(Refused) as refused:
        entered(world, order_no, findings)
    assert refused.value.kind is REPORT_INVALID


def test_a_repeated_entry_is_one_version(world: World) -> None:
    order_no, command_id = performed(world), command()

    def enter(findings: Findings) -> Report:
        return world.examinations.enter(
            command_id=command_id, order_no=order_no, findings=findings, entered_by=TECHNICIAN
        )

    assert enter(CLEAR) == enter(CLEAR)
    assert len(world.examinations.versions(order_no=order_no)) == 1
    with pytest.raises(Refused) as refused:
        enter(Findings(conclusion="另一个结论"))
    assert refused.value.kind is COMMAND_DIFFERS


def test_an_amended_report_is_a_new_version_with_two_names(any_world: World) -> None:
    order_no = reported(any_world)
    amended = entered(any_world, order_no, Findings(conclusion="右肺结节"))

    with pytest.raises(Refused) as refused:
        any_world.examinations.sign(order_no=order_no, version=2, by=TECHNICIAN)
    assert refused.value.kind is REPORT_NEEDS_SECOND
    assert any_world.examinations.report(order_no=order_no).version == 1
    any_world.examinations.sign(order_no=order_no, version=2, by=OTHER_TECHNICIAN)

    first, second = any_world.examinations.versions(order_no=order_no)
    assert first.findings == CLEAR
    assert any_world.examinations.report(order_no=order_no) == second
    assert (second.entered_by, second.signed_by) == (amended.entered_by, OTHER_TECHNICIAN)


def test_a_signed_report_keeps_its_first_signature(world: World) -> None:
    order_no = reported(world)
    again = world.examinations.sign(order_no=order_no, version=1, by=OTHER_TECHNICIAN)
    assert again.signed_by == TECHNICIAN


def test_a_critical_result_waits_on_the_list_of_the_doctor_who_ordered(world: World) -> None:
    reported(world)
    order_no = reported(world, Findings(values=(POTASSIUM,)), URINALYSIS)
    (waits,) = world.examinations.critical(dr_code=DOCTOR.dr_code)
    assert waits.order_no == order_no
    assert world.examinations.critical(dr_code="D990000000002") == []

    noted = world.examinations.take_note(order_no=order_no, version=1, by=DOCTOR_STAFF)

    assert noted.seen_by == DOCTOR_STAFF
    assert world.examinations.critical(dr_code=DOCTOR.dr_code) == []


def test_a_critical_finding_in_words_is_told_too(world: World) -> None:
    reported(world, Findings(conclusion="主动脉夹层", is_critical=True))
    assert len(world.examinations.critical(dr_code=DOCTOR.dr_code)) == 1


def test_the_queue_learns_which_results_have_come_since(world: World) -> None:
    before = world.clock.now()
    order_no = reported(world)
    encounter_no = world.clinical.get(order_no=order_no).order.encounter_no

    (ready,) = world.examinations.results_since(encounter_no=encounter_no, at=before)
    later = world.clock.now() + timedelta(seconds=1)

    assert (ready.order_no, ready.critical) == (order_no, False)
    assert world.examinations.results_since(encounter_no=encounter_no, at=later) == []


def test_what_a_report_says_is_not_readable_in_the_database(world: World) -> None:
    reported(world)
    rows = world.database.read(lambda c: c.execute(select(reports)).all())
    assert "未见异常" not in str(rows)


# Collecting


@pytest.mark.parametrize(
    ("shown", "channel"),
    [
        pytest.param(lambda world: world.scan(scene=Scene.REPORT_COLLECTION), Channel.FACE, id="f"),
        *EVERY_WAY[2:],
    ],
)
def test_the_patient_collects_by_face_code_card_or_document(
    world: World, shown: object, channel: Channel
) -> None:
    order_no = reported(world)
    evidence = shown(world)  # type: ignore[operator]
    (ready,) = world.examinations.own_reports(evidence=evidence)

    report, collection = world.examinations.collect(
        command_id=command(), order_no=ready.order_no, evidence=evidence, terminal_id=KIOSK
    )

    assert report.findings == CLEAR
    assert (collection.channel, collection.is_proxy) == (channel, False)
    assert collection.collector == ZHANG.psn_no
    assert [each.order_no for each in world.examinations.collections(order_no=order_no)] == [
        order_no
    ]


def test_nobody_collects_or_sees_what_is_another_persons(world: World) -> None:
    order_no = reported(world)
    for evidence in (
        world.scan(LI, scene=Scene.REPORT_COLLECTION),
        world.code(LI),
    ):
        assert world.examinations.own_reports(evidence=evidence) == []
        with pytest.raises(Refused) as refused:
            world.examinations.collect(
                command_id=command(), order_no=order_no, evidence=evidence, is_proxy=True
            )
        assert refused.value.kind is ORDER_OF_ANOTHER_PERSON


def test_a_proxy_collects_at_a_terminal_by_their_own_face(world: World) -> None:
    order_no = reported(world)
    evidence = world.scan(
        LI, scene=Scene.REPORT_COLLECTION, beneficiary=ZHANG.psn_no, relation=Relation.PROXY
    )

    _, collection = world.examinations.collect(
        command_id=command(), order_no=order_no, evidence=evidence, terminal_id=KIOSK
    )

    assert (collection.collector, collection.is_proxy) == (LI.psn_no, True)


def test_a_proxy_collects_at_the_window_with_an_own_document(any_world: World) -> None:
    order_no = reported(any_world)

    _, collection = any_world.examinations.collect(
        command_id=command(),
        order_no=order_no,
        evidence=DocumentEvidence(LI.certno, CLERK, INTENT),
        given_by=CLERK,
        is_proxy=True,
    )

    assert (collection.collector, collection.is_proxy) == (LI.psn_no, True)
    assert collection.given_by == CLERK


def test_a_repeated_collection_gives_the_version_of_the_first_time(world: World) -> None:
    order_no, command_id = reported(world), command()
    other = reported(world)

    def collect(order_no: OrderNo) -> Report:
        evidence = world.scan(scene=Scene.REPORT_COLLECTION)
        return world.examinations.collect(
            command_id=command_id, order_no=order_no, evidence=evidence, terminal_id=KIOSK
        )[0]

    collect(order_no)
    entered(world, order_no, Findings(conclusion="右肺结节"))
    world.examinations.sign(order_no=order_no, version=2, by=OTHER_TECHNICIAN)

    assert collect(order_no).version == 1
    assert len(world.examinations.collections(order_no=order_no)) == 1
    with pytest.raises(Refused) as refused:
        collect(other)
    assert refused.value.kind is COMMAND_DIFFERS


def test_what_is_not_signed_is_not_collected(world: World) -> None:
    order_no = performed(world)
    entered(world, order_no)
    with pytest.raises(Refused) as refused:
        world.examinations.collect(
            command_id=command(),
            order_no=order_no,
            evidence=world.scan(scene=Scene.REPORT_COLLECTION),
        )
    assert refused.value.kind is REPORT_NOT_READY
