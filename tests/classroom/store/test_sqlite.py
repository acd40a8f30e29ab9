"""The store in a SQLite file: the contract, and the faults that only a file can have."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from classroom.domain.face_records import Template
from classroom.domain.sessions import Binding, CheckInStep, FaceCheck, Sheet
from classroom.health_report import health_part
from classroom.metrics import ClassroomMetrics
from classroom.store import BoundOtherwise, Store, StoreDamaged, StoreUnavailable, Tokens
from classroom.store.schema import SCHEMA
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from tests import children
from tests.classroom.store.contract import (
    ADDED_SINCE,
    TEACHER,
    StoreContract,
    after,
    check_version_2,
    check_version_3,
    check_version_4,
    check_version_6,
    opened,
)
from tests.classroom.store.contract_by_hand import ByHandContract
from tests.servers import ROOT

pytestmark = pytest.mark.integration


KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield an open, empty store."""
    store = SqliteStore(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    yield store
    await store.close()


class TestSqliteStore(StoreContract, ByHandContract):
    """The contract."""


async def test_probes_of_health(store: Store) -> None:
    """A probe takes nothing away: two in a row report the same figures of the writes to the LMS."""
    metrics = ClassroomMetrics()
    for seconds in (0.1, 0.2, 0.3, 4):
        metrics.lms_write_seconds.observe(seconds)
    first, second = [await health_part([], store, metrics) for _ in range(2)]
    assert first == second
    assert first.counts["lms_seconds"] == {"median": 0.25, "p95": 4.5, "max": 5}


async def test_over_a_restart(tmp_path: Path) -> None:
    """Data survive closing and opening, in a file only its owner can read, which contains no plain secret."""
    file = tmp_path / "store.sqlite3"
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    session = await opened(store)
    await store.save_teacher(TEACHER)
    await store.save_tokens(7, Tokens("access-canary", "refresh-canary", "password-canary"))
    await store.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"canary" not in file.read_bytes()
    again = SqliteStore(file, Cipher(KEY))
    await again.open()
    assert await again.session(session.id) == session
    assert await again.tokens(7) == Tokens("access-canary", "refresh-canary", "password-canary")
    await again.close()


async def test_closed(tmp_path: Path) -> None:
    """A closed store raises the same error as an unreachable one."""
    store = SqliteStore(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    await store.close()
    with pytest.raises((StoreUnavailable, RuntimeError)):
        await store.teacher(7)


async def test_damaged(tmp_path: Path) -> None:
    """A file that is not a database is refused and not changed."""
    file = tmp_path / "store.sqlite3"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreDamaged, match=r"store\.sqlite3"):
        await SqliteStore(file, Cipher(KEY)).open()
    assert file.read_bytes().startswith(b"no database")


async def test_newer(tmp_path: Path) -> None:
    """A schema from a newer program is refused."""
    file = tmp_path / "store.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
    connection.close()
    with pytest.raises(StoreDamaged, match="knows"):
        await SqliteStore(file, Cipher(KEY)).open()


async def test_version_1(tmp_path: Path) -> None:
    """A store of version 1, without faces, is migrated with all its data and then stores faces."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v1.sql").read_text(encoding="utf-8"))
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    assert await store.teacher(7) == TEACHER
    assert await store.tokens(7) == Tokens("a1", "r1", "p1")
    one, other = await store.check_ins("a" * 12)
    assert (one.student_id, one.step, one.distance, one.face) == ("CS-1-b00", CheckInStep.DONE, 12.25, None)
    assert (other.student_id, other.step, other.face) == ("CS-1-b01", CheckInStep.REVIEW, None)
    assert (other.asked_at, other.waited) == (None, 0.0)
    sheet = (await store.sheets("a" * 12))[0]
    assert (sheet.version, list(sheet.marks), len(sheet.roster)) == (1, ["CS-1-b00"], 2)
    assert await store.checking() == []
    asked = replace(other, step=CheckInStep.FACE, face=FaceCheck(("left", "up"), after(30)))
    assert await store.move_check_in(asked, {CheckInStep.REVIEW})
    assert await store.check_in("a" * 12, "CS-1-b01") == asked
    await store.close()
    again = SqliteStore(tmp_path / "new.sqlite3", Cipher(KEY))
    await again.open()
    await again.close()
    assert schema(file) == schema(tmp_path / "new.sqlite3")


async def test_version_2(tmp_path: Path) -> None:
    """A store whose marks are kept once a session is migrated without loss, and without marks that nobody made.

    The teacher's place stays only while the session is not over.
    """
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v2.sql").read_text(encoding="utf-8"))
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    await check_version_2(store)
    assert {each.rivals for each in await store.check_ins("a" * 12)} == {()}
    await store.close()
    new = SqliteStore(tmp_path / "new.sqlite3", Cipher(KEY))
    await new.open()
    await new.close()
    assert schema(file) == schema(tmp_path / "new.sqlite3")
    assert columns(file) == columns(tmp_path / "new.sqlite3")


async def test_version_3(tmp_path: Path) -> None:
    """In a store whose teachers were also stored with a plus each phone number has one form afterwards."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v3.sql").read_text(encoding="utf-8"))
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    await check_version_3(store)
    await store.close()
    new = SqliteStore(tmp_path / "new.sqlite3", Cipher(KEY))
    await new.open()
    await new.close()
    assert columns(file) == columns(tmp_path / "new.sqlite3")


