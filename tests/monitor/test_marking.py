"""Marking: each lesson is marked once and reported once, and only if the page confirmed it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sqlite import Database
from lessons.events import Event
from lessons.journal import SCHEMA, Lessons
from portal.errors import BrowserFailed, PageChanged, PortalUnavailable, SessionLost
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, LostOutcome, shows
from tests.monitor.scene import MONDAY_MORNING, Scene

pytestmark = pytest.mark.unit


@pytest.fixture
def scene() -> Scene:
    return Scene("automatic")


@pytest.fixture
def manual() -> Scene:
    return Scene("manual")


class TestAutomatic:
    def test_each_lesson_once(self, scene: Scene) -> None:
        """Each open lesson is clicked once and reported once, however often the page is loaded afterwards."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.run(200)
        assert scene.reported == ["marked Algorithms", "marked Physics"]
        assert (scene.portal.count("click Algorithms"), scene.portal.count("click Physics")) == (1, 1)
        assert scene.portal.count("load") > 9
        assert {event.event for event in scene.events} == {Event.WATCHING, Event.STOPPED}

    def test_order_of_steps(self, scene: Scene) -> None:
        """The intent is stored before the click, the confirmation before the report."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        assert scene.notes == [
            "open",
            "load",
            "intend Algorithms",
            "click Algorithms",
            "confirm Algorithms",
            "report marked Algorithms",
            "end",
        ]

    def test_reported_lesson(self, scene: Scene) -> None:
        """The reported lesson has the key under which the journal has it for this student and day."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        ((_, _, lesson),) = scene.found
        assert lesson == ALGORITHMS
        row = scene.lessons.get(lesson.key)
        assert row is not None
        assert (row.student, row.local_date, row.subject, row.teacher, row.time) == (
            501,
            "2026-09-07",
            "Algorithms",
            "A. Teacher",
            "Л27 (15:00 - 16:00)",
        )
        assert row.marked_at is not None
        assert row.told_at is None  # claimed when the message is queued

    def test_opens_between_reloads(self, scene: Scene) -> None:
        """A card that appears between reloads is marked within a second."""
        scene.commands.at(5.2, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(15)
        assert scene.reported_at("marked Algorithms") <= 6.3
        assert scene.portal.count("load") == 1

    def test_opens_with_a_reload(self, scene: Scene) -> None:
        """A card that appears with a reload is marked with that reload."""
        scene.portal.loads.extend([NOTHING, NOTHING, shows(ALGORITHMS)])
        scene.run(60)
        assert scene.marks == ["marked Algorithms"]
        assert scene.reported_at("marked Algorithms") == scene.portal.loaded_at[2]

    def test_date_is_local(self) -> None:
        """A lesson's date is in the student's zone, not the server's: one in the morning in Almaty is Monday."""
        scene = Scene(begin=datetime(2026, 9, 6, 20, 0, tzinfo=UTC))
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        row = scene.lessons.get(scene.key(ALGORITHMS))
        assert row is not None
        assert row.local_date == "2026-09-07"

    def test_same_hours_next_week(self, scene: Scene) -> None:
        """The same lesson a week later is another lesson and is marked too."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        later = Scene(lessons=scene.lessons, begin=MONDAY_MORNING + timedelta(days=7))
        later.portal.page = shows(ALGORITHMS)
        later.run(1)
        assert later.marks == ["marked Algorithms"]


class TestUnconfirmedClicks:
    def test_not_reported(self, scene: Scene) -> None:
        """A click that the page does not confirm is not reported, and is repeated until it is confirmed."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False, False])
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 3
        assert scene.reported == ["marked Algorithms"]
        assert scene.notes.index("report marked Algorithms") > scene.notes.index("confirm Algorithms")

    def test_quickly_at_first(self, scene: Scene) -> None:
        """An unconfirmed click is repeated after a second, twice, then every thirty seconds."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False] * 10)
        scene.run(70)
        assert scene.portal.loaded_at == pytest.approx([0, 1, 2, 22, 32, 52, 62], abs=0.1)
        assert scene.portal.count("click Algorithms") == 5
        assert scene.reported == []

    def test_quickly_where_the_card_came_by_itself(self, scene: Scene) -> None:
        """An unconfirmed click on a card that appeared between reloads is repeated as quickly."""
        scene.commands.at(2, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.portal.clicks.append(False)
        scene.run(10)
        assert scene.reported == ["marked Algorithms"]

    def test_shown_as_marked_later(self, scene: Scene) -> None:
        """A click that seemed ignored and was accepted is reported once, when the page shows it."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.append(False)
        scene.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,))])
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 1
        assert scene.reported == ["marked Algorithms"]

    @pytest.mark.parametrize(
        "error", [SessionLost(""), PageChanged(""), PortalUnavailable("HTTP 503"), BrowserFailed("gone")]
    )
    def test_outcome_is_lost(self, scene: Scene, error: Exception) -> None:
        """If the answer to a click is lost, the next reading decides: a marked card is not clicked again."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.portal.clicks.append(LostOutcome(error))
        scene.run(100)
        assert scene.portal.count("click Algorithms") == 1
        assert sorted(scene.reported) == ["marked Algorithms", "marked Physics"]

    def test_card_that_can_not_be_pressed(self, scene: Scene) -> None:
        """A button that stays covered is tried again and again, without reloading the page each time."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([PageChanged("covered")] * 10_000)
        scene.run(300)
        assert scene.reported == []
        assert 5 < scene.portal.count("load") < 60  # a reload each 20 s, and a few quick ones


