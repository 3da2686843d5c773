from datetime import date
from pathlib import Path

import pytest

from shualian.core.database import Database, WorkInTransactionError
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)

TEXT = (packaged_policies() / "990000-310.toml").read_text("utf-8")


def test_an_operators_folder_is_read_and_other_files_in_it_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT.replace('"990000"', '"110000"'), "utf-8")
    (tmp_path / "notes.txt").write_text("not a policy", "utf-8")

    book = load_policies(tmp_path)

    assert book.policy_for(region="110000", insutype="310", day=date(2026, 1, 1)).illustrative


def test_the_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT, "utf-8")
    (tmp_path / "b.toml").write_text(TEXT.replace("0.80", "80"), "utf-8")

    with pytest.raises(Refused) as refused:
        load_policies(tmp_path)

    assert refused.value.details["file"] == "b.toml"


def test_the_packaged_catalogue_can_be_read() -> None:
    book = load_catalogues(packaged_catalogues())

    assert book.catalogue_for(region="990000", day=date(2026, 1, 1)).illustrative


def test_production_takes_no_illustration() -> None:
    policies = load_policies(packaged_policies(), mode=Mode.PRODUCTION)
    catalogues = load_catalogues(packaged_catalogues(), mode=Mode.PRODUCTION)

    day = date(2026, 1, 1)
    for region in ("990000", "990100"):
        for refused_by in (
            lambda region=region: policies.policy_for(region=region, insutype="310", day=day),
            lambda region=region: catalogues.catalogue_for(region=region, day=day),
        ):
            with pytest.raises(Refused) as refused:
                refused_by()
            assert refused.value.kind.code == "insurer.no_policy"


def test_production_takes_the_law_of_a_place(tmp_path: Path) -> None:
    law = TEXT.replace('"990000"', '"110000"').replace(
        "illustrative = true", "illustrative = false"
    )
    (tmp_path / "a.toml").write_text(law, "utf-8")

    book = load_policies(tmp_path, mode=Mode.PRODUCTION)

    assert book.policy_for(region="110000", insutype="310", day=date(2026, 1, 1)).version


def test_files_are_not_read_inside_a_transaction(sqlite_database: Database) -> None:
    with pytest.raises(WorkInTransactionError):
        sqlite_database.read(lambda _: load_policies(packaged_policies()))