async def test_version_4_with_deletions(tmp_path: Path) -> None:
    """Hashes of an older version get the key; IDs whose data were deleted are no longer readable, but still taken."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v4_deleted.sql").read_text(encoding="utf-8"))
    for _ in range(2):  # a second start changes nothing
        store = SqliteStore(file, Cipher(KEY))
        await store.open()
        assert await store.session_by_code("482913", after(10)) is not None
        assert await store.binding_of(2002) == Binding(2002, "CS-1-b01", after(0))
        assert not await store.claim_note("hash-1", "session/S-2/56", after(1))
        assert await store.claim_note("hash-1", "session/S-1/55", after(1))
        for lent in (Binding(2001, "S-9", after(1)), Binding(2009, "CS-1-b00", after(1))):
            with pytest.raises(BoundOtherwise):
                await store.bind(lent)
        await store.close()
    with closing(sqlite3.connect(file)) as connection:
        for table in ("bindings WHERE telegram_id IS NULL", "unbindings"):
            assert "CS-1" not in str(connection.execute(f"SELECT * FROM {table}").fetchall()).upper()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    assert await store.unbind("cs-1-B00", 7, after(60), "came back")
    assert await store.bind(Binding(2001, "CS-1-b00", after(61)))
    await store.close()


async def test_version_4(tmp_path: Path) -> None:
    """A store without the consent to the comparison, and without what rosters allow, is migrated: nothing changes."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v4.sql").read_text(encoding="utf-8"))
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    await check_version_4(store)
    assert await store.template("S-1") == Template("S-1", "local", "tag", b"sealed", after(40))
    await store.close()
    new = SqliteStore(tmp_path / "new.sqlite3", Cipher(KEY))
    await new.open()
    await new.close()
    assert columns(file) == columns(tmp_path / "new.sqlite3")


async def test_version_6(tmp_path: Path) -> None:
    """A store of the time before several lessons a day is migrated; every row stays, with the new fields' defaults."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v6.sql").read_text(encoding="utf-8"))
    before = all_rows(file)
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    expected = {table: [row | ADDED_SINCE.get(table, {}) for row in rows] for table, rows in before.items()}
    expected["marks"] = before["marks"]
    assert all_rows(file) == expected | {"schema_versions": [{"owner": SCHEMA.owner, "version": SCHEMA.version}]}
    assert min(len(rows) for table, rows in before.items() if table not in ("unbindings",)) > 0
    await check_version_6(store)
    await store.close()
    new = SqliteStore(tmp_path / "new.sqlite3", Cipher(KEY))
    await new.open()
    await new.close()
    assert (columns(file), schema(file)) == (columns(tmp_path / "new.sqlite3"), schema(tmp_path / "new.sqlite3"))


def all_rows(file: Path) -> dict[str, list[dict[str, object]]]:
    """Return all rows of each table."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in columns(file)}


def columns(file: Path) -> dict[str, list[str]]:
    """Return the columns of each table."""
    with closing(sqlite3.connect(file)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in tables}


def schema(file: Path) -> set[tuple[str, str]]:
    """Return a database's tables and indexes."""
    with closing(sqlite3.connect(file)) as connection:
        return {(kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}


@pytest.mark.ordeal
async def test_another_writer(tmp_path: Path) -> None:
    """While writing is impossible the store raises StoreUnavailable, and its data can still be read."""
    store = SqliteStore(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    session = await opened(store)
    limit = sqlite3.connect(tmp_path / "store.sqlite3")
    limit.execute("BEGIN IMMEDIATE")  # another writer that keeps its lock, such as a backup tool
    with pytest.raises(StoreUnavailable):
        await store.save_teacher(TEACHER)
    assert await store.session(session.id) == session
    limit.rollback()
    limit.close()
    await store.save_teacher(TEACHER)
    await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from tests.classroom.store.contract import a_session, mark, opened

async def main():
    store = SqliteStore(Path(sys.argv[1]), Cipher(sys.argv[2]))
    await store.open()
    session = await opened(store, a_session(batches=["CS-1"]), students=100)
    print("open", flush=True)
    for number in range(100):
        await store.mark(session.id, mark(f"CS-1-b{number:02}"), overwrite=False)
        print(number, flush=True)

asyncio.run(main())
"""


def test_killed(tmp_path: Path) -> None:
    """After a writer was killed, every acknowledged mark is stored and counted in the version."""
    file = tmp_path / "store.sqlite3"
    acknowledged = []
    with children.start(
        [sys.executable, "-c", WRITER, str(file), KEY],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            acknowledged += [int(line)] if line.strip().isdecimal() else []
            if len(acknowledged) == 20:
                writer.kill()
    assert len(acknowledged) >= 20

    async def kept() -> Sheet:
        store = SqliteStore(file, Cipher(KEY))
        await store.open()
        (sheet,) = await store.sheets("a" * 12)
        await store.close()
        return sheet

    sheet = asyncio.run(kept())
    assert len(sheet.marks) >= len(acknowledged)
    assert sheet.version == len(sheet.marks)