class TestRestart:
    def test_between_click_and_confirmation(self, scene: Scene) -> None:
        """A mark whose process ended after the click is reported once at the next start, without a second click."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.click_takes = 5
        scene.run(2)
        assert scene.notes == ["open", "load", "intend Algorithms", "click Algorithms", "end"]
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(60)
        assert after.reported == ["marked Algorithms"]
        assert after.portal.count("click Algorithms") == 0

    def test_before_the_click(self, scene: Scene) -> None:
        """A lesson with an intent but without a click that reached the portal is still open and is clicked."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.click_takes = 5
        scene.run(2)
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(ALGORITHMS)
        after.run(60)
        assert after.reported == ["marked Algorithms"]
        assert after.portal.count("click Algorithms") == 1

    def test_after_the_mark(self, scene: Scene) -> None:
        """A confirmed mark is not reported again by the next process."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(2)
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(60)
        assert after.reported == []
        assert after.count(Event.LESSON_MARKED_ELSEWHERE) == 0

    def test_username_in_another_spelling(self, scene: Scene) -> None:
        """Another spelling of the account has the same lessons and the same browser profile."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(2)
        after = Scene(lessons=scene.lessons, username="A_Student@kbtu.kz")
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(2)
        assert after.reported == []
        assert after.portal.profiles == scene.portal.profiles
        assert "student" not in scene.portal.profiles[0]

    @settings(max_examples=60)
    @given(
        clicks=st.lists(
            st.sampled_from(
                [
                    True,
                    False,
                    PageChanged("covered"),
                    BrowserFailed("gone"),
                    PortalUnavailable("HTTP 503"),
                    LostOutcome(PageChanged("re-drawn")),
                    LostOutcome(SessionLost("expired")),
                    LostOutcome(BrowserFailed("gone")),
                ]
            ),
            max_size=6,
        ),
        lives=st.lists(st.floats(0.1, 40), max_size=3),
        click_takes=st.sampled_from([0.0, 0.5, 3.0]),
    )
    def test_whatever_happens(
        self, clicks: list[bool | str | Exception | LostOutcome], lives: list[float], click_takes: float
    ) -> None:
        """Through any failures and restarts each lesson is reported exactly once, if it stays open long enough."""
        lessons, page, reported = Lessons(Database(":memory:", [SCHEMA])), shows(ALGORITHMS, PHYSICS), list[str]()
        for seconds in (*lives, 600):
            scene = Scene(lessons=lessons)
            scene.portal.page, scene.portal.click_takes = page, click_takes
            scene.portal.clicks.extend(clicks)
            scene.run(seconds)
            clicks = list(scene.portal.clicks)
            assert not isinstance(scene.portal.page, Exception)
            page = scene.portal.page
            reported += scene.reported
        assert sorted(reported) == ["marked Algorithms", "marked Physics"]


