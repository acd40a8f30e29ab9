"""A lesson that opens again is a new round, and only if a load showed it gone or disabled before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.sqlite import Database
from lessons.events import CloseReason, Event, StatusEvent
from lessons.journal import SCHEMA, LessonRow, Lessons
from lessons.marking import LessonRecords, Marking
from lessons.rounds import lessons_shown
from portal.errors import PageChanged
from portal.lessons import Click, Lesson
from portal.session import PORTAL_URL
from portal.views import Reading
from storage import Mode
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, FakeClock, shows
from tests.monitor.scene import Scene

pytestmark = pytest.mark.unit

OPEN, DISABLED = shows(ALGORITHMS), shows(marked=(ALGORITHMS,))
MODES: list[Mode] = ["automatic", "manual"]


def keys(scene: Scene) -> list[str]:
    """Return the keys of the reported lessons, each once, in order."""
    return list(dict.fromkeys(lesson.key for _, _, lesson in scene.found))


class TestRounds:
    @pytest.mark.parametrize("between", [NOTHING, DISABLED], ids=["gone", "disabled"])
    def test_four_openings(self, between: Reading) -> None:
        """Each of four openings is marked and reported once; in manual mode each is an offer of its own."""
        for mode in MODES:
            scene = Scene(mode)
            scene.portal.loads.extend([OPEN, between, between] * 4)
            scene.run(300)
            assert len(keys(scene)) == 4
            if mode == "automatic":
                assert scene.reported == ["marked Algorithms"] * 4
                assert scene.portal.count("click Algorithms") == 4

    def test_mark_now_in_the_second_round(self) -> None:
        """Mark Now marks the round for which it was pressed, and the next round is offered again."""
        scene = Scene("manual")
        scene.portal.loads.extend([OPEN, NOTHING, OPEN, DISABLED, OPEN])
        scene.commands.at(45, lambda: scene.monitor.mark_now(keys(scene)[1]))
        scene.run(90)
        assert scene.marks == ["marked Algorithms"]
        assert [lesson.key for _, status, lesson in scene.found if status == "marked"] == [keys(scene)[1]]
        assert len(keys(scene)) == 3

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("flap", [NOTHING, DISABLED], ids=["gone", "disabled"])
    def test_redraws(self, mode: Mode, flap: Reading) -> None:
        """What a redraw hides or disables for a moment is no new round: nothing is offered, marked or told again."""
        scene = Scene(mode)
        scene.portal.loads.extend([OPEN] if mode == "manual" else [OPEN, OPEN])
        for second in range(2, 30):
            scene.commands.at(second, lambda: scene.portal.show(flap))
            scene.commands.at(second + 0.4, lambda: scene.portal.show(OPEN if mode == "manual" else DISABLED))
            if mode == "automatic":
                scene.commands.at(second + 0.6, lambda: scene.portal.show(OPEN))
                scene.commands.at(second + 0.8, lambda: scene.portal.show(DISABLED))
        # loads show the truth: still open, or marked
        scene.portal.loads.extend([OPEN if mode == "manual" else DISABLED] * 100)
        scene.run(100)
        assert len(keys(scene)) == 1
        assert scene.count(Event.LESSON_CLOSED) == scene.count(Event.LESSON_MARKED_ELSEWHERE) == 0
        if mode == "automatic":
            assert scene.reported == ["marked Algorithms"]
            assert scene.portal.count("load") < 20

    def test_unchanged_is_no_load(self) -> None:
        """The portal's answer that nothing is new ends no round."""
        scene = Scene()
        scene.portal.loads.extend([OPEN, OPEN])
        scene.portal.same.extend([None, *[True] * 3])
        scene.run(75)
        row = scene.lessons.get(keys(scene)[0])
        assert row is not None
        assert row.over_at is None

    def test_enabled_again_after_our_mark(self) -> None:
        """A load that shows our mark gone in the same round: pressed again, and not told a second time."""
        scene = Scene()
        scene.portal.loads.extend([OPEN, OPEN])
        scene.run(60)
        assert scene.portal.count("click Algorithms") == 2
        assert scene.reported == ["marked Algorithms"]

    def test_mark_of_a_later_round(self) -> None:
        """A round without a confirmation stays unmarked when a later one is marked and stays on the page."""
        scene = Scene()
        scene.portal.loads.extend([OPEN, OPEN, NOTHING, OPEN, *[DISABLED] * 4])
        scene.portal.clicks.extend([False, False])
        scene.run(150)
        assert scene.reported == ["marked Algorithms"]
        assert [row.marked_at is not None for row in scene.lessons.recent(501, "")] == [False, True]

    def test_marked_elsewhere_is_settled(self) -> None:
        """A lesson marked elsewhere is reported once, also over a restart; its next round is offered."""
        scene = Scene("manual")
        scene.portal.loads.extend([OPEN, DISABLED])
        scene.run(50)
        assert scene.count(Event.LESSON_MARKED_ELSEWHERE) == 1
        assert scene.lessons.claim_closing(keys(scene)[0], scene.clock.now())
        after = Scene("manual", lessons=scene.lessons, begin=scene.clock.now())
        after.portal.loads.extend([DISABLED, OPEN])
        after.run(30)
        assert after.count(Event.LESSON_MARKED_ELSEWHERE) == 0
        assert len(keys(after)) == 1
        assert keys(after) != keys(scene)

    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("mode", MODES)
    def test_over_midnight(self, restart: bool, mode: Mode) -> None:
        """A round that is open at midnight keeps its date: no closing, no second offer, one mark."""
        begin = datetime(2026, 9, 7, 18, 59, tzinfo=UTC)  # 23:59 in Almaty
        scene = Scene(mode, begin=begin)
        scene.portal.page = OPEN
        scene.portal.clicks.extend([False] * 3)
        scene.run(30 if restart else 300)
        found, events = [*scene.found], [*scene.events]
        if restart:
            after = Scene(mode, lessons=scene.lessons, begin=begin + timedelta(minutes=3))
            after.portal.page = OPEN if mode == "manual" else DISABLED
            after.run(200)
            found, events = found + after.found, events + after.events
        assert len({lesson.key for _, _, lesson in found}) == 1
        assert not [each for each in events if each.event is Event.LESSON_CLOSED]
        assert [status for _, status, _ in found].count("marked") == (mode == "automatic")

    def test_label_with_a_ticking_number(self) -> None:
        """A label with a number that ticks, in words that nobody knows, is the same lesson at each load."""
        scene = Scene("manual")
        labels = [Lesson("Algorithms", f"A. Teacher, tick {left}", "Л3 10:00-10:50") for left in range(12, 6, -1)]
        scene.portal.loads.extend([shows(each) for each in labels])
        scene.commands.at(65, lambda: scene.monitor.mark_now())
        scene.run(75)
        assert len(keys(scene)) == 1
        assert scene.marks == ["marked Algorithms"]
        assert scene.count(Event.LESSON_CLOSED) == 0

    def test_lessons_that_differ_by_a_number(self) -> None:
        """Two lessons on the page whose labels differ by a number alone are two lessons."""
        labels = [Lesson(f"Group {number}", "A. Teacher", "") for number in (1, 2)]
        scene = Scene()
        scene.portal.loads.extend([shows(labels[0]), shows(labels[1], marked=(labels[0],))])
        scene.run(30)
        assert scene.reported == ["marked Group 1", "marked Group 2"]
        scene = Scene()
        scene.portal.loads.extend([shows(labels[0]), shows(labels[1], replace(labels[1], subject="Group 3"))])
        scene.run(30)
        assert len(keys(scene)) == 3
        scene = Scene()
        scene.portal.loads.extend([shows(replace(labels[1], subject="Group 3")), shows(*labels)])
        scene.run(30)
        assert len(keys(scene)) == 2
        assert scene.portal.count("click Group 1") == scene.portal.count("click Group 2") == 1

    def test_card_that_vanishes(self) -> None:
        """A card that vanishes with the click: the next load shows the mark, or else the reason says what is known."""
        for after, told in ((DISABLED, True), (NOTHING, False)):
            scene = Scene()
            scene.portal.loads.extend([OPEN, after])
            scene.portal.clicks.append(PageChanged("the card closed with the click"))
            scene.run(60)
            assert (scene.marks == ["marked Algorithms"]) is told
            if not told:
                assert scene.only(Event.LESSON_CLOSED).text == CloseReason.TAKEN_AWAY.value

    def test_another_account(self) -> None:
        """A round belongs to one account: the same lesson of another one is not taken for it."""
        scene = Scene()
        scene.portal.loads.extend([OPEN])
        scene.run(5)
        other = Scene(lessons=scene.lessons, username="b_student")
        other.portal.page = OPEN
        other.run(5)
        assert other.reported == ["marked Algorithms"]
        assert keys(other) != keys(scene)

    def test_cards_with_the_same_label(self) -> None:
        """Of two cards with the same label the open one counts."""
        rows = list[LessonRow]()
        cards = (*OPEN.cards, *DISABLED.cards)

        def identify(lesson: Lesson, day: date, number: int) -> Lesson:
            return lesson.identified(PORTAL_URL, "a", day, number)

        for order in (cards, cards[::-1]):
            (shown,) = lessons_shown(order, rows, identify, datetime(2026, 9, 7, 9, tzinfo=UTC), set())
            assert shown.enabled


