"""What the metrics show of a monitor: its checks, its lessons and their times, the deaths of its Chromes."""

import pytest

from portal.errors import BrowserFailed, PortalUnavailable
from tests.fakes import ALGORITHMS, NOTHING, PHYSICS, shows
from tests.monitor.scene import Scene

pytestmark = pytest.mark.unit


@pytest.fixture
def scene() -> Scene:
    return Scene("automatic")


class TestChecks:
    def test_good_ones(self, scene: Scene) -> None:
        """Each check of the page counts once, loaded or not."""
        scene.portal.same.extend([None, True, True])
        scene.run(70)
        assert scene.metric("checks_total", result="ok") == 4
        assert scene.portal.count("load") == 2

    def test_portal_is_down(self, scene: Scene) -> None:
        """A failed check counts under the name of its error, which the log has, too."""
        scene.portal.page = PortalUnavailable("down")
        scene.run(30)
        assert scene.metric("checks_total", result="PortalUnavailable") == scene.portal.count("load") > 1
        assert scene.metric("checks_total", result="ok") == 0

    def test_chrome_dies(self, scene: Scene) -> None:
        """A Chrome that ends while it is used counts as a death, one that does not start does not."""
        scene.portal.opens.append(BrowserFailed("does not start"))
        scene.portal.loads.extend([BrowserFailed("is gone"), NOTHING])
        scene.run(60)
        assert scene.metric("chrome_deaths_total") == 1
        assert scene.metric("checks_total", result="BrowserFailed") == 2
        assert scene.metric("checks_total", result="ok") > 0


class TestLessons:
    def test_found_by_a_load(self, scene: Scene) -> None:
        """A lesson that a load shows opened since the check before it."""
        scene.commands.at(30, lambda: setattr(scene.portal, "page", shows(ALGORITHMS)))
        scene.run(100)
        assert scene.metric("lesson_detection_seconds_count") == 1
        assert scene.metric("lesson_detection_seconds_sum") == pytest.approx(20, abs=1)
        assert scene.metric("lessons_total", outcome="marked") == 1

    def test_nothing_new_before(self, scene: Scene) -> None:
        """An answer of the portal that it shows nothing new counts like a reading: the lesson opened after it."""
        scene.portal.same.extend([None, True, True, False])
        scene.commands.at(50, lambda: setattr(scene.portal, "page", shows(ALGORITHMS)))
        scene.run(100)
        assert scene.reported == ["marked Algorithms"]
        assert scene.metric("lesson_detection_seconds_sum") == pytest.approx(20, abs=1)

    def test_open_at_the_first_look(self, scene: Scene) -> None:
        """Of a lesson that is open at the first reading nobody knows for how long: it is not measured."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.run(100)
        assert scene.metric("lesson_detection_seconds_count") == 0
        assert scene.metric("lessons_total", outcome="marked") == 2
        assert scene.metric("lesson_mark_seconds_count", mode="automatic") == 2

    def test_time_to_the_mark(self, scene: Scene) -> None:
        """The time until the mark includes the clicks that the portal did not confirm."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False, True])
        scene.run(100)
        assert scene.metric("lesson_mark_seconds_count", mode="automatic") == 1
        assert scene.metric("lesson_mark_seconds_sum", mode="automatic") == scene.reported_at("marked Algorithms") > 0

    def test_by_the_student(self) -> None:
        """In manual mode the student's time is measured apart."""
        scene = Scene("manual")
        scene.portal.page = shows(ALGORITHMS)
        scene.commands.at(30, scene.monitor.mark_now)
        scene.run(100)
        assert scene.metric("lesson_mark_seconds_sum", mode="manual") == pytest.approx(30, abs=2)
        assert scene.metric("lesson_mark_seconds_count", mode="automatic") == 0

    @pytest.mark.parametrize(
        ("later", "outcome"), [(NOTHING, "not pressed"), (shows(marked=(ALGORITHMS,)), "elsewhere")]
    )
    def test_ends_without_our_mark(self, later: object, outcome: str) -> None:
        """A lesson that closes unmarked, or that somebody else marked, counts under its reason."""
        scene = Scene("manual")
        scene.portal.page = shows(ALGORITHMS)
        scene.commands.at(30, lambda: setattr(scene.portal, "page", later))
        scene.run(100)
        assert scene.metric("lessons_total", outcome=outcome) == 1
        assert scene.metric("lessons_total", outcome="marked") == 0