class TestMarkedByOthers:
    def test_never_seen_open(self, scene: Scene) -> None:
        """A card that is already marked when it is first seen is not reported."""
        scene.portal.page = shows(marked=(ALGORITHMS,))
        scene.run(60)
        assert scene.reported == []
        assert scene.count(Event.LESSON_MARKED_ELSEWHERE) == 0

    def test_seen_open(self, manual: Scene) -> None:
        """An offered lesson that the student marks elsewhere is reported once as marked elsewhere."""
        manual.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,))])
        manual.run(100)
        assert manual.marks == []
        assert manual.only(Event.LESSON_MARKED_ELSEWHERE).lesson == ALGORITHMS
        assert manual.count(Event.LESSON_CLOSED) == 0

    def test_asked_for(self, manual: Scene) -> None:
        """Mark Now for a lesson that the student has just marked elsewhere clicks nothing and reports no mark."""
        manual.portal.page = shows(ALGORITHMS)

        def both() -> None:
            manual.portal.page = shows(marked=(ALGORITHMS,))
            manual.monitor.mark_now(manual.key(ALGORITHMS))

        manual.commands.at(5, both)
        manual.run(60)
        assert manual.marks == []
        assert manual.portal.count("click Algorithms") == 0
        assert manual.only(Event.LESSON_MARKED_ELSEWHERE).lesson == ALGORITHMS


