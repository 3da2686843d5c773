"""Lists of insured persons: whole or not at all, every wrong line told, nothing echoed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from insurer.office import NOW, Office
from shualian.core.clock import SettableClock, business_date
from shualian.core.database import Database
from shualian.core.id_number import IdNumber, check_character
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.persons.model import (
    Insurance,
    InsuranceNote,
    InsuranceStatus,
    WrongLine,
    parse_list,
)
from shualian.insurer.persons.service import Persons
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer

HEADING = "certno,psn_name,insutype,psn_type,insuplc_admdvs,psn_insu_stas,note"
CHINESE = "姓名,证件号码,人员类别,险种类型,人员参保状态,参保地医保区划"
TODAY = business_date(NOW)


@pytest.fixture
def any_register(any_office: Office, tmp_path: Path) -> Persons:
    return register_of(any_office.database, tmp_path)


@pytest.fixture
def register(office: Office, tmp_path: Path) -> Persons:
    return register_of(office.database, tmp_path)


def register_of(database: Database, folder: Path) -> Persons:
    database.create_tables(audit_store.metadata)
    sealer = Sealer(DevelopmentKeys(folder / "keys"))
    return Persons(database=database, sealer=sealer, mode=Mode.SANDBOX, clock=SettableClock(NOW))


def number(serial: int, birth: str = "19550101") -> IdNumber:
    digits = f"990000{birth}{serial:03d}"
    return IdNumber(digits + check_character(digits))


def line(serial: int = 1, name: str = "测试甲", status: str = "1", note: str = "") -> str:
    return f"{number(serial).value},{name},310,1101,990000,{status},{note}"


def listed(*lines: str) -> str:
    return "\n".join((HEADING, *lines)) + "\n"


def test_a_list_becomes_people_and_again_changes_nothing(any_register: Persons) -> None:
    register = any_register
    text = listed(line(1), line(2, "欧阳测试"), line(1).replace("310", "390"))
    first = register.import_csv(text)
    again = register.import_csv(text)
    person = register.find_by_id_number(number(1))
    assert (first.lines, first.added, first.updated, first.unchanged) == (3, 2, 0, 0)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 3)
    assert person is not None
    assert [each.insutype for each in person.insurances] == ["310", "390"]
    assert register.by_number(number(2)) is not None


def test_status_type_region_and_note_are_brought_up_to_date(any_register: Persons) -> None:
    register = any_register
    register.import_csv(listed(line(1), line(2)))
    changed = f"{number(1).value},测试甲,310,12,990100,2,arrears"
    report = register.import_csv(listed(changed, line(2)))
    person = register.find_by_id_number(number(1))
    assert (report.updated, report.unchanged) == (1, 1)
    assert person is not None
    expected = Insurance("310", "12", "990100", InsuranceStatus.PAUSED, InsuranceNote.ARREARS)
    assert person.insurances == (expected,)


def test_one_wrong_line_keeps_the_whole_list_out(any_register: Persons) -> None:
    report = any_register.import_csv(listed(line(1), line(2, name=""), line(3)))
    assert report.wrong == (WrongLine(3, "psn_name", "empty, too long or not printable"),)
    assert not report.accepted
    assert any_register.by_number(number(1)) is None


def test_every_wrong_place_is_told_by_line_and_column_and_never_by_value(
    register: Persons,
) -> None:
    wrong_number = number(1).value[:-1] + ("0" if number(1).value[-1] != "0" else "1")
    report = register.import_csv(
        listed(
            f"{wrong_number},秘密名,310,1101,990000,1,",
            f"{number(2).value},甲,31 0,1101,99000,9,",
            line(3, note="arrears"),
            line(4, status="2", note="paused"),
            line(5),
            line(5),
            line(6),
            line(6, "另一个").replace("310", "390"),
            "too,few",
        )
    )
    found = {(each.line, each.column) for each in report.wrong}
    assert found == {
        (2, "certno"),
        (3, "insutype"),
        (3, "insuplc_admdvs"),
        (3, "psn_insu_stas"),
        (4, "note"),
        (5, "note"),
        (7, "insutype"),
        (9, "psn_name"),
        (10, "line"),
    }
    assert wrong_number not in repr(report)
    assert "秘密名" not in repr(report)


def test_a_list_never_changes_a_name(register: Persons) -> None:
    register.import_csv(listed(line(1)))
    report = register.import_csv(listed(line(2), line(1, "别的名字")))
    assert [(each.line, each.column) for each in report.wrong] == [(3, "psn_name")]
    assert register.by_number(number(2)) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_files_in_both_encodings_are_read(register: Persons, tmp_path: Path, encoding: str) -> None:
    row = f"㛃测试,{number(1).value},12,310,1,990000"
    file = tmp_path / "list.csv"
    file.write_bytes(f"{CHINESE}\r\n{row}\r\n".encode(encoding))
    assert register.import_csv(file).added == 1
    person = register.find_by_id_number(number(1))
    assert person is not None
    assert person.name == "㛃测试"


@pytest.mark.parametrize(
    "text",
    ["", "certno,psn_name\n", HEADING + ",certno\n", HEADING + ",secret\n", HEADING + '\n"x\n'],
)
def test_what_is_no_list_is_refused(register: Persons, text: str) -> None:
    with pytest.raises(Refused) as refused:
        register.import_csv(text)
    assert refused.value.kind.code == "insurer.list_unreadable"
    assert "secret" not in str(refused.value)


def test_a_file_in_no_known_encoding_is_refused(register: Persons, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"\xff\xff\xff")
    with pytest.raises(Refused) as refused:
        register.import_csv(file)
    assert refused.value.kind.code == "insurer.list_unreadable"


def test_production_takes_no_sample_people() -> None:
    assert parse_list(listed(line(1)), today=TODAY, mode=Mode.SANDBOX).wrong == ()
    parsed = parse_list(listed(line(1)), today=TODAY, mode=Mode.PRODUCTION)
    assert [each.found for each in parsed.wrong] == ["a sample number"]


def test_thousands_of_lines_are_one_event_of_the_audit(register: Persons, office: Office) -> None:
    people = [f"{number(n % 1000, f'19{30 + n // 1000}0101').value}" for n in range(3_000)]
    rows = [f"{each},测试甲,310,1101,990000,1," for each in people]
    report = register.import_csv(listed(*rows))
    assert report.added == 3_000
    assert len(register.by_last_digits(people[0][-4:])) >= 1
    query = select(audit_store.events.c.kind)
    kinds = office.database.read(lambda connection: list(connection.scalars(query)))
    assert kinds == ["insurer.persons_imported"]


def test_people_are_found_by_the_end_of_their_number(any_register: Persons) -> None:
    register = any_register
    register.import_csv(listed(*(line(serial) for serial in range(1, 40))))
    wanted = number(7)
    for length in (4, 6, 8):
        last = wanted.value[-length:]
        expected = {
            register.by_number(number(serial))
            for serial in range(1, 40)
            if number(serial).value.endswith(last)
        }
        assert register.by_last_digits(last.lower()) == expected
    assert register.by_number(wanted) in register.by_last_digits(wanted.value[-4:])


@pytest.mark.parametrize("digits", ["", "123", "X123", "12345678X", "１２３４", "12 4"])
def test_ends_of_another_form_are_refused(register: Persons, digits: str) -> None:
    with pytest.raises(Refused) as refused:
        register.by_last_digits(digits)
    assert refused.value.kind.code == "insurer.last_digits_invalid"


def test_the_end_of_a_number_does_not_lie_on_the_disk_in_the_clear(
    register: Persons, tmp_path: Path
) -> None:
    register.import_csv(listed(line(1)))
    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("test.db*")))
    assert b"last_digits_hash" in on_disk
    assert number(1).value[-6:].encode() not in on_disk


def test_who_a_person_is_names_the_region_of_the_insurance_in_force(register: Persons) -> None:
    away = f"{number(1).value},测试甲,390,15,990100,2,"
    register.import_csv(listed(away, line(1).replace("310", "510")))
    psn_no = register.by_number(number(1))
    assert psn_no is not None
    identity = register.identity(psn_no)
    assert (identity.region, identity.name, identity.id_number) == ("990000", "测试甲", number(1))
    assert f"{identity.birth_date:%Y%m%d}" == "19550101"
    assert register.birth_date(psn_no) == identity.birth_date


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_a_refusal(text: str) -> None:
    try:
        parsed = parse_list(text, today=TODAY, mode=Mode.SANDBOX)
    except Refused:
        return
    assert parsed.people == ()


@given(st.lists(st.text(max_size=20), min_size=7, max_size=7))
def test_any_row_is_taken_or_told(cells: list[str]) -> None:
    row = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    parsed = parse_list(f"{HEADING}\n{row}\n", today=TODAY, mode=Mode.SANDBOX)
    blank = not any(cell.strip() for cell in cells)
    assert bool(parsed.wrong) is not blank
    assert parsed.people == ()
