"""A lesson that was seen open and closed unmarked is told with why."""

import pytest

from core.sqlite import Database
from lessons.events import CloseReason, Event
from lessons.journal import Lessons
from portal.errors import PortalUnavailable
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, shows
from tests.monitor.scene import Scene

pytestmark = pytest.mark.unit


def why(scene: Scene) -> str:
    return scene.only(Event.LESSON_CLOSED).text


def test_not_pressed() -> None:
    """In manual mode nobody pressed."""
    scene = Scene("manual")
    scene.portal.page = shows(ALGORITHMS)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert why(scene) == CloseReason.NOT_PRESSED.value


def test_not_confirmed() -> None:
    """Our clicks were swallowed until it closed."""
    scene = Scene()
    scene.portal.page = shows(ALGORITHMS)
    scene.portal.clicks.extend([False] * 100)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert why(scene) == CloseReason.NOT_CONFIRMED.value


def test_trouble() -> None:
    """The portal was down while it was open."""
    scene = Scene("manual")
    scene.portal.page = shows(ALGORITHMS)
    scene.commands.at(10, lambda: scene.portal.show(PortalUnavailable("down")))
    scene.commands.at(200, lambda: scene.portal.show(NOTHING))
    scene.portal.loads.clear()
    scene.run(600)
    assert why(scene) == CloseReason.TROUBLE.value


@pytest.mark.parametrize("mode", ["automatic", "manual"])
def test_while_we_were_away(mode: str) -> None:
    """What an earlier process saw open, and is gone at the first look of this one, is told."""
    lessons = Lessons(Database(":memory:"))
    first = Scene("manual", lessons=lessons)
    first.portal.page = shows(ALGORITHMS, PHYSICS)
    first.run(30)
    second = Scene(mode, lessons=lessons)  # type: ignore[arg-type]
    second.portal.page = shows(PHYSICS)
    second.run(30)
    closed = second.only(Event.LESSON_CLOSED)
    assert closed.lesson is not None
    assert (closed.lesson.subject, closed.text) == ("Algorithms", CloseReason.TROUBLE.value)


def test_told_before() -> None:
    """What was told as closed is not told by the next process again."""
    lessons = Lessons(Database(":memory:"))
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
    """A marked lesson that goes from the page was not missed."""
    scene = Scene()
    scene.portal.page = shows(ALGORITHMS)
    scene.commands.at(30, lambda: scene.portal.show(NOTHING))
    scene.run(60)
    assert scene.count(Event.LESSON_CLOSED) == 0
    assert scene.marks == ["marked Algorithms"]