class TestManual:
    def test_found(self, manual: Scene) -> None:
        """An open lesson is reported with its countdown and its key, and not clicked."""
        manual.portal.page = shows(ALGORITHMS)
        manual.run(10)
        assert manual.reported == ["found Algorithms"]
        ((_, _, lesson),) = manual.found
        assert (lesson.minutes_left, len(lesson.key)) == (12, 16)
        assert "click Algorithms" not in manual.notes
        row = manual.lessons.get(lesson.key)
        assert row is not None
        assert row.intended_at is None

    def test_found_again(self, manual: Scene) -> None:
        """While a lesson stays open each reload reports it again, so that it can be offered again."""
        manual.portal.page = shows(ALGORITHMS)
        manual.run(50)
        assert manual.reported == ["found Algorithms"] * 3

    def test_mark_now(self, manual: Scene) -> None:
        """Mark Now marks the lesson with this key at once, and no other."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.run(15)
        assert manual.marks == ["marked Physics"]
        assert manual.reported_at("marked Physics") == pytest.approx(5)
        assert manual.portal.count("load") == 1

    def test_mark_all_now(self, manual: Scene) -> None:
        """Mark Now without a key marks every lesson that is open."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.mark_now())
        manual.run(15)
        assert manual.marks == ["marked Algorithms", "marked Physics"]

    def test_mark_now_is_for_once(self, manual: Scene) -> None:
        """A lesson that opens after Mark Now is reported, not marked."""
        manual.portal.page = shows(ALGORITHMS)
        manual.commands.at(5, lambda: manual.monitor.mark_now())
        manual.commands.at(10, lambda: manual.portal.show(shows(PHYSICS, marked=(ALGORITHMS,))))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]
        assert "found Physics" in manual.reported

    def test_mark_now_is_not_confirmed(self, manual: Scene) -> None:
        """An unconfirmed click after Mark Now is repeated within seconds, because the student is waiting."""
        manual.portal.page = shows(ALGORITHMS)
        manual.portal.clicks.append(False)
        manual.commands.at(2, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]
        assert manual.reported_at("marked Algorithms") < 5

    def test_mark_now_while_another_one_is_marked(self, manual: Scene) -> None:
        """A second Mark Now during the first one is executed right after it."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.portal.click_takes = 3
        manual.commands.at(2, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.commands.at(4, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Physics", "marked Algorithms"]
        assert manual.reported_at("marked Algorithms") < 10

    def test_mark_now_while_the_portal_is_down(self, manual: Scene) -> None:
        """Mark Now while the portal is down is remembered until the lesson is seen again."""
        manual.portal.loads.extend([shows(ALGORITHMS), PortalUnavailable("HTTP 503"), shows(ALGORITHMS)])
        manual.commands.at(21, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]

    def test_mark_now_comes_too_late(self, manual: Scene) -> None:
        """Mark Now for a closed lesson clicks nothing, also when the lesson opens again later."""
        manual.portal.loads.extend([shows(ALGORITHMS), NOTHING, NOTHING, shows(ALGORITHMS)])
        manual.commands.at(25, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(80)
        assert manual.marks == []
        assert "click Algorithms" not in manual.notes

    def test_mark_now_of_nothing(self, manual: Scene) -> None:
        """Mark Now with an unknown key, or with nothing open, does nothing."""
        manual.commands.at(5, lambda: manual.monitor.mark_now("0123456789abcdef"))
        manual.commands.at(6, lambda: manual.monitor.mark_now())
        manual.run(60)
        assert manual.reported == []
        assert manual.count(Event.FAILED) == 0


class TestModeSwitch:
    def test_to_automatic(self, manual: Scene) -> None:
        """Switching to automatic marks the open lessons at once."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.set_mode("automatic"))
        manual.run(15)
        assert manual.marks == ["marked Algorithms", "marked Physics"]
        assert manual.reported_at("marked Algorithms") == pytest.approx(5)

    def test_to_manual(self, scene: Scene) -> None:
        """After a switch to manual the next lesson is reported, not marked."""
        scene.commands.at(5, lambda: scene.monitor.set_mode("manual"))
        scene.commands.at(10, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(15)
        assert scene.reported == ["found Algorithms"]

    def test_to_manual_with_an_open_lesson(self, scene: Scene) -> None:
        """A lesson whose click was not confirmed before the switch to manual is reported instead of clicked again."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False] * 10)
        scene.commands.at(0.5, lambda: scene.monitor.set_mode("manual"))
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 1
        assert scene.marks == []
        assert "found Algorithms" in scene.reported


class TestClosing:
    def test_lesson_closes(self, manual: Scene) -> None:
        """A lesson that disappears unmarked is reported as closed, once."""
        manual.portal.loads.extend([shows(ALGORITHMS), NOTHING])
        manual.run(100)
        assert manual.only(Event.LESSON_CLOSED).lesson == ALGORITHMS

    def test_one_of_two_closes(self, manual: Scene) -> None:
        """If one of two lessons closes, only that one is reported, and the other can still be marked."""
        manual.portal.loads.extend([shows(ALGORITHMS, PHYSICS), shows(PHYSICS)])
        manual.commands.at(30, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.run(100)
        assert manual.only(Event.LESSON_CLOSED).lesson == ALGORITHMS
        assert manual.marks == ["marked Physics"]

    def test_closes_with_the_click(self, scene: Scene) -> None:
        """A card that disappears with the click is reported as closed, not as marked."""
        scene.portal.loads.extend([shows(ALGORITHMS), NOTHING])
        scene.portal.clicks.append(PageChanged("the card closed with the click"))
        scene.run(60)
        assert scene.reported == []
        assert scene.only(Event.LESSON_CLOSED).lesson == ALGORITHMS

    def test_marked_lesson_goes_away(self, scene: Scene) -> None:
        """A marked lesson whose card disappears is not reported as closed."""
        scene.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,)), NOTHING])
        scene.run(100)
        assert scene.reported == ["marked Algorithms"]
        assert scene.count(Event.LESSON_CLOSED) == 0

    def test_portal_is_down_for_a_while(self, manual: Scene) -> None:
        """A lesson is not reported as closed because the portal is down."""
        manual.portal.loads.extend([shows(ALGORITHMS), PortalUnavailable("HTTP 503"), shows(ALGORITHMS)])
        manual.run(60)
        assert manual.count(Event.LESSON_CLOSED) == 0
