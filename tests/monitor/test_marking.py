"""What a monitor does with lessons: each is marked once, told once, and only where the page confirmed it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sqlite import Database
from lessons.events import Event
from lessons.journal import SCHEMA, Lessons
from portal.errors import BrowserFailed, PageChanged, PortalUnavailable, SessionLost
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, Taken, shows
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
        """Each open lesson is clicked once and told once, however often the page is loaded afterwards."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.run(200)
        assert scene.told == ["marked Algorithms", "marked Physics"]
        assert (scene.portal.count("click Algorithms"), scene.portal.count("click Physics")) == (1, 1)
        assert scene.portal.count("load") > 9
        assert {event.event for event in scene.events} == {Event.WATCHING, Event.STOPPED}

    def test_truth_before_talk(self, scene: Scene) -> None:
        """The intent is written before the click, the confirmation before anybody is told."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        assert scene.notes == [
            "open",
            "load",
            "intend Algorithms",
            "click Algorithms",
            "confirm Algorithms",
            "tell marked Algorithms",
            "end",
        ]

    def test_what_is_told(self, scene: Scene) -> None:
        """The lesson that is told carries its key, under which the journal has it for this student and day."""
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
        assert row.told_at is None  # claimed by who queues the message

    def test_opens_between_reloads(self, scene: Scene) -> None:
        """A card that appears by itself is marked within a second, without waiting for the reload."""
        scene.commands.at(5.2, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(15)
        assert scene.told_at("marked Algorithms") <= 6.3
        assert scene.portal.count("load") == 1

    def test_opens_with_a_reload(self, scene: Scene) -> None:
        """A card that only a reload shows is marked with the next one."""
        scene.portal.loads.extend([NOTHING, NOTHING, shows(ALGORITHMS)])
        scene.run(60)
        assert scene.marks == ["marked Algorithms"]
        assert scene.told_at("marked Algorithms") == scene.portal.loaded_at[2]

    def test_date_is_local(self) -> None:
        """A lesson's date is the student's, not the server's: one in the morning in Almaty is Monday."""
        scene = Scene(begin=datetime(2026, 9, 6, 20, 0, tzinfo=UTC))
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        row = scene.lessons.get(scene.key(ALGORITHMS))
        assert row is not None
        assert row.local_date == "2026-09-07"

    def test_same_hours_next_week(self, scene: Scene) -> None:
        """The same lesson a week later is another one, and marked as well."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(1)
        later = Scene(lessons=scene.lessons, begin=MONDAY_MORNING + timedelta(days=7))
        later.portal.page = shows(ALGORITHMS)
        later.run(1)
        assert later.marks == ["marked Algorithms"]


class TestSwallowedClicks:
    def test_not_told(self, scene: Scene) -> None:
        """A click that the page does not confirm is not told, and is tried again until it is confirmed."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False, False])
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 3
        assert scene.told == ["marked Algorithms"]
        assert scene.notes.index("tell marked Algorithms") > scene.notes.index("confirm Algorithms")

    def test_quickly_at_first(self, scene: Scene) -> None:
        """A swallowed click is tried again after a second, three times; then at the pace of the reloads."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False] * 10)
        scene.run(70)
        assert scene.portal.loaded_at == pytest.approx([0, 1, 2, 3, 23, 43, 63], abs=0.1)
        assert scene.told == []

    def test_quickly_where_the_card_came_by_itself(self, scene: Scene) -> None:
        """A swallowed click on a card that came between two reloads is tried again just as quickly."""
        scene.commands.at(2, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.portal.clicks.append(False)
        scene.run(10)
        assert scene.told == ["marked Algorithms"]

    def test_shown_as_marked_later(self, scene: Scene) -> None:
        """A click that seemed swallowed and turns out to be taken is told when the page shows it, once."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.append(False)
        scene.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,))])
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 1
        assert scene.told == ["marked Algorithms"]

    @pytest.mark.parametrize(
        "error", [SessionLost(""), PageChanged(""), PortalUnavailable("HTTP 503"), BrowserFailed("gone")]
    )
    def test_outcome_is_lost(self, scene: Scene, error: Exception) -> None:
        """Where the answer to a click is lost, the next reading decides: no second click on a marked card."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.portal.clicks.append(Taken(error))
        scene.run(100)
        assert scene.portal.count("click Algorithms") == 1
        assert sorted(scene.told) == ["marked Algorithms", "marked Physics"]

    def test_card_that_can_not_be_pressed(self, scene: Scene) -> None:
        """A button that stays covered is tried again and again, but the portal is not loaded at every chance."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([PageChanged("covered")] * 10_000)
        scene.run(300)
        assert scene.told == []
        assert 5 < scene.portal.count("load") < 60  # a reload each 20 s, and a few quick ones


