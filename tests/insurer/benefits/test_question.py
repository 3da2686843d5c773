import json
import re
from pathlib import Path
from typing import Any

import pytest

from shualian.core.refusals import Refused
from shualian.insurer.benefits.question import (
    Question,
    answer,
    as_json,
    at_level,
    parse_question,
    question_schema,
)
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
BOOKS = (load_policies(packaged_policies()), load_catalogues(packaged_catalogues()))
OUTPATIENT = (EXAMPLES / "outpatient-310.json").read_text("utf-8")


def changed(**parts: Any) -> Question:
    return parse_question(json.dumps({**json.loads(OUTPATIENT), **parts}))


def answered(question: Question) -> Any:
    return as_json(answer(question, *BOOKS))


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.json")))
def test_a_worked_bill_gives_the_numbers_of_the_readme(name: str) -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    section = readme.split(f"## {name}")[1].split("\n## ")[0]
    rows = dict(re.findall(r"\| (\w+_\w+|balc) \| ([0-9.]+) \|", section))

    found = answered(parse_question((EXAMPLES / name).read_bytes()))["setlinfo"]

    assert len(rows) >= 10
    assert {field: found[field] for field in rows} == rows


def test_the_readme_tells_what_the_outpatient_bill_would_cost_at_level_1() -> None:
    there = answered(at_level(parse_question(OUTPATIENT), "1"))

    assert f"costs the person {there['setlinfo']['psn_part_amt']}" in (
        EXAMPLES / "README.md"
    ).read_text("utf-8")


@pytest.mark.parametrize("cert_type", ["01", "02", "03"])
def test_face_qr_card_and_document_give_the_same_breakdown(cert_type: str) -> None:
    # A face and a document read are both 02, a QR code 01, a card with PIN 03 (code list 3.1).
    visit = {**json.loads(OUTPATIENT)["visit"], "mdtrt_cert_type": cert_type}
    said_nothing = {key: value for key, value in visit.items() if key != "mdtrt_cert_type"}

    assert answered(changed(visit=visit)) == answered(changed(visit=said_nothing))


def test_the_answer_says_who_pays_each_line() -> None:
    lines = answered(parse_question(OUTPATIENT))["lines"]

    ct = next(line for line in lines if line["feedetl_sn"] == "OP-2")
    assert (ct["overlmt_amt"], ct["preselfpay_amt"], ct["inscp_scp_amt"]) == (
        "50.00",
        "18.00",
        "162.00",
    )
    assert sum(float(part) for part in ct["paid_by"].values()) == pytest.approx(230.0)
    limited = next(line for line in lines if line["feedetl_sn"] == "OP-4")
    assert (limited["lmt_used_flag"], limited["selfpay_prop"]) == ("1", "0.1000")


def test_care_elsewhere_takes_the_catalogue_of_the_care_region() -> None:
    items = [
        {
            "feedetl_sn": "1",
            "med_list_codg": "002000000010000",
            "pric": "60",
            "det_item_fee_sumamt": "60.00",
        }
    ]
    visit = {"med_type": "11", "institution_level": "2", "care_region": "990100", "filed": True}

    found = answered(changed(items=items, visit=visit))

    assert found["policy"]["policy_id"] == "990000-310"
    assert found["catalogue"]["catalogue_id"] == "990100"
    assert found["lines"][0]["overlmt_amt"] == "30.00"
    assert found["trace"][2]["zh"] == (
        "在参保地以外就医（目录按就医地 990100，待遇按参保地 990000）：待遇和参保地一样"
    )


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"day": "yesterday"}, "day"),
        ({"items": []}, "items"),
        ({"year": {"otp_dedc": -1}}, "year"),
        ({"year": {"otp dedc": 1}}, "year.otp dedc"),
        ({"insutype": "31"}, "insutype"),
        ({"name": "somebody"}, "name"),
        ({"person": {"psn_type": "11", "account_balance": "-1"}}, "person.account_balance"),
        ({"visit": {"med_type": "11"}}, "visit.institution_level"),
    ],
)
def test_a_bill_that_does_not_follow_the_schema_is_refused_with_the_place(
    parts: dict[str, object], place: str
) -> None:
    with pytest.raises(Refused) as refused:
        changed(**parts)

    assert refused.value.kind.code == "insurer.bill_invalid"
    assert str(refused.value.details["at"]).startswith(place)
    assert "somebody" not in str(refused.value)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse_question("{")

    assert refused.value.details["at"] == "JSON"


def test_the_schema_names_every_member_of_a_bill() -> None:
    schema: Any = question_schema()

    assert set(schema["required"]) == {
        "insuplc_admdvs",
        "insutype",
        "day",
        "person",
        "visit",
        "items",
    }
    assert schema["additionalProperties"] is False
    assert set(json.loads(OUTPATIENT)) <= set(schema["properties"])
