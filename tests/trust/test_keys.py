"""Keys: made once, private, told apart from damaged and foreign ones, never given up."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.trust.keys import DevelopmentKeys, FileKeys, new_key
from shualian.trust.model import Key, KeyId

PURPOSE = "gallery.template"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def production(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    new_key(folder, PURPOSE, mode=Mode.PRODUCTION)
    return folder


def key_file(folder: Path) -> Path:
    (file,) = folder.glob("*/*.key")
    return file


def refusal_of(folder: Path) -> str:
    with pytest.raises(Refused) as refused:
        FileKeys(folder)
    return refused.value.kind.code


def test_a_key_of_256_bits_is_made_on_first_use_and_stays(folder: Path) -> None:
    made = DevelopmentKeys(folder).current(PURPOSE)
    assert len(made.secret) == 32
    again = DevelopmentKeys(folder).current(PURPOSE)
    assert (again.id, again.secret) == (made.id, made.secret)
    assert DevelopmentKeys(folder).current("other.purpose").secret != made.secret


def test_the_files_are_for_their_owner_only(folder: Path) -> None:
    DevelopmentKeys(folder).current(PURPOSE)
    modes = {
        path.relative_to(folder).parts: stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }
    file = key_file(folder).relative_to(folder).parts
    assert modes == {(): 0o700, (PURPOSE,): 0o700, file: 0o600}


def test_threads_and_processes_that_come_first_together_get_one_key(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from shualian.trust.keys import DevelopmentKeys;"
        f"print(DevelopmentKeys(Path(sys.argv[1])).current({PURPOSE!r}).id)"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = {other.communicate()[0].strip() for other in others}
    with ThreadPoolExecutor(8) as threads:
        told |= set(threads.map(lambda _: DevelopmentKeys(folder).current(PURPOSE).id, range(16)))
    assert told == {key_file(folder).stem}


def test_after_rotation_the_new_key_is_current_and_the_old_one_still_there(folder: Path) -> None:
    keys = DevelopmentKeys(folder)
    made = [keys.current(PURPOSE).id, *(keys.rotate(PURPOSE) for _ in range(11))]
    for provider in (keys, DevelopmentKeys(folder)):
        assert provider.current(PURPOSE).id == made[-1]
        assert provider.first(PURPOSE).id == made[0]
        assert [provider.key(PURPOSE, key_id).id for key_id in made] == made
    assert [key_id[:4] for key_id in made] == [f"{number:04d}" for number in range(1, 13)]
    assert len({keys.key(PURPOSE, key_id).secret for key_id in made}) == 12


def test_rotating_before_the_first_use_makes_the_first_key(folder: Path) -> None:
    keys = DevelopmentKeys(folder)
    assert keys.rotate(PURPOSE) == keys.first(PURPOSE).id == keys.current(PURPOSE).id


def test_a_purpose_whose_folder_is_empty_gets_its_first_key(folder: Path) -> None:
    (folder / PURPOSE).mkdir(parents=True)
    assert DevelopmentKeys(folder).current(PURPOSE).number == 1


def test_unfinished_files_are_no_keys(production: Path) -> None:
    (production / PURPOSE / "0123456789abcdef.tmp").write_bytes(b"half a key")
    assert FileKeys(production).current(PURPOSE).number == 1


def test_production_reads_its_keys_and_writes_nothing(production: Path) -> None:
    before = sorted(production.rglob("*"))
    keys = FileKeys(production)
    assert keys.current(PURPOSE).id == key_file(production).stem
    for purpose in ("other.purpose", "../keys"):
        with pytest.raises(Refused, match="key_missing"):
            keys.current(purpose)
    assert sorted(production.rglob("*")) == before


def test_production_refuses_keys_of_the_sandbox_and_the_sandbox_those_of_production(
    production: Path, tmp_path: Path
) -> None:
    DevelopmentKeys(tmp_path / "sandbox").current(PURPOSE)
    assert refusal_of(tmp_path / "sandbox") == "trust.key_mode_differs"
    with pytest.raises(Refused, match="key_mode_differs"):
        DevelopmentKeys(production)


def test_a_folder_that_is_not_there_is_refused(folder: Path) -> None:
    assert refusal_of(folder) == "trust.key_missing"


@pytest.mark.parametrize("bits", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
def test_a_file_that_others_can_use_is_refused(production: Path, bits: int) -> None:
    key_file(production).chmod(0o600 | bits)
    assert refusal_of(production) == "trust.key_exposed"


@pytest.mark.parametrize("bits", [0o020, 0o002])
@pytest.mark.parametrize("name", ["", PURPOSE])
def test_a_folder_in_which_others_can_put_keys_is_refused(
    production: Path, name: str, bits: int
) -> None:
    (production / name).chmod(0o700 | bits)
    assert refusal_of(production) == "trust.key_exposed"


def test_a_key_with_any_bit_flipped_is_refused(production: Path) -> None:
    file = key_file(production)
    whole = file.read_bytes()
    for place in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        assert refusal_of(production) == "trust.key_damaged"
    file.write_bytes(whole)
    FileKeys(production)


@pytest.mark.parametrize("content", [b"", b"\n\n\n\n", b"\xff" * 200, b"x" * 10_000])
def test_a_file_that_is_no_key_is_refused(production: Path, content: bytes) -> None:
    key_file(production).write_bytes(content)
    assert refusal_of(production) == "trust.key_damaged"


def test_a_key_under_another_name_or_purpose_is_refused(production: Path) -> None:
    file = key_file(production)
    renamed = file.rename(file.with_name(f"0002{file.name[4:]}"))
    assert refusal_of(production) == "trust.key_damaged"
    (production / "other.purpose").mkdir(mode=0o700)
    moved = renamed.rename(production / "other.purpose" / file.name)
    assert refusal_of(production) == "trust.key_damaged"
    moved.rename(file)
    FileKeys(production)


def test_two_keys_of_one_number_are_refused(production: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    new_key(other, PURPOSE, mode=Mode.PRODUCTION)
    key_file(other).rename(production / PURPOSE / key_file(other).name)
    assert refusal_of(production) == "trust.key_damaged"


def test_without_the_first_key_it_is_missed_and_the_current_one_serves(production: Path) -> None:
    first = key_file(production)
    second = new_key(production, PURPOSE, mode=Mode.PRODUCTION)
    first.unlink()
    keys = FileKeys(production)
    assert keys.current(PURPOSE).id == second
    with pytest.raises(Refused, match="key_missing"):
        keys.first(PURPOSE)
    with pytest.raises(Refused, match="key_missing"):
        keys.key(PURPOSE, KeyId(first.stem))


def test_other_things_in_the_folder_do_not_matter(production: Path) -> None:
    (production / "README").touch()
    (production / "lost+found").mkdir(mode=0o777)
    (production / PURPOSE / "note.txt").touch()
    FileKeys(production)


@pytest.mark.parametrize("purpose", ["", "..", "a/b", "Upper", "blank here", "x" * 65, "键"])
def test_only_plain_names_are_purposes(folder: Path, purpose: str) -> None:
    with pytest.raises(ValueError, match="purpose"):
        DevelopmentKeys(folder).current(purpose)
    assert list(folder.iterdir()) == []


def test_a_key_never_shows_its_secret() -> None:
    key = Key(PURPOSE, 1, bytes(range(32)))
    assert "\\x" not in repr(key)
    assert bytes(range(32)).hex()[:8] not in repr(key) + key.id


@pytest.mark.parametrize(("number", "secret"), [(0, bytes(32)), (1, bytes(31)), (1, bytes(33))])
def test_a_key_of_another_size_cannot_be_made(number: int, secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Key(PURPOSE, number, secret)


def test_the_name_of_a_key_is_pinned() -> None:
    """Names stand in sealed content for years, so how they are made must not change."""
    assert Key(PURPOSE, 1, bytes(range(32))).id == "0001-f21235c5"