class TestRestart:
    def test_between_click_and_confirmation(self, scene: Scene) -> None:
        """A process that ends after its click tells the mark at the next start, once, without a second click."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.click_takes = 5
        scene.run(2)
        assert scene.notes == ["open", "load", "intend Algorithms", "click Algorithms", "end"]
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(60)
        assert after.told == ["marked Algorithms"]
        assert after.portal.count("click Algorithms") == 0

    def test_before_the_click(self, scene: Scene) -> None:
        """An intent whose click never reached the portal is no mark: the card is still open and is clicked."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.click_takes = 5
        scene.run(2)
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(ALGORITHMS)
        after.run(60)
        assert after.told == ["marked Algorithms"]
        assert after.portal.count("click Algorithms") == 1

    def test_after_the_mark(self, scene: Scene) -> None:
        """A mark that was confirmed is not told again by the next process."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(2)
        after = Scene(lessons=scene.lessons)
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(60)
        assert after.told == []
        assert after.count(Event.LESSON_MARKED_ELSEWHERE) == 0

    def test_username_in_another_spelling(self, scene: Scene) -> None:
        """The same account, typed in another way, has the same lessons and the same browser profile."""
        scene.portal.page = shows(ALGORITHMS)
        scene.run(2)
        after = Scene(lessons=scene.lessons, username="A_Student@kbtu.kz")
        after.portal.page = shows(marked=(ALGORITHMS,))
        after.run(2)
        assert after.told == []
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
                    Taken(PageChanged("re-drawn")),
                    Taken(SessionLost("expired")),
                    Taken(BrowserFailed("gone")),
                ]
            ),
            max_size=6,
        ),
        lives=st.lists(st.floats(0.1, 40), max_size=3),
        click_takes=st.sampled_from([0.0, 0.5, 3.0]),
    )
    def test_whatever_happens(
        self, clicks: list[bool | Exception | Taken], lives: list[float], click_takes: float
    ) -> None:
        """Through any failures and restarts each lesson is told exactly once, if it stays open long enough."""
        lessons, page, told = Lessons(Database(":memory:", [SCHEMA])), shows(ALGORITHMS, PHYSICS), list[str]()
        for seconds in (*lives, 600):
            scene = Scene(lessons=lessons)
            scene.portal.page, scene.portal.click_takes = page, click_takes
            scene.portal.clicks.extend(clicks)
            scene.run(seconds)
            clicks = list(scene.portal.clicks)
            assert not isinstance(scene.portal.page, Exception)
            page = scene.portal.page
            told += scene.told
        assert sorted(told) == ["marked Algorithms", "marked Physics"]


class TestMarkedByOthers:
    def test_never_seen_open(self, scene: Scene) -> None:
        """A card that is marked already when it is first seen is nobody's news."""
        scene.portal.page = shows(marked=(ALGORITHMS,))
        scene.run(60)
        assert scene.told == []
        assert scene.count(Event.LESSON_MARKED_ELSEWHERE) == 0

    def test_seen_open(self, manual: Scene) -> None:
        """A lesson that was offered and is then marked by the student's own hand: the offer is over, told once."""
        manual.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,))])
        manual.run(100)
        assert manual.marks == []
        assert manual.only(Event.LESSON_MARKED_ELSEWHERE).lesson == ALGORITHMS
        assert manual.count(Event.LESSON_CLOSED) == 0

    def test_asked_for(self, manual: Scene) -> None:
        """Mark Now for a lesson that the student marks elsewhere meanwhile clicks nothing and claims no mark."""
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
        """An open lesson is told with its countdown and its key, and not clicked."""
        manual.portal.page = shows(ALGORITHMS)
        manual.run(10)
        assert manual.told == ["found Algorithms"]
        ((_, _, lesson),) = manual.found
        assert (lesson.minutes_left, len(lesson.key)) == (12, 16)
        assert "click Algorithms" not in manual.notes
        row = manual.lessons.get(lesson.key)
        assert row is not None
        assert row.intended_at is None

    def test_found_again(self, manual: Scene) -> None:
        """While a lesson stays open each reload tells it again, so that an offer may be made anew."""
        manual.portal.page = shows(ALGORITHMS)
        manual.run(50)
        assert manual.told == ["found Algorithms"] * 3

    def test_mark_now(self, manual: Scene) -> None:
        """Mark Now marks the lesson with this key at once, and no other."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.run(15)
        assert manual.marks == ["marked Physics"]
        assert manual.told_at("marked Physics") == pytest.approx(5)
        assert manual.portal.count("load") == 1

    def test_mark_all_now(self, manual: Scene) -> None:
        """Mark Now without a key marks every lesson that is open."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.mark_now())
        manual.run(15)
        assert manual.marks == ["marked Algorithms", "marked Physics"]

    def test_mark_now_is_for_once(self, manual: Scene) -> None:
        """A lesson that opens after Mark Now is found, not marked."""
        manual.portal.page = shows(ALGORITHMS)
        manual.commands.at(5, lambda: manual.monitor.mark_now())
        manual.commands.at(10, lambda: manual.portal.show(shows(PHYSICS, marked=(ALGORITHMS,))))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]
        assert "found Physics" in manual.told

    def test_mark_now_is_swallowed(self, manual: Scene) -> None:
        """A click that the portal swallows after Mark Now is tried again within seconds: the student is waiting."""
        manual.portal.page = shows(ALGORITHMS)
        manual.portal.clicks.append(False)
        manual.commands.at(2, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]
        assert manual.told_at("marked Algorithms") < 5

    def test_mark_now_while_another_one_is_marked(self, manual: Scene) -> None:
        """A second Mark Now that comes while the first is under way is served right after it."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.portal.click_takes = 3
        manual.commands.at(2, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.commands.at(4, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Physics", "marked Algorithms"]
        assert manual.told_at("marked Algorithms") < 10

    def test_mark_now_while_the_portal_is_down(self, manual: Scene) -> None:
        """Mark Now that comes while the portal is down is remembered until the lesson is seen again."""
        manual.portal.loads.extend([shows(ALGORITHMS), PortalUnavailable("HTTP 503"), shows(ALGORITHMS)])
        manual.commands.at(21, lambda: manual.monitor.mark_now(manual.key(ALGORITHMS)))
        manual.run(60)
        assert manual.marks == ["marked Algorithms"]

    def test_mark_now_comes_too_late(self, manual: Scene) -> None:
        """Mark Now for a lesson that has closed clicks nothing, also where the lesson opens again later."""
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
        assert manual.told == []
        assert manual.count(Event.FAILED) == 0


class TestModeSwitch:
    def test_to_automatic(self, manual: Scene) -> None:
        """Switching to automatic marks what is open at once."""
        manual.portal.page = shows(ALGORITHMS, PHYSICS)
        manual.commands.at(5, lambda: manual.monitor.set_mode("automatic"))
        manual.run(15)
        assert manual.marks == ["marked Algorithms", "marked Physics"]
        assert manual.told_at("marked Algorithms") == pytest.approx(5)

    def test_to_manual(self, scene: Scene) -> None:
        """Switching to manual holds from the next lesson on: it is found, not marked."""
        scene.commands.at(5, lambda: scene.monitor.set_mode("manual"))
        scene.commands.at(10, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(15)
        assert scene.told == ["found Algorithms"]

    def test_to_manual_with_an_open_lesson(self, scene: Scene) -> None:
        """A lesson whose click was swallowed before the switch to manual is offered instead of clicked again."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False] * 10)
        scene.commands.at(0.5, lambda: scene.monitor.set_mode("manual"))
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 1
        assert scene.marks == []
        assert "found Algorithms" in scene.told


