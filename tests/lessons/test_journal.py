"""The lessons' table: confirmations, notices and offers happen once."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from core.sqlite import Database
from lessons.journal import SCHEMA, LessonRow, Lessons
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


KEY, OTHER = "00000000000000aa", "00000000000000bb"
AIDA, BEN = 501, 502


@pytest.fixture
def lessons() -> Lessons:
    return Lessons(Database(":memory:", [SCHEMA]))


def see(lessons: Lessons, clock: FakeClock, key: str = KEY, student: int = AIDA) -> LessonRow:
    return lessons.seen(key, student, "2026-09-07", "Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", clock.now())


def mark(lessons: Lessons, clock: FakeClock, key: str = KEY, student: int = AIDA) -> None:
    see(lessons, clock, key, student)
    lessons.intend(key, clock.now())
    assert lessons.confirm(key, clock.now())


class TestMarks:
    def test_seen_once(self, lessons: Lessons, clock: FakeClock) -> None:
        """A lesson is added when it is first seen; seeing it again changes nothing."""
        first = see(lessons, clock)
        assert first.seen_at == "2026-09-07T04:00:00.000+00:00"
        assert (first.intended_at, first.marked_at, first.told_at, first.offered_until) == (None,) * 4
        clock.advance(60)
        assert see(lessons, clock) == first == lessons.get(KEY)
        assert lessons.get(OTHER) is None

    def test_no_mark_without_intent(self, lessons: Lessons, clock: FakeClock) -> None:
        """A mark that we did not intend is not ours: it is neither confirmed nor announced."""
        see(lessons, clock)
        assert not lessons.confirm(KEY, clock.now())
        assert not lessons.confirm(OTHER, clock.now())
        assert not lessons.claim_telling(KEY, clock.now())
        assert lessons.untold() == []

    def test_confirmed_once(self, lessons: Lessons, clock: FakeClock) -> None:
        """A mark is confirmed once, however often the page shows it."""
        see(lessons, clock)
        lessons.intend(KEY, clock.now())
        clock.advance(1.5)
        assert lessons.confirm(KEY, clock.now())
        clock.advance(20)
        assert not lessons.confirm(KEY, clock.now())
        row = lessons.get(KEY)
        assert row is not None
        assert row.marked_at == "2026-09-07T04:00:01.500+00:00"

    def test_first_intent_stays(self, lessons: Lessons, clock: FakeClock) -> None:
        """A second click keeps the time of the first intent."""
        see(lessons, clock)
        for _ in range(2):
            lessons.intend(KEY, clock.now())
            clock.advance(1)
        row = lessons.get(KEY)
        assert row is not None
        assert row.intended_at == "2026-09-07T04:00:00.000+00:00"

    def test_last_mark(self, lessons: Lessons, clock: FakeClock) -> None:
        """A student's last mark is their newest marked lesson, also if they saw others later."""
        assert lessons.last_mark(AIDA) is None
        for key in ("k1", "k2"):
            mark(lessons, clock, key)
            clock.advance(3600)
        see(lessons, clock, "k3")
        mark(lessons, clock, "k4", BEN)
        last = lessons.last_mark(AIDA)
        assert last is not None
        assert last.key == "k2"


class TestNotices:
    def test_claimed_once(self, lessons: Lessons, clock: FakeClock) -> None:
        """The "marked" notice can be claimed once, and only after the mark."""
        see(lessons, clock)
        lessons.intend(KEY, clock.now())
        assert not lessons.claim_telling(KEY, clock.now())
        lessons.confirm(KEY, clock.now())
        assert [row.key for row in lessons.untold()] == [KEY]
        assert lessons.claim_telling(KEY, clock.now())
        assert not lessons.claim_telling(KEY, clock.now())
        assert lessons.untold() == []

    def test_claim_is_part_of_the_transaction(self, clock: FakeClock) -> None:
        """A claim whose message could not be queued is rolled back, so the notice is sent later."""
        database = Database(":memory:", [SCHEMA])
        lessons = Lessons(database)
        mark(lessons, clock)

        def claim_and_fail() -> None:
            with database.transaction():
                assert lessons.claim_telling(KEY, clock.now())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            claim_and_fail()
        assert [row.key for row in lessons.untold()] == [KEY]

    @pytest.mark.parametrize("what", ["confirm", "tell", "offer", "end offer"])
    def test_many_threads(self, tmp_path: Path, clock: FakeClock, what: str) -> None:
        """Of many threads that confirm, claim, offer or end at the same time, exactly one gets True."""
        with closing(Database(tmp_path / "ledger.sqlite3", [SCHEMA])) as database:
            lessons = Lessons(database)
            see(lessons, clock)
            if what == "tell":
                mark(lessons, clock)
            elif what == "confirm":
                lessons.intend(KEY, clock.now())
            elif what == "end offer":
                lessons.claim_offer(KEY, clock.now())
            acts: dict[str, Callable[[], bool]] = {
                "confirm": lambda: lessons.confirm(KEY, clock.now()),
                "tell": lambda: lessons.claim_telling(KEY, clock.now()),
                "offer": lambda: lessons.claim_offer(KEY, clock.now()),
                "end offer": lambda: lessons.end_offer(KEY),
            }
            assert sorted(at_once(8, acts[what])) == [False] * 7 + [True]