class Killed(BaseException):
    """The process ends here (kill -9)."""


class Killer:
    """Wraps what a process does to the outside; ends it before or after the step with a given number."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def step(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any, **named: Any) -> Any:
            self.count()
            result = act(*args, **named)
            self.count()
            return result

        return acting

    def count(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed


class Portal:
    """A portal with one lesson; ``clicks`` counts the clicks on its enabled button."""

    def __init__(self) -> None:
        self.open, self.marked, self.clicks = False, False, 0

    def reading(self) -> Reading:
        return NOTHING if not self.open else DISABLED if self.marked else OPEN

    def mark(self, _lesson: Lesson) -> Click:
        self.clicks += 1
        self.marked = True
        return Click(confirmed=True)


def told_after(
    journal: Lessons, portal: Portal, script: list[str], at: int, mode: Mode
) -> tuple[list[str], list[str], list[str]]:
    """Play a script with processes of which the first is killed at a step; return the marks, offers, closings told.

    As the marker does, a mark is claimed when it is reported, or at the start of the next process; an offer and a
    closing is claimed when it is reported.
    """
    clock, marks, offers, closings = FakeClock(), list[str](), list[str](), list[str]()
    killer = Killer(at)

    def tell(key: str) -> None:
        if journal.claim_telling(key, clock.now()):
            marks.append(key)

    def begin() -> Marking:
        wrapped: Any = Lessons.__new__(Lessons)
        wrapped.__dict__ |= journal.__dict__
        for name in ("seen", "intend", "confirm", "end_round"):
            setattr(wrapped, name, killer.step(getattr(journal, name)))
        for row in journal.untold():
            tell(row.key)

        def found(_username: str, status: str, lesson: Lesson) -> None:
            killer.count()
            if status == "marked":
                tell(lesson.key)
            elif journal.claim_offer(lesson.key, clock.now() + timedelta(minutes=5)):
                offers.append(lesson.key)
            killer.count()

        def report(event: StatusEvent) -> None:
            killer.count()
            assert event.lesson is not None
            if journal.claim_closing(event.lesson.key, clock.now()):
                closings.append(event.lesson.key)
            killer.count()

        return Marking("a", mode, PORTAL_URL, LessonRecords(wrapped), clock, found, report)

    marking, client = begin(), Portal.__new__(Portal)
    client.__dict__ = portal.__dict__  # the same portal, through the wrapped click
    click: Any = client
    click.mark = killer.step(portal.mark)
    for action in script:
        if action == "open":
            portal.open, portal.marked = True, False
        elif action == "close":
            portal.open = False
        elif action == "elsewhere":
            portal.marked = True
        elif action == "press":  # the student presses the one offer that is on the screen
            for row in journal.offers()[:1]:
                journal.request(row.key, clock.now())
                marking.request(row.key)
        for _ in range(3):  # a killed process is started again, and loads the page
            clock.advance(20)
            try:
                marking.process(click, portal.reading(), loaded=True)
            except Killed:
                marking = begin()
    return marks, offers, closings


SCRIPT = ["open", "close", "open", "close", "open", "press", "close"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", range(90))
def test_killed_at_any_step(mode: Mode, at: int) -> None:
    """Killed before or after any step: each round is marked once and told once, or offered once and closed once."""
    portal, journal = Portal(), Lessons(Database(":memory:", [SCHEMA]))
    marks, offers, closings = told_after(journal, portal, SCRIPT, at, mode)
    expected = {"automatic": (3, 0, 0), "manual": (1, 3, 2)}[mode]
    assert (len(set(marks)), len(set(offers)), len(set(closings))) == expected
    assert (len(marks), len(offers), len(closings)) == expected
    assert portal.clicks == expected[0]
    assert not [row for row in journal.offers() if row.over_at]


@settings(max_examples=150)
@example(["open", "elsewhere"], 9, "manual")
@given(
    st.lists(st.sampled_from(["open", "close", "elsewhere", "press", "wait"]), max_size=12),
    st.integers(0, 120),
    st.sampled_from(MODES),
)
def test_any_course_of_events(script: list[str], at: int, mode: Mode) -> None:
    """Whatever happens on the portal, each round is told of once, and none of its offers outlives it."""
    portal, journal = Portal(), Lessons(Database(":memory:", [SCHEMA]))
    rounds, before = 0, "close"
    for action in script:
        rounds += action == "open" and before in ("close", "elsewhere")
        before = before if action in ("press", "wait") or (action, before) == ("elsewhere", "close") else action
    marks, offers, closings = told_after(journal, portal, script, at, mode)
    assert len(set(marks)) == len(marks)
    assert len(set(offers)) == len(offers)
    assert len(set(closings)) == len(closings)
    assert not set(marks) & set(closings)
    assert not [row for row in journal.offers() if row.over_at]
    if mode == "manual" and "press" not in script:
        assert len(offers) == rounds
    if mode == "automatic" and "elsewhere" not in script:
        assert len(marks) >= rounds


def test_offer_after_the_end() -> None:
    """An offer that comes late, after its round is over or closed, is not shown."""
    journal, clock = Lessons(Database(":memory:", [SCHEMA])), FakeClock()
    for key, end in (("over", journal.end_round), ("closed", journal.claim_closing)):
        journal.seen(key, 1, "2026-09-07", "Algorithms", "", "", clock.now())
        assert end(key, clock.now())
        assert not journal.claim_offer(key, clock.now())


def test_physics_is_not_touched() -> None:
    """The round of one lesson does not depend on another one."""
    scene = Scene("manual")
    both = shows(ALGORITHMS, replace(PHYSICS, minutes_left=3))
    scene.portal.loads.extend([both, shows(PHYSICS), both])
    scene.run(50)
    assert len({lesson.key for _, _, lesson in scene.found if lesson.subject == "Physics"}) == 1
    assert len({lesson.key for _, _, lesson in scene.found if lesson.subject == "Algorithms"}) == 2
