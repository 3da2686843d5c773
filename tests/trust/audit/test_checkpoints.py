"""The second place: lines are added whole, kept in order, and never lost."""

import os
import stat
import threading
from pathlib import Path

import pytest

from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.refusals import Refused
from shualian.trust.audit.checkpoints import CheckpointFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "second-place"
    made.mkdir()
    return made


def test_lines_are_kept_by_chain_in_their_order(folder: Path) -> None:
    place = CheckpointFolder(folder)
    for line in (b"one", b"two", b"three"):
        place.append("insurer", line)
    place.append("hospital-h1", b"other")
    (folder / "README.txt").touch()
    (folder / "Not A Chain.jsonl").touch()
    for reader in (place, CheckpointFolder(folder)):
        assert reader.lines("insurer") == [b"one", b"two", b"three"]
        assert reader.lines("nobody") == []
        assert reader.everything() == {
            "insurer": [b"one", b"two", b"three"],
            "hospital-h1": [b"other"],
        }


def test_a_file_is_for_its_owner_and_what_is_in_it_stays(folder: Path) -> None:
    place = CheckpointFolder(folder)
    place.append("insurer", b"one")
    before = (folder / "insurer.jsonl").read_bytes()
    place.append("insurer", b"two")
    assert (folder / "insurer.jsonl").read_bytes() == before + b"two\n"
    assert stat.S_IMODE((folder / "insurer.jsonl").stat().st_mode) == 0o600


def test_what_a_power_failure_left_of_a_line_counts_for_nothing(folder: Path) -> None:
    place = CheckpointFolder(folder)
    place.append("insurer", b"one")
    with (folder / "insurer.jsonl").open("ab") as file:
        file.write(b"hal")
    assert place.lines("insurer") == [b"one"]
    place.append("insurer", b"two")
    assert place.lines("insurer") == [b"one", b"two"]


def test_threads_do_not_mix_their_lines(folder: Path) -> None:
    lines = [bytes((65 + number,)) * 3_000 for number in range(20)]
    threads = [
        threading.Thread(target=CheckpointFolder(folder).append, args=("insurer", line))
        for line in lines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(CheckpointFolder(folder).lines("insurer")) == lines


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    place = CheckpointFolder(tmp_path / "not-mounted")
    with pytest.raises(Refused, match="audit_place_unavailable"):
        place.append("insurer", b"one")
    with pytest.raises(Refused, match="audit_place_unavailable"):
        place.lines("insurer")
    with pytest.raises(Refused, match="audit_place_unavailable"):
        place.everything()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Refused, match=r"audit_place_unavailable.*Input/output error"):
        CheckpointFolder(folder).append("insurer", b"one")


def test_a_line_and_its_file_s_name_are_made_durable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def sync(descriptor: int) -> None:
        seen = os.fstat(descriptor)
        synced.append(("folder" if stat.S_ISDIR(seen.st_mode) else "file", seen.st_size))

    monkeypatch.setattr(os, "fsync", sync)
    CheckpointFolder(folder).append("insurer", b"one")
    assert synced[0] == ("file", 4)
    assert [kind for kind, _ in synced] == ["file", "folder"]


@pytest.mark.parametrize("chain", ["..", "a/b", "", "链"])
def test_a_name_that_leads_elsewhere_is_no_chain(folder: Path, chain: str) -> None:
    for use in (CheckpointFolder(folder).lines, lambda c: CheckpointFolder(folder).append(c, b"")):
        with pytest.raises(ValueError, match="name of a chain"):
            use(chain)


def test_the_second_place_is_not_reached_from_inside_a_transaction(
    folder: Path, sqlite_database: SqliteDatabase
) -> None:
    place = CheckpointFolder(folder)
    for work in (lambda _: place.append("insurer", b"one"), lambda _: place.lines("insurer")):
        with pytest.raises(WorkInTransactionError):
            sqlite_database.write(work)
    assert place.lines("insurer") == []
