"""Changes of a student's rows in the tables of several owners."""

from datetime import UTC, datetime, timedelta

import pytest

from core.sqlite import Database
from lessons.journal import Lessons
from marker.tables.schema import SCHEMAS
from marker.tables.students import StudentRows, Watch, Watches
from telegram_app.move_codes import MoveCodes
from telegram_app.outbox_table import Outgoing
from telegram_app.people import People

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
AIDA, BEN, NEW = 501, 502, 503
TABLES = {
    **dict.fromkeys(("people", "steps"), "telegram_id"),
    **dict.fromkeys(("lessons", "watches", "moves"), "student"),
    **dict.fromkeys(("slots", "outgoing"), "chat_id"),
}


class Rows:
    """A database in which two students have a row in every table."""

    def __init__(self) -> None:
        self.database = Database(":memory:", SCHEMAS)
        self.people, self.lessons = People(self.database, "marker"), Lessons(self.database)
        self.watches, self.moves = Watches(self.database), MoveCodes(self.database)
        self.queue = Outgoing(self.database, "marker")
        self.student_rows = StudentRows(self.database)
        for student in (AIDA, BEN):
            self.people.set_language(student, "kk")
            self.people.set_step(student, "username", {}, NOW)
            for kind in ("seen", "intended"):
                self.lessons.seen(f"{kind} {student}", student, "2026-09-07", "Algorithms", "A. Teacher", "", NOW)
                self.lessons.claim_offer(f"{kind} {student}", NOW + timedelta(minutes=5))
            self.lessons.intend(f"intended {student}", NOW)
            self.watches.set(student, last_check=NOW)
            self.moves.make(f"CODE{student}", student, 1, NOW + timedelta(hours=1))
            self.queue.fill(student, "menu", 7)
            self.queue.add(student, 0, "send", None, {}, NOW)
            self.queue.add(student, -1, "delete", None, {}, NOW)

    def of(self, student: int) -> dict[str, int]:
        """Return how many rows of each table are a student's, if there are any."""
        counts = {
            table: self.database.read(f"SELECT count(*) FROM {table} WHERE {column} = ?", student)[0][0]
            for table, column in TABLES.items()
        }
        return {table: number for table, number in counts.items() if number}


@pytest.fixture
def rows() -> Rows:
    return Rows()


def test_forget(rows: Rows) -> None:
    """Everything of one student is deleted, except the deletion of a message that is still queued."""
    before = rows.of(BEN)
    rows.student_rows.forget(AIDA)
    assert rows.of(AIDA) == {"outgoing": 1}
    row = rows.queue.next(AIDA)
    assert row is not None
    assert row.action == "delete"
    assert rows.of(BEN) == before


def test_forget_monitoring(rows: Rows) -> None:
    """Lessons, monitoring state and move codes are deleted; a recent intent and what the chat needs stay."""
    kept = {name: n for name, n in rows.of(AIDA).items() if name not in ("watches", "moves")}
    before = rows.of(BEN)
    rows.student_rows.forget_monitoring(AIDA, "2026-09-07")
    assert rows.of(AIDA) == kept | {"lessons": 1}
    assert rows.lessons.get(f"intended {AIDA}") is not None
    assert rows.of(BEN) == before


def test_all_or_nothing(rows: Rows) -> None:
    """A deletion that fails in the middle deletes nothing."""
    before = rows.of(AIDA)

    def forget_and_fail() -> None:
        with rows.database.transaction():
            rows.student_rows.forget(AIDA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        forget_and_fail()
    assert rows.of(AIDA) == before


def test_hand_over(rows: Rows) -> None:
    """The new account gets lessons, monitoring state and language; offers, steps and the code are gone."""
    rows.watches.set(NEW, skip_date="2026-09-06")
    move = rows.moves.begin(f"CODE{AIDA}", NEW, NOW)
    assert move is not None
    rows.student_rows.hand_over(move)
    assert rows.of(NEW) == {"people": 1, "lessons": 2, "watches": 1}
    assert rows.of(AIDA) == {"people": 1, "slots": 1, "outgoing": 2}
    assert rows.people.languages()[NEW] == "kk"
    assert rows.watches.all()[NEW] == Watch(last_check=NOW)
    assert rows.lessons.offers(NEW) == []
    assert rows.moves.begun() == []


def test_no_move_without_an_account(rows: Rows) -> None:
    """A code that nobody has claimed hands nothing over."""
    move = rows.moves.get(f"CODE{AIDA}", NOW)
    assert move is not None
    with pytest.raises(ValueError, match="not begun"):
        rows.student_rows.hand_over(move)
