"""What a copy of the database gives away: no name, account name, password, token or code."""

import logging
from pathlib import Path

import pytest

from shualian.core.database import Database, SqliteDatabase
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import unb64
from shualian.staff.store import metadata
from shualian.trust.audit import store as audit
from staff.house import NAME, PHRASE, Ward

LOGIN = "ouyang.ruolan"


def secrets_of(ward: Ward) -> list[str]:
    """Everything about one person and their ways in that nobody else may read."""
    code = ward.create(ward.chief, LOGIN)
    token = ward.by_password("doctor").token
    challenge = ward.services.sign_in.passkey_options()["challenge"]
    ward.services.sessions.resolve(token)
    return [NAME, LOGIN, PHRASE, code.code, token, challenge]


def test_no_file_of_the_database_holds_anything_personal_or_secret(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    ward = Ward(sqlite_database, tmp_path / "keys")
    texts = secrets_of(ward)
    secrets = [text.encode() for text in texts] + [unb64(text) for text in texts[-2:]]

    files = [file for file in tmp_path.glob("test.db*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    sqlite_database.close()
    content += (tmp_path / "test.db").read_bytes()

    # The search itself works: what is not secret is found.
    assert ward.chief.staff_id.encode() in content
    assert [each for each in [*secrets, b"$argon2"] if each in content] == []


def test_no_row_holds_anything_personal_or_secret(any_database: Database, tmp_path: Path) -> None:
    ward = Ward(any_database, tmp_path / "keys")
    texts = secrets_of(ward)

    tables = [*metadata.sorted_tables, audit.events]
    rows = ward.database.read(lambda c: [c.execute(table.select()).all() for table in tables])
    values = [value for table in rows for row in table for value in row]
    content = b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in values)

    assert ward.chief.staff_id.encode() in content
    assert [text for text in texts if text.encode() in content] == []
    assert [text for text in texts[-2:] if unb64(text) in content] == []


def test_nothing_personal_or_secret_is_logged_or_said_in_a_refusal_or_a_repr(
    quick_ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = secrets_of(quick_ward)
    with pytest.raises(Refused) as failed:
        quick_ward.by_password(LOGIN, PHRASE)
    with pytest.raises(Refused) as taken:
        quick_ward.create(quick_ward.chief, LOGIN)
    person = quick_ward.services.accounts.own(quick_ward.doctor)
    passkeys = quick_ward.services.credentials.passkeys(quick_ward.chief)

    said = [caplog.text, failed.value.as_json(), taken.value.as_json(), person, passkeys]
    said += [quick_ward.by_password("doctor"), quick_ward.create(quick_ward.chief, "x.y")]

    assert [each for each in secrets if each in repr(said) + str(said)] == []