def at_once(number: int, act: Callable[[], bool]) -> list[bool]:
    together, answers = threading.Barrier(number), list[bool]()

    def run() -> None:
        together.wait()
        answers.append(act())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class TestOffers:
    def test_one_at_a_time(self, lessons: Lessons, clock: FakeClock) -> None:
        """A lesson has one live offer at a time; after its end it may be offered again."""
        see(lessons, clock)
        until = clock.now() + timedelta(minutes=5)
        assert lessons.claim_offer(KEY, until)
        assert not lessons.claim_offer(KEY, until)
        assert lessons.end_offer(KEY)
        assert not lessons.end_offer(KEY)
        assert lessons.claim_offer(KEY, until)

    def test_of_one_or_all(self, lessons: Lessons, clock: FakeClock) -> None:
        """Live offers are found for one student or for all, with the time at which they end."""
        until = clock.now() + timedelta(minutes=5)
        for key, student in (("k1", AIDA), ("k2", BEN), ("k3", BEN)):
            see(lessons, clock, key, student)
            lessons.claim_offer(key, until)
        lessons.end_offer("k3")
        assert {row.key for row in lessons.offers()} == {"k1", "k2"}
        (row,) = lessons.offers(BEN)
        assert (row.key, row.offered_until) == ("k2", "2026-09-07T04:05:00.000+00:00")

    def test_marked_lessons_are_not_offered(self, lessons: Lessons, clock: FakeClock) -> None:
        """The "marked" notice ends the offer, and a marked lesson is never offered."""
        see(lessons, clock)
        lessons.claim_offer(KEY, clock.now())
        mark(lessons, clock)
        assert lessons.claim_telling(KEY, clock.now())
        assert lessons.offers() == []
        assert not lessons.claim_offer(KEY, clock.now())

    def test_unknown_lesson(self, lessons: Lessons, clock: FakeClock) -> None:
        """A lesson that was never seen can't be offered."""
        assert not lessons.claim_offer(KEY, clock.now())


class TestForgetting:
    def test_what_stays(self, lessons: Lessons, clock: FakeClock) -> None:
        """Of a student who leaves, only recent intended lessons stay: they must not be announced again."""
        see(lessons, clock)
        for key in ("intended", "marked", "another's"):
            see(lessons, clock, key, BEN if key == "another's" else AIDA)
        lessons.intend("intended", clock.now())
        mark(lessons, clock, "marked")
        lessons.claim_offer("intended", clock.now() + timedelta(minutes=5))
        lessons.claim_offer("another's", clock.now() + timedelta(minutes=5))
        assert lessons.forget(AIDA, "2026-09-07") == 1
        assert [key for key in (KEY, "intended", "marked", "another's") if lessons.get(key)] == [
            "intended",
            "marked",
            "another's",
        ]
        assert [row.key for row in lessons.offers()] == ["another's"]
        assert lessons.forget(AIDA, "2026-09-08") == 2
        assert lessons.get("another's") is not None

    def test_everything(self, lessons: Lessons, clock: FakeClock) -> None:
        """Without a date every lesson of the student is deleted, also a marked one of today."""
        mark(lessons, clock)
        see(lessons, clock, OTHER, BEN)
        assert lessons.forget(AIDA) == 1
        assert lessons.unknown([KEY, OTHER]) == [KEY]


def test_handed_over(lessons: Lessons, clock: FakeClock) -> None:
    """A student's new account gets their lessons; the offers on the old account's screen have ended."""
    mark(lessons, clock)
    see(lessons, clock, OTHER)
    lessons.claim_offer(OTHER, clock.now())
    lessons.hand_over(AIDA, BEN)
    last = lessons.last_mark(BEN)
    assert last is not None
    assert last.key == KEY
    assert lessons.last_mark(AIDA) is None
    assert lessons.offers() == []
    assert lessons.unknown([]) == []


def test_of_removed_students(lessons: Lessons, clock: FakeClock) -> None:
    """Lessons of people who are no students any more are deleted once they can't be on the page."""
    see(lessons, clock)
    see(lessons, clock, OTHER, BEN)
    assert lessons.forget_others([BEN], "2026-09-07") == 0
    assert lessons.forget_others([BEN], "2026-09-08") == 1
    assert [lessons.get(KEY) is None, lessons.get(OTHER) is None] == [True, False]
    assert lessons.forget_others([], "2026-09-08") == 1