class TestClosing:
    def test_lesson_closes(self, manual: Scene) -> None:
        """A lesson that goes away unmarked is told as closed, once."""
        manual.portal.loads.extend([shows(ALGORITHMS), NOTHING])
        manual.run(100)
        assert manual.only(Event.LESSON_CLOSED).lesson == ALGORITHMS

    def test_one_of_two_closes(self, manual: Scene) -> None:
        """Where one of two lessons closes, only that one is told, and the other can still be marked."""
        manual.portal.loads.extend([shows(ALGORITHMS, PHYSICS), shows(PHYSICS)])
        manual.commands.at(30, lambda: manual.monitor.mark_now(manual.key(PHYSICS)))
        manual.run(100)
        assert manual.only(Event.LESSON_CLOSED).lesson == ALGORITHMS
        assert manual.marks == ["marked Physics"]

    def test_closes_with_the_click(self, scene: Scene) -> None:
        """A card that closes under the click is closed, not marked."""
        scene.portal.loads.extend([shows(ALGORITHMS), NOTHING])
        scene.portal.clicks.append(PageChanged("the card closed with the click"))
        scene.run(60)
        assert scene.told == []
        assert scene.only(Event.LESSON_CLOSED).lesson == ALGORITHMS

    def test_marked_lesson_goes_away(self, scene: Scene) -> None:
        """A marked lesson whose card goes away at its end is not told as closed."""
        scene.portal.loads.extend([shows(ALGORITHMS), shows(marked=(ALGORITHMS,)), NOTHING])
        scene.run(100)
        assert scene.told == ["marked Algorithms"]
        assert scene.count(Event.LESSON_CLOSED) == 0

    def test_portal_is_down_for_a_while(self, manual: Scene) -> None:
        """A portal that is down closes no lesson."""
        manual.portal.loads.extend([shows(ALGORITHMS), PortalUnavailable("HTTP 503"), shows(ALGORITHMS)])
        manual.run(60)
        assert manual.count(Event.LESSON_CLOSED) == 0
