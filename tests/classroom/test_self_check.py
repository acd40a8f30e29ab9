"""``--check``: the classroom's database and its key."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from classroom.database import open_database
from classroom.store import Tokens
from classroom.store.schema import SCHEMA
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from core.settings import Settings
from self_check import FAILED, OK, WARNING
from self_check.data import check_classroom, check_classroom_key
from self_check.run import check
from tests.classroom.running import KEY

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a classroom that was never started."""
    folder, key_file = tmp_path / "data", tmp_path / "secrets" / "encryption.key"
    return Settings(_env_file=None, data_dir=folder, encryption_key_file=key_file)  # type: ignore[call-arg]


@pytest.fixture
def used(settings: Settings) -> Path:
    """The file of a classroom with a teacher's tokens, encrypted with a key in its file."""

    async def save() -> None:
        store = SqliteStore(database, Cipher(KEY))
        await store.open()
        await store.save_tokens(7, Tokens("access", "refresh", "password"))
        await store.close()

    folder = settings.data_dir / "classroom"
    folder.mkdir(parents=True)
    key_file = settings.encryption_key_file.with_name("classroom.key")
    key_file.parent.mkdir()
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    with closing(open_database(folder)) as database:
        asyncio.run(save())
    return folder / "classroom.sqlite3"


def both(settings: Settings) -> list[str]:
    return [each(settings).state for each in (check_classroom, check_classroom_key)]


def test_not_started_yet(settings: Settings) -> None:
    """Before the first start nothing is wrong, and nothing is created."""
    results = [check_classroom(settings), check_classroom_key(settings)]
    assert [(each.state, each.detail[:37]) for each in results] == [
        (OK, "will be created at the first start" + x) for x in ("", ": /")
    ]
    assert not settings.data_dir.exists()


def test_good(settings: Settings, used: Path) -> None:
    """A database of this version and its key are fine; neither is changed."""
    before = used.read_bytes()
    assert both(settings) == [OK, OK]
    assert f"classroom_store {SCHEMA.version} of {SCHEMA.version}" in check_classroom(settings).detail
    assert used.read_bytes() == before


def test_newer_and_damaged(settings: Settings, used: Path) -> None:
    """A schema of a newer program, and a damaged file, fail."""
    with closing(sqlite3.connect(used)) as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE owner = 'classroom_store'")
        connection.commit()
    assert check_classroom(settings).state == FAILED
    used.write_bytes(b"no database" * 1000)
    teachers = settings.model_copy(
        update={"teacher_bot_token": SecretStr("1:a"), "telegram_api_url": "http://127.0.0.1:9"}
    )
    found = {each.subject: each.state for each in check(teachers)}
    assert (found["classroom"], found["classroom.key"]) == (FAILED, FAILED)


def test_keys(settings: Settings, used: Path) -> None:
    """Another key, a lost one, and one that others can read are told."""
    key_file = settings.encryption_key_file.with_name("classroom.key")
    key_file.chmod(0o644)
    assert both(settings) == [OK, WARNING]
    key_file.write_text(Fernet.generate_key().decode())
    assert both(settings) == [OK, FAILED]
    key_file.unlink()
    assert both(settings) == [OK, FAILED]
    assert not key_file.exists()
    given = settings.model_copy(update={"encryption_key": SecretStr(KEY)})
    assert both(given) == [OK, OK]
