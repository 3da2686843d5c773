from pathlib import Path

import pytest

from insurer.office import Office, id_number
from shualian.core.database import Database, SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.persons import store
from shualian.insurer.persons.model import Insurance, InsuranceStatus
from shualian.insurer.persons.service import Persons
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer

EMPLOYEE = Insurance("310", "1101", "990000")


def test_a_person_is_found_by_id_number_and_by_person_number(any_office: Office) -> None:
    registered = any_office.insured(1)
    any_office.insured(2)

    assert any_office.persons.find_by_id_number(id_number(1)) == registered
    assert any_office.persons.get(registered.psn_no) == registered
    assert registered.insurances == (EMPLOYEE,)


def test_an_unknown_number_finds_nobody(office: Office) -> None:
    assert office.persons.find_by_id_number(id_number(9)) is None

    with pytest.raises(Refused) as refused:
        office.persons.get(PersonNo("none"))
    assert refused.value.kind.code == "insurer.person_not_found"


def test_the_same_id_number_is_registered_once(office: Office) -> None:
    first = office.insured(1)

    with pytest.raises(Refused) as refused:
        office.insured(1)

    assert refused.value.kind.code == "insurer.already_registered"
    assert office.persons.find_by_id_number(id_number(1)) == first


def test_a_person_without_insurance_is_not_registered(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.persons.register_insured(id_number=id_number(), name="测试甲", insurances=[])

    assert refused.value.kind.code == "insurer.not_insured"
    assert office.persons.find_by_id_number(id_number()) is None


def test_several_insurances_are_kept_apart(office: Office) -> None:
    residents = Insurance("390", "15", "990100", InsuranceStatus.PAUSED)

    person = office.persons.register_insured(
        id_number=id_number(), name="测试甲", insurances=[EMPLOYEE, residents]
    )
    office.persons.set_insurance_status(
        psn_no=person.psn_no, insutype="390", status=InsuranceStatus.INSURED
    )

    renewed = Insurance("390", "15", "990100")
    assert office.persons.get(person.psn_no).insurances == (EMPLOYEE, renewed)


def test_the_status_of_an_insurance_that_nobody_has_is_not_changed(office: Office) -> None:
    person = office.insured()

    with pytest.raises(Refused) as refused:
        office.persons.set_insurance_status(
            psn_no=person.psn_no, insutype="390", status=InsuranceStatus.ENDED
        )

    assert refused.value.kind.code == "insurer.person_not_found"


def test_nothing_plain_lies_on_the_disk(tmp_path: Path) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/plain.db")
    database.create_tables(store.metadata)
    number = id_number(7)
    sealer = Sealer(DevelopmentKeys(tmp_path / "keys"))
    Persons(database=database, sealer=sealer, mode=Mode.SANDBOX).register_insured(
        id_number=number, name="欧阳测试", insurances=[EMPLOYEE]
    )

    # The log is read while the database is open: closing folds it into the file.
    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("plain.db*")))
    database.close()
    on_disk += (tmp_path / "plain.db").read_bytes()

    assert b"insured_person" in on_disk
    for plain in (number.value, "欧阳测试", number.value[6:14]):
        for encoding in ("utf-8", "utf-16-le", "gb18030"):
            assert plain.encode(encoding) not in on_disk


def test_a_sealed_name_moved_to_another_person_does_not_open(office: Office) -> None:
    victim, other = office.insured(1), office.insured(2)

    def swap(database: Database) -> None:
        table = store.insured_person
        sealed = database.read(lambda c: store.by_number(c, other.psn_no))
        assert sealed is not None
        change = table.update().where(table.c.psn_no == victim.psn_no)
        database.write(lambda c: c.execute(change.values(psn_name_sealed=sealed.psn_name_sealed)))

    swap(office.database)

    with pytest.raises(Refused) as refused:
        office.persons.get(victim.psn_no)
    assert refused.value.kind.code == "trust.seal_broken"


def test_production_takes_no_sample_person(office: Office, tmp_path: Path) -> None:
    persons = Persons(
        database=office.database,
        sealer=Sealer(DevelopmentKeys(tmp_path / "keys")),
        mode=Mode.PRODUCTION,
    )

    with pytest.raises(Refused) as refused:
        persons.register_insured(id_number=id_number(9), name="张示例", insurances=[EMPLOYEE])

    assert refused.value.kind.code == "insurer.sample_number"
