"""The ledger's database: its schema, and transactions that hold or leave nothing."""

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import ROOT
from core.sqlite import MIGRATIONS, Database, LedgerError, LedgerUnavailable
from lessons.journal import Lessons
from telegram_app.outbox_table import Outgoing, OutgoingRow
from telegram_app.people import People, Step

pytestmark = pytest.mark.unit


FIXTURES = sorted((ROOT / "tests" / "fixtures").glob("ledger_v*.sql"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def make_old(path: Path, fixture: Path) -> None:
    """Build the database that an older version left."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(fixture.read_text(encoding="utf-8"))


def schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return {(kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}


def count(path: Path, table: str = "people") -> int:
    """Count a table's rows as another process sees them."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def add_person(database: Database, telegram_id: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO people (telegram_id) VALUES (?)", (telegram_id,))


def add_people_and_fail(database: Database, *people: int, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Fail in the middle of a transaction."""
    with database.transaction():
        add_person(database, people[0])
        meanwhile()
        for telegram_id in people[1:]:
            add_person(database, telegram_id)
        raise ZeroDivisionError


def add_much(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO steps VALUES (1, ?, '{}', '')", ("x" * 100_000,))


class TestSchema:
    def test_from_nothing(self, path: Path) -> None:
        """A new database gets every table and the newest version's number."""
        with closing(Database(path)) as database:
            assert database.read("PRAGMA user_version")[0][0] == len(MIGRATIONS)
        assert {"people", "steps", "lessons", "outgoing", "slots"} <= {name for _, name in schema(path)}

    def test_from_an_empty_file(self, path: Path) -> None:
        """An empty file, as a crash at the first start leaves it, is a new database."""
        path.touch()
        with closing(Database(path)) as database:
            add_person(database, 1)
        assert count(path) == 1

    def test_opened_again(self, path: Path) -> None:
        """Opening again changes nothing and finds everything."""
        with closing(Database(path)) as database:
            add_person(database, 1)
        before = schema(path)
        for _ in range(2):
            with closing(Database(path)) as database:
                assert len(database.read("SELECT * FROM people")) == 1
        assert schema(path) == before

    def test_newer_than_the_program(self, path: Path) -> None:
        """A newer database is refused in one line, and is as it was."""
        with closing(Database(path)) as database:
            database.read(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        before = path.read_bytes()
        with pytest.raises(LedgerError) as refused:
            Database(path)
        assert str(refused.value) == (
            f"the ledger has schema {len(MIGRATIONS) + 1}; this version of the program knows {len(MIGRATIONS)}"
        )
        assert path.read_bytes() == before

    def test_no_database(self, path: Path) -> None:
        """A file that is something else is refused in one line, and is as it was."""
        path.write_bytes(b"no database " * 100)
        with pytest.raises(LedgerError, match=r"^the ledger '.*' can't be opened \(file is not a database\)$"):
            Database(path)
        assert path.read_bytes() == b"no database " * 100

    def test_no_folder(self, tmp_path: Path) -> None:
        """A path that can't be opened is refused in one line."""
        with pytest.raises(LedgerError, match=r"^the ledger '.*' can't be opened \(.*\)$"):
            Database(tmp_path / "nowhere" / "ledger.sqlite3")

    def test_modes(self, path: Path) -> None:
        """The database and its write-ahead log are for their owner alone."""
        path.touch(mode=0o644)
        with closing(Database(path)) as database:
            add_person(database, 1)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert "ledger.sqlite3-wal" in modes

    def test_intents_survive_a_power_cut(self, path: Path) -> None:
        """Every commit is synced: an intent that was written is there after a power cut, too."""
        with closing(Database(path)) as database:
            assert database.read("PRAGMA synchronous")[0][0] == 2  # FULL
            assert database.read("PRAGMA journal_mode")[0][0] == "wal"

    @pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
    def test_every_old_version(self, path: Path, fixture: Path) -> None:
        """A database of each old version comes to the newest schema, the same as a new one's."""
        make_old(path, fixture)
        Database(path).close()
        Database(path.with_name("new.sqlite3")).close()
        assert schema(path) == schema(path.with_name("new.sqlite3"))

    def test_version_1(self, path: Path) -> None:
        """What version 1 kept is all there: people, steps, lessons with their marks and offers, messages, slots."""
        make_old(path, ROOT / "tests" / "fixtures" / "ledger_v1.sql")
        with closing(Database(path)) as database:
            people, lessons, queue = People(database), Lessons(database), Outgoing(database, "marker")
            assert people.languages() == {501: "kk"}
            assert people.unreachable() == {502}
            assert people.steps() == {503: Step("username", {"code": "ABCD2345"}, datetime(2026, 9, 1, 4, tzinfo=UTC))}
            assert [row.subject for row in lessons.untold()] == ["Physics"]
            assert [row.subject for row in lessons.offers()] == ["Алгебра"]
            last = lessons.last_mark(501)
            assert last is not None
            assert last.key == "00000000000000bb"
            told = lessons.get("00000000000000aa")
            assert told is not None
            assert told.told_at == "2026-09-01T10:00:02.100+00:00"
            assert queue.message(501, "menu") == 70
            payload = {
                "text": "an answer",
                "buttons": [[["Start Monitoring", "menu:start", None]]],
                "message_id": None,
            }
            assert queue.next(501) == OutgoingRow(8, 501, 0, "edit", "menu", payload)
            assert sorted(queue.chats()) == [501, 503]


class TestTransactions:
    def test_commit(self, path: Path) -> None:
        """What a transaction wrote is on disk when it ends, and not before."""
        with closing(Database(path)) as database:
            with database.transaction() as connection:
                connection.execute("INSERT INTO people (telegram_id) VALUES (1)")
                assert count(path) == 0
            assert count(path) == 1

    def test_rollback(self, path: Path) -> None:
        """An exception takes everything back, and goes on to the caller."""
        with closing(Database(path)) as database:
            with pytest.raises(ZeroDivisionError):
                add_people_and_fail(database, 1)
            add_person(database, 2)
            assert [row[0] for row in database.read("SELECT telegram_id FROM people")] == [2]

    def test_nested(self, path: Path) -> None:
        """A transaction within another one is a part of it: one commit for both, or none."""
        with closing(Database(path)) as database:
            with database.transaction():
                add_person(database, 1)
                with database.transaction():
                    add_person(database, 2)
                assert count(path) == 0
            assert count(path) == 2
            with pytest.raises(ZeroDivisionError):
                add_people_and_fail(database, 3)
            assert count(path) == 2

    def test_threads(self, path: Path) -> None:
        """A thread's transaction is not seen or joined by another's, which waits for its turn."""
        with closing(Database(path)) as database:
            inside, seen = threading.Event(), list[int]()

            def other() -> None:
                inside.wait()
                seen.append(len(database.read("SELECT * FROM people")))
                add_person(database, 3)

            thread = threading.Thread(target=other)
            thread.start()
            with pytest.raises(ZeroDivisionError):
                add_people_and_fail(database, 1, 2, meanwhile=inside.set)
            thread.join()
            assert seen == [0]
            assert [row[0] for row in database.read("SELECT telegram_id FROM people")] == [3]

    def test_after_a_commit_that_failed(self, path: Path) -> None:
        """A commit that fails takes everything back, and the next transaction is a whole one again."""
        with closing(Database(path)) as database:
            database.read("PRAGMA foreign_keys = ON")  # a constraint that is looked at in the commit makes it fail
            with database.transaction() as connection:
                connection.execute(
                    "CREATE TABLE notes (person INTEGER REFERENCES people (telegram_id) DEFERRABLE INITIALLY DEFERRED)"
                )
            with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
                connection.execute("INSERT INTO notes VALUES (99)")
            add_person(database, 1)
            assert count(path) == 1
            assert count(path, "notes") == 0

    def test_full_disk(self, path: Path) -> None:
        """A database that can't grow says so, and takes what fits afterwards."""
        with closing(Database(path)) as database:
            pages = database.read("PRAGMA page_count")[0][0]
            database.read(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(LedgerUnavailable, match="full"):
                add_people_and_fail(database, 1, meanwhile=lambda: add_much(database))
            assert count(path) == 0
            add_person(database, 2)
            assert count(path) == 1
