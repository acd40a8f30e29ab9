"""The database: its migrations by owner, and transactions that commit everything or nothing."""

import random
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classroom.domain.sessions import Place
from classroom.saved_rooms import SCHEMA as SAVED_ROOMS
from classroom.saved_rooms import SavedRooms
from classroom.store.schema import SCHEMA as CLASSROOM_STORE
from core.settings import ROOT
from core.sqlite import (
    ERASE_AGAIN,
    HELD,
    VERSIONS_BY_OWNER,
    Database,
    DatabaseError,
    DatabaseUnavailable,
    Schema,
    advice,
    stored_versions,
)
from lessons.journal import Lessons
from marker.tables.schema import SCHEMAS as MARKER
from telegram_app.outbox_table import Outgoing, OutgoingRow
from telegram_app.people import ConversationStep, People
from telegram_app.schema import SCHEMA as TELEGRAM_APP

pytestmark = pytest.mark.unit


FIXTURES = sorted((ROOT / "tests" / "fixtures").glob("ledger_v*.sql"))
SIDES = {"marker": MARKER, "teacher": (TELEGRAM_APP, SAVED_ROOMS), "student": (TELEGRAM_APP,)}
SHELVES = Schema("shelves", ("CREATE TABLE shelves (name TEXT);",), ("shelves",))
BOOKS = Schema("books", ("CREATE TABLE books (title TEXT);", "ALTER TABLE books ADD COLUMN year INTEGER;"), ("books",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def opened(path: Path, schemas: Sequence[Schema] = MARKER) -> "closing[Database]":
    return closing(Database(path, schemas))


def make_old(path: Path, fixture: Path) -> None:
    """Build the database that an older version left."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(fixture.read_text(encoding="utf-8"))


def schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return {(kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}


def columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table that has some, without the versions."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'schema_versions'")
        tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in found.fetchall()}
    return {name: rows for name, rows in tables.items() if rows}


def versions(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSIONS_BY_OWNER,)
        return dict(connection.execute("SELECT owner, version FROM schema_versions").fetchall())


def count(path: Path, table: str = "people") -> int:
    """Count a table's rows as another process sees them."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def add_person(database: Database, telegram_id: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO people (bot, telegram_id) VALUES ('marker', ?)", (telegram_id,))


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
        connection.execute("INSERT INTO steps VALUES ('marker', 1, ?, '{}', '')", ("x" * 100_000,))


class TestSchema:
    def test_from_nothing(self, path: Path) -> None:
        """A new database gets every owner's tables and newest version."""
        with opened(path):
            pass
        assert versions(path) == {each.owner: each.version for each in MARKER}
        assert {name for each in MARKER for name in each.tables} <= {name for _, name in schema(path)}

    def test_from_an_empty_file(self, path: Path) -> None:
        """An empty file, as a crash at the first start leaves it, is a new database."""
        path.touch()
        with opened(path) as database:
            add_person(database, 1)
        assert count(path) == 1

    def test_opened_again(self, path: Path) -> None:
        """Opening a second time changes nothing and finds everything."""
        with opened(path) as database:
            add_person(database, 1)
        before = schema(path), versions(path)
        for _ in range(2):
            with opened(path) as database:
                assert len(database.read("SELECT * FROM people")) == 1
        assert (schema(path), versions(path)) == before

    def test_newer_than_the_program(self, path: Path) -> None:
        """A newer version of one owner is refused in one line with the owner's name, and the file is unchanged."""
        Database(path, [SHELVES, replace(BOOKS, migrations=(*BOOKS.migrations, "SELECT 1;"))]).close()
        before = path.read_bytes()
        with pytest.raises(DatabaseError) as refused:
            Database(path, [SHELVES, BOOKS])
        assert str(refused.value) == "the database has schema 3 of books; this version of the program knows 2"
        assert path.read_bytes() == before

    @pytest.mark.parametrize(("layout", "known"), [(4, 3), (VERSIONS_BY_OWNER + 1, VERSIONS_BY_OWNER)])
    def test_unknown_layout(self, path: Path, layout: int, known: int) -> None:
        """A file whose version of all tables together is unknown is refused in one line."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {layout}")
        with pytest.raises(DatabaseError) as refused:
            Database(path, MARKER)
        assert str(refused.value) == f"the database has schema {layout}; this version of the program knows {known}"

    def test_no_database(self, path: Path) -> None:
        """A file that is something else is refused in one line, and unchanged."""
        path.write_bytes(b"no database " * 100)
        with pytest.raises(DatabaseError, match=r"^the database '.*' can't be opened \(file is not a database\)$"):
            Database(path, MARKER)
        assert path.read_bytes() == b"no database " * 100

    def test_no_folder(self, tmp_path: Path) -> None:
        """A path that can't be opened is refused in one line."""
        with pytest.raises(DatabaseError, match=r"^the database '.*' can't be opened \(.*\)$"):
            Database(tmp_path / "nowhere" / "ledger.sqlite3", MARKER)

    def test_modes(self, path: Path) -> None:
        """Only the owner of the files can read the database and its write-ahead log."""
        path.touch(mode=0o644)
        with opened(path) as database:
            add_person(database, 1)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert "ledger.sqlite3-wal" in modes

    def test_intents_survive_a_power_cut(self, path: Path) -> None:
        """Every commit is synced, so that an acknowledged intent survives a power cut."""
        with opened(path) as database:
            assert database.read("PRAGMA synchronous")[0][0] == 2  # FULL
            assert database.read("PRAGMA journal_mode")[0][0] == "wal"


class TestWrite:
    def test_counts_changed_rows(self, path: Path) -> None:
        """A write returns how many rows it changed."""
        with opened(path, [SHELVES]) as database:
            assert database.write("INSERT INTO shelves VALUES (?), (?)", "novels", "maps") == 2
            assert database.write("DELETE FROM shelves WHERE name = ?", "atlases") == 0

    def test_is_part_of_the_transaction_around_it(self, path: Path) -> None:
        """A write within a transaction is rolled back with it."""
        with opened(path, [SHELVES]) as database:
            with pytest.raises(DatabaseUnavailable), database.transaction():  # noqa: PT012
                database.write("INSERT INTO shelves VALUES (?)", "novels")
                database.write("INSERT INTO nothing VALUES (1)")
            assert database.read("SELECT * FROM shelves") == []


class TestOwners:
    def test_each_goes_forward_by_itself(self, path: Path) -> None:
        """An owner's new migration changes its own tables and version, and no other owner's."""
        first = replace(BOOKS, migrations=BOOKS.migrations[:1])
        with opened(path, [SHELVES, first]) as database, database.transaction() as connection:
            connection.execute("INSERT INTO books VALUES ('Emma')")
        with opened(path, [SHELVES, BOOKS]) as database:
            assert [tuple(row) for row in database.read("SELECT * FROM books")] == [("Emma", None)]
        assert versions(path) == {"shelves": 1, "books": 2}

    def test_an_owner_that_is_new(self, path: Path) -> None:
        """An owner that a file does not have yet gets its tables in it; one that is not given keeps its own."""
        with opened(path, [BOOKS]) as database, database.transaction() as connection:
            connection.execute("INSERT INTO books VALUES ('Emma', 1815)")
        Database(path, [SHELVES]).close()
        assert versions(path) == {"shelves": 1, "books": 2}
        assert count(path, "books") == 1

    def test_a_migration_that_fails(self, path: Path) -> None:
        """A migration that fails leaves tables and version as they were before it."""
        Database(path, [SHELVES, BOOKS]).close()
        broken = replace(BOOKS, migrations=(*BOOKS.migrations, "CREATE TABLE authors (name TEXT); SELECT missing;"))
        before = schema(path), versions(path)
        with pytest.raises(DatabaseError, match=r"can't be opened \(no such column: missing\)$"):
            Database(path, [SHELVES, broken])
        assert (schema(path), versions(path)) == before

    def test_an_older_program_refuses_the_file(self, path: Path) -> None:
        """The file's `user_version` is larger than any that older programs know, and they compare it at the start."""
        Database(path, MARKER).close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] > 3

    @pytest.mark.parametrize("owner", [*MARKER, SAVED_ROOMS, CLASSROOM_STORE], ids=lambda schema: schema.owner)
    def test_tables_are_named(self, path: Path, owner: Schema) -> None:
        """Every owner's schema works without the others' and names exactly the tables that its migrations make."""
        Database(path, [owner]).close()
        made = {name for kind, name in schema(path) if kind == "table" and not name.startswith("sqlite")}
        assert made == {*owner.tables, "schema_versions"}


class TestStoredVersions:
    """Versions read from a file that stays as it is, for the self-check."""

    @pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
    def test_old(self, path: Path, fixture: Path) -> None:
        """The owners' versions in a file of each old version are known, and the file is not changed."""
        make_old(path, fixture)
        before, layout = path.read_bytes(), int(fixture.stem[-1])
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            assert stored_versions(connection, MARKER) == {each.owner: each.legacy[layout] for each in MARKER}
        assert path.read_bytes() == before

    def test_current(self, path: Path) -> None:
        """A migrated file has every owner's newest version; an owner without tables in it has version 0."""
        Database(path, MARKER).close()
        with closing(sqlite3.connect(path)) as connection:
            expected = {each.owner: each.version for each in MARKER} | {"classroom": 0}
            assert stored_versions(connection, [*MARKER, SAVED_ROOMS]) == expected

    def test_newer(self, path: Path) -> None:
        """A newer version is refused with the owner's name."""
        Database(path, [BOOKS]).close()
        with closing(sqlite3.connect(path)) as connection:
            older = replace(BOOKS, migrations=BOOKS.migrations[:1])
            with pytest.raises(DatabaseError, match=r"^schema 2 of books; this version of the program knows 1$"):
                stored_versions(connection, [SHELVES, older])


class TestOldVersions:
    @pytest.mark.parametrize("side", SIDES)
    @pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
    def test_nothing_is_lost(self, path: Path, fixture: Path, side: str) -> None:
        """Every row of a file of each old version is there after the migration, also of tables that have no owner."""
        make_old(path, fixture)
        old = {name: (columns(path, name), rows) for name, rows in contents(path).items()}
        Database(path, SIDES[side]).close()
        assert set(contents(path)) == set(old)
        with closing(sqlite3.connect(path)) as connection:
            for name, (names, rows) in old.items():
                assert connection.execute(f"SELECT {', '.join(names)} FROM {name}").fetchall() == rows
        assert versions(path) == {each.owner: each.version for each in SIDES[side]}

    @pytest.mark.parametrize("side", SIDES)
    @pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
    def test_the_schema_of_a_new_file(self, path: Path, fixture: Path, side: str) -> None:
        """An emptied file of each old version gets a new file's schema: tables of other owners are dropped."""
        make_old(path, fixture)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for name in contents(path):
                connection.execute(f"DELETE FROM {name}")
        new = path.with_name("new.sqlite3")
        for each in (path, new):
            Database(each, SIDES[side]).close()
        assert schema(path) == schema(new)
        assert all(columns(path, name) == columns(new, name) for _, name in schema(new))

    def test_a_crash_before_the_first_migration(self, path: Path) -> None:
        """A file whose owners have versions, but not the newest ones yet, is migrated at the next start."""
        make_old(path, FIXTURES[0])
        Database(path, [replace(each, migrations=each.migrations[: each.legacy[1]]) for each in MARKER]).close()
        assert versions(path) == {"telegram_app": 1, "lessons": 1, "marker": 0}
        Database(path, MARKER).close()
        assert versions(path) == {each.owner: each.version for each in MARKER}
        assert count(path, "lessons") == 3

    def test_version_1(self, path: Path) -> None:
        """The rows of version 1 are read as before: people, steps, lessons with marks and offers, messages, slots."""
        make_old(path, ROOT / "tests" / "fixtures" / "ledger_v1.sql")
        with opened(path) as database:
            people, lessons, queue = People(database, "marker"), Lessons(database), Outgoing(database, "marker")
            assert people.languages() == {501: "kk"}
            assert people.unreachable() == {502}
            assert people.steps() == {
                503: ConversationStep("username", {"code": "ABCD2345"}, datetime(2026, 9, 1, 4, tzinfo=UTC))
            }
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
            queued_at = datetime(2026, 9, 1, 10, 0, 3, tzinfo=UTC)
            assert queue.next(501) == OutgoingRow(8, 501, 0, "edit", "menu", payload, queued_at)
            assert sorted(queue.chats()) == [501, 503]

    def test_lessons_before_rounds(self, path: Path) -> None:
        """Lessons of a version without rounds are in their first one; those of past days, and closed ones, are over."""
        make_old(path, ROOT / "tests" / "fixtures" / "lessons_v2.sql")
        with opened(path) as database:
            lessons = Lessons(database)
            rows = {
                key[-2:]: lessons.get(key) for key in (f"{14 * '0'}{each}" for each in ("aa", "bb", "cc", "dd", "ee"))
            }
            assert {row.round for row in rows.values() if row} == {1}
            assert {key: row.over_at is not None for key, row in rows.items() if row} == {
                "aa": True,
                "bb": True,
                "cc": False,
                "dd": False,
                "ee": True,
            }
            assert [row.key[-2:] for row in lessons.untold()] == ["cc"]
            assert [(row.key[-2:], row.offered) for row in lessons.offers()] == [("dd", 1)]
            assert [row.key[-2:] for row in lessons.recent(501, "2999-09-01")] == ["cc"]

    def test_lessons_before_answers(self, path: Path) -> None:
        """Lessons of a version that did not count clicks have none, and keep all else; clicks are counted from now."""
        make_old(path, ROOT / "tests" / "fixtures" / "lessons_v3.sql")
        with opened(path) as database:
            lessons, key = Lessons(database), f"{14 * '0'}bb"
            rows = [row for student in (501, 502) for row in lessons.recent(student, "2999-09-01")]
            assert [(row.key[-2:], row.round, row.unconfirmed, row.answer) for row in rows] == [
                ("aa", 1, 0, ""),
                ("bb", 2, 0, ""),
                ("cc", 1, 0, ""),
                ("dd", 1, 0, ""),
            ]
            assert [row.key[-2:] for row in lessons.offers()] == ["cc"]
            lessons.refused(key, "Только из сети университета")
            lessons.refused(key, "")
            row = lessons.get(key)
            assert row is not None
            assert (row.unconfirmed, row.answer) == (2, "Только из сети университета")

    def test_saved_rooms_of_version_3(self, path: Path) -> None:
        """A teacher's saved rooms of version 3 are read as before."""
        make_old(path, ROOT / "tests" / "fixtures" / "ledger_v3.sql")
        with opened(path, SIDES["teacher"]) as database:
            assert SavedRooms(database).of(7) == {
                "Room 404 & <co>": Place(43.25, 76.9, 12.5),
                "Зал": Place(43.26, 76.91, None),
            }


class TestTransactions:
    def test_commit(self, path: Path) -> None:
        """What a transaction wrote can be read by others when it ends, and not before."""
        with opened(path) as database:
            with database.transaction() as connection:
                connection.execute("INSERT INTO people (bot, telegram_id) VALUES ('marker', 1)")
                assert count(path) == 0
            assert count(path) == 1

    def test_rollback(self, path: Path) -> None:
        """An exception rolls everything back and reaches the caller."""
        with opened(path) as database:
            with pytest.raises(ZeroDivisionError):
                add_people_and_fail(database, 1)
            add_person(database, 2)
            assert [row[0] for row in database.read("SELECT telegram_id FROM people")] == [2]

    def test_nested(self, path: Path) -> None:
        """A transaction within another one is part of it: both are committed, or neither."""
        with opened(path) as database:
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
        """Another thread neither sees nor joins a transaction: it waits until that has ended."""
        with opened(path) as database:
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
        """A commit that fails rolls everything back, and the next transaction works."""
        with opened(path) as database:
            database.read("PRAGMA foreign_keys = ON")  # a deferred constraint makes the commit fail
            with database.transaction() as connection:
                connection.execute(
                    "CREATE TABLE notes (lesson TEXT REFERENCES lessons (key) DEFERRABLE INITIALLY DEFERRED)"
                )
            with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
                connection.execute("INSERT INTO notes VALUES (99)")
            add_person(database, 1)
            assert count(path) == 1
            assert count(path, "notes") == 0

    def test_full_disk(self, path: Path) -> None:
        """A write that does not fit on the disk is refused as "try again", and a smaller one works afterwards."""
        with opened(path) as database:
            pages = database.read("PRAGMA page_count")[0][0]
            database.read(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(DatabaseUnavailable, match="full"):
                add_people_and_fail(database, 1, meanwhile=lambda: add_much(database))
            assert count(path) == 0
            add_person(database, 2)
            assert count(path) == 1


WHO = 777_000_777_123
SPELLINGS = (str(WHO).encode(), WHO.to_bytes(6, "big"), b"a_student")


def remains(folder: Path) -> dict[str, int]:
    """Count, by file, what is left of a person in any byte below a folder."""
    files = {each.name: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    found = {name: sum(content.count(each) for each in SPELLINGS) for name, content in files.items()}
    return {name: number for name, number in found.items() if number}


def fill(database: Database, seed: int = 2) -> None:
    """Add rows of a person and of others, change and delete some, in an order in which SQLite moves rows."""
    chosen = random.Random(seed)
    with database.transaction() as connection:
        for number in range(3000):
            is_theirs = chosen.random() < 0.2
            who = WHO if is_theirs else 10**11 + chosen.randrange(10**9)
            name = "a_student" * chosen.randrange(1, 5) if is_theirs else "x" * chosen.randrange(50)
            connection.execute("INSERT INTO told VALUES ('marker', ?, '')", (f"{chosen.random()}:{who}:{name}",))
            row = ("marker", who, name + str(number))
            connection.execute("INSERT INTO outgoing VALUES (NULL, ?, ?, 1, 'send', NULL, ?, '')", row)
            if chosen.random() < 0.3:
                connection.execute("UPDATE told SET at = at || 'yy' WHERE key IN (SELECT key FROM told LIMIT 1)")
                connection.execute("DELETE FROM outgoing WHERE id IN (SELECT id FROM outgoing LIMIT 1 OFFSET 50)")


class TestErased:
    """Nothing of deleted rows is left in any byte of the folder."""

    @pytest.mark.parametrize("seed", range(3))
    def test_at_once(self, path: Path, seed: int) -> None:
        """After the deletion neither the file nor the write-ahead log has the person, while the database is open."""
        with opened(path) as database:
            fill(database, seed)
            assert remains(path.parent)
            People(database, "marker").forget(WHO)
            database.erase_traces()
            assert remains(path.parent) == {}

    def test_while_another_process_reads(self, path: Path) -> None:
        """While a reader needs the older state its pages stay; once it has ended they are erased."""
        now = [0.0]
        with closing(Database(path, MARKER, monotonic=lambda: now[0])) as database:
            fill(database)
            with closing(sqlite3.connect(path)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM told").fetchone()
                People(database, "marker").forget(WHO)
                database.erase_traces()
                assert remains(path.parent)
            now[0] += ERASE_AGAIN
            assert database.probe() == ""
            assert remains(path.parent) == {}

    def test_the_answer_afterwards(self, path: Path) -> None:
        """What was queued for the person after the deletion is erased by the next probes, or at the end."""
        now = [0.0]
        database = Database(path, MARKER, monotonic=lambda: now[0])
        database.erase_traces()
        for is_end in (False, True):
            database.write("INSERT INTO outgoing VALUES (NULL, 'marker', ?, 1, 'send', NULL, '', '')", WHO)
            database.write("DELETE FROM outgoing")
            assert remains(path.parent)
            now[0] += ERASE_AGAIN
            if is_end:
                database.close()
            else:
                database.probe()
                database.erase_traces()
            assert remains(path.parent) == {}

    def test_old_remains(self, path: Path) -> None:
        """What an older version deleted without erasing is erased when the file is first opened."""
        Database(path, MARKER).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as old:
            old.execute("PRAGMA secure_delete = OFF")
            old.execute("PRAGMA application_id = 0")
            rows = [(f"{number}:{WHO}",) for number in range(500)]
            old.execute("BEGIN")
            old.executemany("INSERT INTO told VALUES ('marker', ?, '')", rows)
            old.execute("DELETE FROM told")
            old.execute("COMMIT")
        assert remains(path.parent)
        with opened(path):
            assert remains(path.parent) == {}


class TestOfTheFile:
    """Damage, and other processes."""

    @pytest.mark.parametrize(
        "owners", [MARKER, (TELEGRAM_APP, SAVED_ROOMS, CLASSROOM_STORE)], ids=["marker", "classroom"]
    )
    def test_key_columns_come_first(self, path: Path, owners: Sequence[Schema]) -> None:
        """In every table WITHOUT ROWID the key's columns are the first ones: else Debian 12's SQLite finds damage."""
        Database(path, owners).close()
        with closing(sqlite3.connect(path)) as connection:
            made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
            for name, statement in made:
                if "WITHOUT ROWID" in (statement or ""):
                    found = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (name,)).fetchall()
                    key = [column for column, place in sorted(found, key=lambda each: each[1]) if place]
                    assert [column for column, _place in found[: len(key)]] == key, name
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    @pytest.mark.parametrize("page", [3, 20])
    def test_a_damaged_page(self, path: Path, page: int) -> None:
        """A page damaged in the middle of the file is noticed at the start, in one line that says what to do."""
        with opened(path) as database:
            fill(database)
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xa5" * 4096)
        before = path.read_bytes()
        with pytest.raises(DatabaseError, match=r"is damaged \(.*\): restore a backup \(bot\.py --restore\), or"):
            Database(path, MARKER)
        assert path.read_bytes() == before

    @pytest.mark.ordeal
    def test_held_for_itself(self, path: Path) -> None:
        """A program that also keeps readers out is told, at the start as well."""
        with closing(Database(path, MARKER)) as database:
            database.write("DELETE FROM told")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("CREATE TABLE of_another_program (n)")
            with pytest.raises(DatabaseError, match=r"\(database is locked\): another program holds it, end that one$"):
                Database(path, MARKER)
        assert advice(DatabaseUnavailable("the database can't be read (database is locked)")) == HELD
        assert advice(DatabaseUnavailable("the database can't be read (disk I/O error)")) == "see the log"

    def test_held_by_another_program(self, path: Path) -> None:
        """That another program holds the file is noticed without a write of ours, and told with what to do."""
        now = [0.0]
        with closing(Database(path, MARKER, monotonic=lambda: now[0])) as database:
            database.read("PRAGMA busy_timeout = 0")
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                wanted = "the database can't be written (database is locked)"
                for _ in range(2):
                    now[0] += 10
                    database.read("PRAGMA busy_timeout = 0")
                    assert database.probe() in ("", wanted)
                assert database.trouble == wanted
            assert database.probe() == ""
