"""A lesson that closed unmarked is reported with the reason."""

import pytest

from core.sqlite import Database
from lessons.events import CloseReason, Event
from lessons.journal import SCHEMA, Lessons
from portal.errors import PortalUnavailable
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, shows
from tests.monitor.scene import Scene

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
