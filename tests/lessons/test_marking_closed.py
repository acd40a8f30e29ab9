"""A lesson that closed unmarked is reported with the reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.sqlite import Database
from lessons.events import CloseReason, Event
from lessons.journal import SCHEMA, LessonRow, Lessons
from lessons.marking import OpenLesson, close_reason
from portal.errors import NotPressed, PortalUnavailable
from storage import Mode
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, shows
from tests.monitor.scene import MONDAY_MORNING, Scene

pytestmark = pytest.mark.unit


def reason(scene: Scene) -> str:
    return scene.only(Event.LESSON_CLOSED).text


def test_not_pressed() -> None:
    """In manual mode the reason is that Mark Now was not pressed."""
    scene = Scene("manual")
    scene.portal.page = shows(ALGORITHMS)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert reason(scene) == CloseReason.NOT_PRESSED.value


def test_not_confirmed() -> None:
    """After clicks that were never confirmed the reason is that the portal did not confirm."""
    scene = Scene()
    scene.portal.page = shows(ALGORITHMS)
    scene.portal.clicks.extend([False] * 100)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert reason(scene) == CloseReason.NOT_CONFIRMED.value


def test_trouble() -> None:
    """If the portal was down after Mark Now was pressed, that is the reason; if it was not pressed, then not."""
    for pressed in (True, False):
        scene = Scene("manual")
        scene.portal.page = shows(ALGORITHMS)
        scene.commands.at(10, lambda scene=scene: scene.portal.show(PortalUnavailable("down")))  # type: ignore[misc]
        if pressed:
            scene.commands.at(20, lambda scene=scene: scene.monitor.mark_now(scene.key(ALGORITHMS)))  # type: ignore[misc]
        scene.commands.at(200, lambda scene=scene: scene.portal.show(NOTHING))  # type: ignore[misc]
        scene.run(600)
        assert reason(scene) == (CloseReason.TROUBLE if pressed else CloseReason.NOT_PRESSED).value


@pytest.mark.parametrize("mode", ["automatic", "manual"])
def test_while_we_were_away(mode: str) -> None:
    """A lesson that an earlier process saw open, and that is gone at the first reading, is reported as closed."""
    lessons = Lessons(Database(":memory:", [SCHEMA]))
    first = Scene("manual", lessons=lessons)
    first.portal.page = shows(ALGORITHMS, PHYSICS)
    first.run(30)
    second = Scene(mode, lessons=lessons)  # type: ignore[arg-type]
    second.portal.page = shows(PHYSICS)
    second.run(30)
    closed = second.only(Event.LESSON_CLOSED)
    assert closed.lesson is not None
    assert (closed.lesson.subject, closed.text) == ("Algorithms", CloseReason.AWAY.value)


def test_reported_before() -> None:
    """A lesson that was reported as closed is not reported again by the next process."""
    lessons = Lessons(Database(":memory:", [SCHEMA]))
    first = Scene("manual", lessons=lessons)
    first.portal.page = shows(ALGORITHMS)
    first.commands.at(30, lambda: first.portal.show(NOTHING))
    first.run(60)
    closed = first.only(Event.LESSON_CLOSED)
    assert closed.lesson is not None
    assert lessons.claim_closing(closed.lesson.key, first.clock.now())
    assert not lessons.claim_closing(closed.lesson.key, first.clock.now())
    second = Scene("manual", lessons=lessons).run(60)
    assert second.count(Event.LESSON_CLOSED) == 0


def test_marked_is_not_closed() -> None:
    """A marked lesson that disappears is not reported as closed."""
    scene = Scene()
    scene.portal.page = shows(ALGORITHMS)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert scene.count(Event.LESSON_CLOSED) == 0
    assert scene.marks == ["marked Algorithms"]


ROW = LessonRow("k", 1, "2026-09-07", "Algorithms", "", "", "2026-09-07T04:00:00.000+00:00", None, None, None, None)
INTENDED, OFFERED = replace(ROW, intended_at="2026-09-07T04:00:01.000+00:00"), replace(ROW, offered=1)
REFUSED = replace(INTENDED, unconfirmed=4, answer="Только из сети университета")


@pytest.mark.parametrize(
    ("reason", "row", "mode", "seen", "requested"),
    [
        # the button was pressed: what the page showed then
        (CloseReason.NOT_CONFIRMED, INTENDED, "automatic", {"tried": True, "still_open": True}, False),
        (CloseReason.NOT_CONFIRMED, INTENDED, "manual", {"tried": True, "still_open": True, "troubled": True}, True),
        (CloseReason.TAKEN_AWAY, INTENDED, "automatic", {"tried": True, "still_open": False}, False),
        (CloseReason.TAKEN_AWAY, INTENDED, "manual", {"tried": True, "still_open": False, "offered": True}, True),
        # it was to be pressed, but could not be
        (CloseReason.NOT_PRESSABLE, INTENDED, "automatic", {"tried": True}, False),
        (CloseReason.NOT_PRESSABLE, INTENDED, "manual", {"tried": True, "offered": True}, True),
        # an earlier process was about to press it, or had
        (CloseReason.INTERRUPTED, INTENDED, "automatic", None, False),
        (CloseReason.INTERRUPTED, INTENDED, "manual", {}, True),
        # an earlier process, which read the portal's answer
        (CloseReason.NOT_CONFIRMED, REFUSED, "automatic", None, False),
        (CloseReason.TAKEN_AWAY, REFUSED, "automatic", {"tried": True, "still_open": False}, False),
        # an offer that was not pressed, whatever else happened
        (CloseReason.NOT_PRESSED, ROW, "manual", {"offered": True}, False),
        (CloseReason.NOT_PRESSED, OFFERED, "manual", {"offered": True, "troubled": True}, False),
        (CloseReason.NOT_PRESSED, OFFERED, "manual", None, False),
        # one that was pressed
        (CloseReason.TOO_LATE, OFFERED, "manual", {"offered": True}, True),
        (CloseReason.TROUBLE, OFFERED, "manual", {"offered": True, "troubled": True}, True),
        (CloseReason.AWAY, OFFERED, "manual", None, True),
        # neither offered nor pressed
        (CloseReason.AWAY, ROW, "automatic", None, False),
        (CloseReason.AWAY, OFFERED, "automatic", None, False),
        (CloseReason.TROUBLE, ROW, "automatic", {"troubled": True}, False),
        (CloseReason.TROUBLE, ROW, "manual", {"troubled": True}, False),
        (CloseReason.TOO_SHORT, ROW, "automatic", {}, False),
        (CloseReason.TOO_SHORT, ROW, "manual", {}, False),
    ],
)
def test_reasons(reason: CloseReason, row: LessonRow, mode: Mode, seen: dict[str, Any] | None, requested: bool) -> None:
    """The reason is what really happened."""
    known = OpenLesson(ALGORITHMS, MONDAY_MORNING, **seen) if seen is not None else None
    assert close_reason(row, mode, known, requested) is reason


def test_covered_button() -> None:
    """A button that is covered at each click was never pressed, and that is the reason."""
    scene = Scene()
    scene.portal.page = shows(ALGORITHMS)
    scene.portal.clicks.extend([NotPressed("covered")] * 100)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert reason(scene) == CloseReason.NOT_PRESSABLE.value


def test_pressed_too_late() -> None:
    """Mark Now in the moment in which the lesson closes is not "not pressed"."""
    scene = Scene("manual")
    scene.portal.page = shows(ALGORITHMS)

    def both() -> None:
        scene.portal.show(NOTHING)
        scene.monitor.mark_now(scene.key(ALGORITHMS))

    scene.commands.at(30, both)
    scene.run(60)
    assert reason(scene) == CloseReason.TOO_LATE.value


@pytest.mark.parametrize("then", ["restart", "resume"])
def test_rest_is_not_reported(then: str) -> None:
    """A lesson that was open when the rest began is not reported as closed, later or by the next process."""
    until: list[datetime] = []
    scene = Scene("manual", rests_until=lambda _now: until[0] if until else None)
    scene.portal.page = shows(ALGORITHMS)

    def rest() -> None:
        until.append(scene.clock.now() + timedelta(hours=9))
        scene.monitor.look_again()

    def resume() -> None:
        until.clear()
        scene.portal.page = NOTHING
        scene.monitor.look_again()

    scene.commands.at(30, rest)
    scene.commands.at(60, resume)
    scene.run(100)
    if then == "restart":
        scene = Scene("manual", lessons=scene.lessons, begin=scene.clock.now()).run(30)
    assert scene.count(Event.LESSON_CLOSED) == 0
