"""The classroom's one file, and the three files of older versions that it takes over."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from classroom.database import FILE, OLD_STORE, open_database
from classroom.domain.sessions import Place
from classroom.saved_rooms import SCHEMA as SAVED_ROOMS
from classroom.saved_rooms import SavedRooms
from classroom.store.schema import SCHEMA as STORE
from core.settings import ROOT
from core.sqlite import Database, DatabaseError
from telegram_app.claims import Claims
from telegram_app.outbox_table import Outgoing
from telegram_app.people import People
from telegram_app.schema import SCHEMA as TELEGRAM_APP

pytestmark = pytest.mark.unit

OLD = {"teacher.sqlite3": "ledger_v3.sql", "student.sqlite3": "ledger_v2.sql", OLD_STORE: "classroom_v1.sql"}
OWN = ("people", "steps", "outgoing", "slots", "told", "rooms")  # of a bot


def make_old(folder: Path) -> None:
    """Build the three files that an older version left; the two bots have equal keys, and rows of their own."""
    for name, fixture in OLD.items():
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript((ROOT / "tests" / "fixtures" / fixture).read_text(encoding="utf-8"))
            if name != OLD_STORE:
                connection.execute("UPDATE outgoing SET bot = ?", (name.removesuffix(".sqlite3"),))
                connection.execute("UPDATE slots SET bot = ?", (name.removesuffix(".sqlite3"),))
            connection.commit()


def rows(path: Path, table: str, columns: str = "*") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()


def numbers(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in OWN}


def test_three_files_become_one(tmp_path: Path) -> None:
    """Every row of the three older files is in the one file, each bot's as its own, and the older files are gone."""
    make_old(tmp_path)
    marks = rows(tmp_path / OLD_STORE, "marks", "session, student_id, status")
    queues = {
        bot: rows(tmp_path / f"{bot}.sqlite3", "outgoing", "chat_id, payload, action, slot, lane, bot")
        for bot in ("teacher", "student")
    }
    with closing(open_database(tmp_path)) as database:
        assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(FILE)] == []
        for bot in ("teacher", "student"):
            assert People(database, bot).languages() == {501: "kk"}
        assert set(People(database, "teacher").steps()) == {503}
        assert Claims(database, "teacher").at("opened:aaaaaaaaaaaa") is not None
        assert Outgoing(database, "teacher").message(501, "menu") == 70
        assert SavedRooms(database).of(7)["Room 404 & <co>"] == Place(43.25, 76.9, 12.5)
        assert People(database, "marker").languages() == {}
    assert rows(tmp_path / FILE, "marks", "session, student_id, status") == marks
    found = rows(tmp_path / FILE, "outgoing", "chat_id, payload, action, slot, lane, bot")
    assert sorted(map(repr, found)) == sorted(map(repr, queues["teacher"] + queues["student"]))


def test_the_order_of_a_queue_stays(tmp_path: Path) -> None:
    """Waiting messages keep their order although both bots' queues counted from the same number."""
    make_old(tmp_path)
    with closing(sqlite3.connect(tmp_path / "student.sqlite3")) as connection:
        waiting = connection.execute("SELECT payload FROM outgoing ORDER BY id").fetchall()
    open_database(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert (
            connection.execute("SELECT payload FROM outgoing WHERE bot = 'student' ORDER BY id").fetchall() == waiting
        )


def test_killed_before_the_old_file_was_deleted(tmp_path: Path) -> None:
    """An older file that is still there after its import is deleted at the next start, not imported twice."""
    make_old(tmp_path)
    kept = (tmp_path / "teacher.sqlite3").read_bytes()
    open_database(tmp_path).close()
    before = numbers(tmp_path / FILE)
    (tmp_path / "teacher.sqlite3").write_bytes(kept)
    open_database(tmp_path).close()
    assert not (tmp_path / "teacher.sqlite3").exists()
    assert numbers(tmp_path / FILE) == before


def test_an_import_that_fails(tmp_path: Path) -> None:
    """An import that fails changes nothing, keeps the older file, and is done at the next start."""
    make_old(tmp_path)
    file = tmp_path / FILE
    (tmp_path / OLD_STORE).unlink()
    Database(file, [TELEGRAM_APP, SAVED_ROOMS, STORE]).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON rooms BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(DatabaseError, match="can't be taken over"):
        open_database(tmp_path)
    assert (tmp_path / "teacher.sqlite3").exists()
    assert set(numbers(file).values()) == {0}
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TRIGGER full")
    open_database(tmp_path).close()
    assert numbers(file)["rooms"] > 0


def test_a_damaged_older_file(tmp_path: Path) -> None:
    """An older file that is no database stops the start with one line that names it."""
    (tmp_path / "student.sqlite3").write_bytes(b"no database" * 500)
    with pytest.raises(DatabaseError, match=r"student\.sqlite3"):
        open_database(tmp_path)


def test_a_new_folder(tmp_path: Path) -> None:
    """Without older files there is one new file, which only its owner can read, and opening it again is harmless."""
    for _ in range(2):
        open_database(tmp_path).close()
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    assert oct((tmp_path / FILE).stat().st_mode & 0o777) == "0o600"


def test_a_room_that_is_no_place(tmp_path: Path) -> None:
    """A saved room with impossible numbers, as after an edit of the file, is not offered."""
    with closing(open_database(tmp_path)) as database:
        rooms = SavedRooms(database)
        rooms.save(7, "good", Place(43.25, 76.9, None))
        for name, *place in (
            ("far", 143.25, 76.9, 1.0),
            ("inf", 43.25, float("inf"), 1.0),
            ("less", 43.25, 76.9, -1.0),
        ):
            database.write("INSERT INTO rooms VALUES (7, ?, ?, ?, ?)", name, *place)
        assert list(rooms.of(7)) == ["good"]


def test_order_of_rooms(tmp_path: Path) -> None:
    """Saved rooms are in the order of their names, as in every other list."""
    names = ["Room 2", "Room 11", "Абай", "Әлия", "Болат"]
    with closing(open_database(tmp_path)) as database:
        rooms = SavedRooms(database)
        for name in (*names[3:], *names[:3]):
            rooms.save(7, name, Place(43.25, 76.9, None))
        assert list(rooms.of(7)) == names
