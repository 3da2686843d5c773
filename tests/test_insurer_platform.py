"""Between the halves: the hospital's messages over the real insurer, without a wire."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from insurer.office import CLINIC, NOW, WORKED_BILL, Charged, Office, confirmed
from shualian.assembly import LocalInsurerPlatform
from shualian.assembly.insurer_side import InsurerSide
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import ChargeItemNo, CommandId, PersonNo, new_identifier
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    Certificate,
    CertificateType,
    ChargeRecall,
    DiagnosisRow,
    EstimateRequest,
    FeeDetail,
    PersonalSettlement,
    RefundRequest,
    SettlementRequest,
    VisitInformation,
    broken_identities,
)
from shualian.insurer.settlement.model import ChargeItem


@pytest.fixture
def office(sqlite_database: SqliteDatabase, tmp_path: Path) -> Office:
    return Office(sqlite_database, tmp_path)


@pytest.fixture
def platform(office: Office) -> LocalInsurerPlatform:
    side = SimpleNamespace(settlements=office.settlements)
    return LocalInsurerPlatform(cast(InsurerSide, side), office.clock)


def detail(item: ChargeItem) -> FeeDetail:
    return FeeDetail(
        feedetl_sn=item.feedetl_sn,
        fee_ocur_time=item.fee_ocur_time,
        med_list_codg=item.med_list_codg,
        medins_list_codg=item.medins_list_codg,
        det_item_fee_sumamt=item.det_item_fee_sumamt,
        cnt=item.cnt,
        pric=item.pric,
        bilg_dept_codg=item.bilg_dept_codg,
        bilg_dept_name="内科",
        bilg_dr_codg=item.bilg_dr_codg,
        bilg_dr_name="示例医生",
    )


def request(charged: Charged) -> SettlementRequest:
    return SettlementRequest(
        fixmedins_code=CLINIC,
        psn_no=charged.bill.psn_no,
        certificate=Certificate(CertificateType.ID_CARD, "none"),
        mdtrt_id=charged.mdtrt_id,
        chrg_bchno=charged.bill.chrg_bchno,
        med_type="11",
        insutype="310",
        medfee_sumamt=charged.bill.medfee_sumamt,
        psn_setlway=PersonalSettlement.BY_ITEM,
        acct_used_flag=True,
    )


def test_an_estimate_over_the_lines_is_the_trial_of_the_uploaded_bill(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured(balance=10_00).psn_no)
    asked = EstimateRequest(request(charged), tuple(detail(item) for item in WORKED_BILL))

    assert platform.estimate(asked).amounts == platform.pre_settle(request(charged)).amounts


def test_what_is_recalled_cannot_be_settled_any_more(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured().psn_no)
    recall = ChargeRecall(CLINIC, charged.bill.psn_no, charged.mdtrt_id, "B1")

    for _ in range(2):
        platform.withdraw_charge_items(recall)

    with pytest.raises(Refused) as refused:
        platform.pre_settle(request(charged))
    assert refused.value.kind.code == "insurer.nothing_to_settle"


def test_a_refund_of_lines_settles_the_rest_once(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured(balance=10_00).psn_no)
    record = charged.settle(agreed=confirmed(charged.pre_settle()))
    asked = RefundRequest(
        command_id=CommandId(new_identifier()),
        fixmedins_code=CLINIC,
        psn_no=charged.bill.psn_no,
        mdtrt_id=charged.mdtrt_id,
        setl_id=record.setl_id,
        give_back=(ChargeItemNo("1"),),
    )

    answer = platform.refund_settlement(asked)

    assert answer.rest is not None
    assert answer.rest.amounts.medfee_sumamt == 42_00
    assert broken_identities(answer.rest.amounts) == ()
    assert answer.rest.amounts.psn_part_amt <= record.settlement.amounts.psn_part_amt
    again = platform.refund_settlement(asked)
    assert (again.cancellation, again.rest) == (answer.cancellation, answer.rest)


def test_a_refund_of_every_line_leaves_nothing_settled(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured().psn_no)
    record = charged.settle()

    answer = platform.refund_settlement(
        RefundRequest(
            command_id=CommandId(new_identifier()),
            fixmedins_code=CLINIC,
            psn_no=charged.bill.psn_no,
            mdtrt_id=charged.mdtrt_id,
            setl_id=record.setl_id,
            give_back=tuple(item.feedetl_sn for item in WORKED_BILL),
        )
    )

    assert answer.rest is None
    assert office.settlements.cancelled_by(record.setl_id) == answer.cancellation


def test_what_is_said_of_the_illness_reaches_the_insurers_visit(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured().psn_no)
    row = DiagnosisRow("1", 1, "J06.900", "上感", "内科", "D990000000001", "示例医生", NOW)

    platform.tell_visit_information(
        VisitInformation(
            fixmedins_code=CLINIC,
            psn_no=PersonNo(charged.bill.psn_no),
            mdtrt_id=charged.mdtrt_id,
            med_type="11",
            begntime=NOW,
            main_cond_dscr="咳嗽三天",
            diseinfo=(row,),
        )
    )

    told = office.settlements.visits.information(
        institution=CLINIC, mdtrt_id=charged.mdtrt_id, psn_no=charged.bill.psn_no
    )
    assert told is not None
    assert (told.diagnoses, told.main_cond_dscr) == (("J06.900",), "咳嗽三天")


def test_a_refund_of_a_part_of_a_line_tells_how_the_kept_part_is_classed(
    office: Office, platform: LocalInsurerPlatform
) -> None:
    charged = office.charged(office.insured().psn_no)
    record = charged.settle()
    kept = replace(
        detail(WORKED_BILL[0]),
        feedetl_sn=ChargeItemNo("1-kept"),
        cnt=Decimal(1),
        det_item_fee_sumamt=Fen(25_00),
    )

    answer = platform.refund_settlement(
        RefundRequest(
            command_id=CommandId(new_identifier()),
            fixmedins_code=CLINIC,
            psn_no=charged.bill.psn_no,
            mdtrt_id=charged.mdtrt_id,
            setl_id=record.setl_id,
            give_back=(ChargeItemNo("1"),),
            chrg_bchno="B1",
            instead=(kept,),
        )
    )

    (split,) = answer.splits
    assert (split.feedetl_sn, split.det_item_fee_sumamt) == ("1-kept", 25_00)
    assert split.adds_up
    assert answer.rest is not None
    assert answer.rest.amounts.medfee_sumamt == 67_00
