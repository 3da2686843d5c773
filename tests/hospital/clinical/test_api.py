"""The consulting room over HTTP: find, say, draft, preview, sign, withdraw."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hospital.doors import Door
from hospital.world import AMOXICILLIN, CHEST_CT, DOCTOR, World, command
from shualian.core.refusals import Refused
from shualian.hospital.clinical.api import staff_routes
from shualian.hospital.clinical.model import DIAGNOSIS_INVALID, parse_diagnosis_list
from shualian.hospital.clinical.store import packaged_diagnoses
from shualian.hospital.prices.api import staff_routes as price_routes
from shualian.staff.model import Role

USE = {"dose": "0.5g", "frequency": "每日三次", "route": "口服", "days": 7}


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def client(world: World, door: Door) -> TestClient:
    routes = staff_routes(
        world.clinical,
        world.diagnoses,
        world.orders,
        packaged_diagnoses(),
        door.who,
        doctor_of=door.doctor_of,
    )
    return door.client([routes, price_routes(world.prices, door.who)])


def draft(client: TestClient, encounter_no: str, **changed: Any) -> dict[str, Any]:
    body = {
        "command_id": command(),
        "encounter_no": encounter_no,
        "kind": "prescription",
        "lines": [{"code": AMOXICILLIN, "count": "2", "use": USE}],
    }
    answer = client.post("/hospital/v1/orders/drafts", json=body | changed)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_doctor_finds_an_item_by_the_first_letters_of_its_pinyin(client: TestClient) -> None:
    found = client.get("/hospital/v1/orders/items", params={"text": "amxl"}).json()
    assert found[0]["name_zh"] == "阿莫西林胶囊"
    assert found[0]["unit"] == "盒"
    only = client.get("/hospital/v1/orders/items", params={"text": "xb", "category": "exam"})
    assert {item["category"] for item in only.json()} == {"exam"}


def test_a_diagnosis_is_found_said_and_told(client: TestClient, world: World) -> None:
    encounter = world.registered()
    entry = client.get("/hospital/v1/diagnoses/codes", params={"text": "gxy"}).json()
    assert entry == []
    (entry,) = client.get("/hospital/v1/diagnoses/codes", params={"text": "yfxgxy"}).json()

    said = client.post(
        "/hospital/v1/diagnoses",
        json={
            "command_id": command(),
            "encounter_no": encounter.encounter_no,
            "diagnoses": [{"code": entry["code"], "name": entry["name_zh"]}],
        },
    )

    assert said.status_code == 201
    assert said.json()["told_at"] is not None
    assert world.insurer.information[encounter.visit_id].diseinfo[0].diag_code == "I10"


def test_an_order_from_the_draft_to_its_withdrawal(client: TestClient, world: World) -> None:
    encounter = world.registered()
    order = draft(client, encounter.encounter_no)
    number = order["order_no"]
    assert (order["standing"], order["amount_fen"]) == ("draft", 19_20)

    shown = client.get(f"/hospital/v1/orders/{number}/preview").json()
    signed = client.post(f"/hospital/v1/orders/{number}/sign", json={}).json()
    listed = client.get(f"/hospital/v1/orders/of-encounter/{encounter.encounter_no}").json()
    gone = client.post(f"/hospital/v1/orders/{number}/withdraw", json={"reason": "开错了"}).json()

    assert shown["with_order"]["medfee_sumamt"] == 19_20
    assert shown["adds_fen"] == shown["with_order"]["psn_part_amt"]
    assert shown["reasons_zh"]
    assert (signed["standing"], signed["open_fen"]) == ("uploaded", 19_20)
    assert signed["dr_name"] == DOCTOR.dr_name
    assert signed["lines"][0]["use"] == USE
    assert listed == [signed]
    assert (gone["standing"], gone["reason"]) == ("withdrawn", "开错了")


def test_a_draft_is_thrown_away(client: TestClient, world: World) -> None:
    number = draft(client, world.registered().encounter_no)["order_no"]
    gone = client.post(f"/hospital/v1/orders/{number}/discard")
    assert gone.json()["standing"] == "discarded"


def test_the_refusal_of_a_doctor_who_is_not_signed_in_says_what_to_do(
    client: TestClient, world: World
) -> None:
    number = draft(client, world.registered().encounter_no)["order_no"]
    world.sign_ins.absent.add(DOCTOR.dr_code)

    refused = client.post(f"/hospital/v1/orders/{number}/sign", json={})

    assert refused.json()["code"] == "hospital.doctor_not_signed_in"
    assert "签到" in refused.json()["next"]["zh"]


def test_nobody_but_a_doctor_orders(client: TestClient, door: Door, world: World) -> None:
    number = draft(client, world.registered().encounter_no)["order_no"]
    door.of(Role.NURSE)
    for answer in (
        client.get("/hospital/v1/orders/items", params={"text": "a"}),
        client.get(f"/hospital/v1/orders/{number}/preview"),
        client.post(f"/hospital/v1/orders/{number}/sign", json={}),
        client.post(f"/hospital/v1/orders/{number}/withdraw", json={"reason": "x"}),
        client.post(f"/hospital/v1/orders/{number}/discard"),
        client.get("/hospital/v1/diagnoses/codes", params={"text": "a"}),
    ):
        assert answer.json()["code"] == "staff.role_missing"


@pytest.mark.parametrize(
    "changed",
    [
        {"lines": []},
        {"lines": [{"code": CHEST_CT, "count": "0"}]},
        {"lines": [{"code": CHEST_CT, "count": "1", "more": 1}]},
        {"kind": "something"},
        {"command_id": "short"},
        {"encounter_no": "../etc"},
    ],
)
def test_a_body_that_is_not_valid_is_refused_before_anything_is_done(
    client: TestClient, world: World, changed: dict[str, Any]
) -> None:
    body = {
        "command_id": command(),
        "encounter_no": world.registered().encounter_no,
        "kind": "examination",
        "lines": [{"code": CHEST_CT, "count": "1"}],
    }
    assert client.post("/hospital/v1/orders/drafts", json=body | changed).status_code == 422


def test_an_administrator_imports_a_price_list_and_nobody_else(
    client: TestClient, door: Door
) -> None:
    text = "medins_list_codg,med_list_codg,name_zh,name_en,pric_yuan\nA1,X1,项目,Item,1\n"
    body = {"valid_from": "2026-02-01", "text": text}
    assert client.post("/hospital/v1/prices", json=body).json()["code"] == "staff.role_missing"

    door.of(Role.ADMINISTRATOR)
    taken = client.post("/hospital/v1/prices", json=body)

    assert taken.status_code == 201
    assert [each["item_count"] for each in client.get("/hospital/v1/prices").json()] == [1]


def test_the_packaged_diagnoses_are_icd10_and_have_names_in_two_languages() -> None:
    entries = packaged_diagnoses()
    assert len({entry.code for entry in entries}) == len(entries) >= 80
    assert all(entry.name_zh and entry.name_en and entry.pinyin for entry in entries)


def test_a_list_of_diagnoses_with_an_error_is_refused() -> None:
    for row in ("j06,感冒,Cold,gm", "J06.900,感冒"):
        with pytest.raises(Refused) as refused:
            parse_diagnosis_list(f"code,name_zh,name_en,pinyin\n{row}\n")
        assert refused.value.kind is DIAGNOSIS_INVALID
