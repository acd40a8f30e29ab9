"""Marks that the portal refuses, sign-ins that lead nowhere: reported once, tries become rare, the end is reported."""

from datetime import datetime

import pytest

from core.sqlite import Database, DatabaseUnavailable
from lessons.events import CloseReason, Event, StatusEvent
from lessons.journal import SCHEMA, Lessons
from portal.errors import PageChanged, PortalUnavailable, SessionLost, SignInFailed
from portal.views import Reading, View
from storage import Mode
from tests.fakes import ALGORITHMS, LOGIN, NOTHING, PHYSICS, shows
from tests.monitor.scene import Scene

pytestmark = pytest.mark.unit

WORDS = "Только из сети университета"


def lasting(scene: Scene) -> list[tuple[Event, bool]]:
    """Return the events about trouble and watching, each with whether a lasting trouble is under way."""
    return [(each.event, each.lasting) for each in scene.events if each.event in (Event.TROUBLE, Event.WATCHING)]


class TestMarks:
    @pytest.mark.parametrize("mode", ["automatic", "manual"])
    def test_refused(self, mode: str) -> None:
        """The third refusal is reported at once with the words and a picture, and never again; clicks become rare."""
        scene = Scene(mode)  # type: ignore[arg-type]
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([WORDS] * 100)
        scene.commands.at(1, lambda: scene.monitor.mark_now())
        scene.run(310)
        refused = scene.only(Event.MARK_REFUSED)
        assert (refused.text, refused.lesson, refused.picture) == (WORDS, ALGORITHMS, b"a picture")
        assert next(at for at, event in scene.event_times if event is Event.MARK_REFUSED) < 5
        assert 10 <= scene.portal.count("click Algorithms") <= 13
        assert scene.portal.count("close window") == scene.portal.count("click Algorithms")
        assert scene.reported.count("found Algorithms") == (mode == "manual")

    def test_marked_after_all(self) -> None:
        """A mark that succeeds after refusals is reported as usual."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([WORDS] * 4)
        scene.run(100)
        assert scene.reported == ["marked Algorithms"]
        assert scene.count(Event.LESSON_CLOSED) == 0

    def test_closed(self) -> None:
        """A refused lesson that closes is reported with the portal's last words."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([WORDS] * 100)
        scene.commands.at(50, lambda: scene.portal.show(NOTHING))
        scene.run(100)
        closed = scene.only(Event.LESSON_CLOSED)
        assert (closed.text, closed.words) == (CloseReason.NOT_CONFIRMED.value, WORDS)

    @pytest.mark.parametrize("words", [WORDS, ""])
    def test_over_a_restart(self, words: str) -> None:
        """The next process goes on with rare clicks, and reports the closing with the words that the last one read."""
        first = Scene()
        first.portal.page = shows(ALGORITHMS)
        first.portal.clicks.extend([words or False] * 100)
        first.run(50)
        assert first.portal.count("click Algorithms") == 4
        second = Scene(lessons=first.lessons, begin=first.clock.now())
        second.portal.page = shows(ALGORITHMS)
        second.portal.clicks.extend([False] * 100)
        second.run(70)
        assert second.portal.count("click Algorithms") == 3
        assert second.only(Event.MARK_REFUSED).text == words
        third = Scene(lessons=first.lessons, begin=second.clock.now()).run(30)
        closed = third.only(Event.LESSON_CLOSED)
        reason = CloseReason.NOT_CONFIRMED if words else CloseReason.INTERRUPTED
        assert (closed.text, closed.words) == (reason.value, words)

    def test_of_another_round(self) -> None:
        """The next round of the lesson is clicked quickly again."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([WORDS] * 100)
        scene.commands.at(10, lambda: scene.portal.show(NOTHING))
        scene.commands.at(40, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(50)
        assert [row.unconfirmed for row in scene.lessons.recent(501, "")] == [3, 3]

    def test_without_an_answer(self) -> None:
        """Clicks that have no effect at all are reported the same way, without words."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([False] * 100)
        scene.run(60)
        assert scene.only(Event.MARK_REFUSED).text == ""

    @pytest.mark.parametrize(
        ("error", "picture"),
        [
            (PageChanged("covered", words=WORDS), b"a picture"),
            (SessionLost("Время сеанса истекло"), None),
            (PortalUnavailable("HTTP 503"), None),
        ],
    )
    def test_clicks_that_fail(self, error: Exception, picture: bytes | None) -> None:
        """A button that is covered, or clicks that cost the session, are reported after the third time, too."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([error] * 100)
        scene.run(100)
        refused = scene.only(Event.MARK_REFUSED)
        assert (refused.text, refused.picture) == (getattr(error, "words", ""), picture)
        assert scene.portal.count("click Algorithms") <= 6

    def test_other_lessons_go_on(self) -> None:
        """One refused lesson does not keep the other from being marked, and a window that stays costs a reload."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.portal.clicks.extend([WORDS, True])
        scene.portal.closes = False
        scene.run(0.5)
        assert scene.reported == ["marked Physics"]
        assert scene.count(Event.TROUBLE) == 0

    def test_switched_to_manual(self) -> None:
        """After a switch to manual a refused lesson is offered, and nothing is loaded more often for it."""
        scene = Scene()
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.extend([WORDS] * 100)
        scene.commands.at(10, lambda: scene.monitor.set_mode("manual"))
        scene.run(200)
        assert scene.portal.count("click Algorithms") == 3
        assert scene.portal.count("load") < 15
        assert "found Algorithms" in scene.reported


class TestWindowOnLoad:
    @pytest.mark.parametrize("below", [shows(ALGORITHMS), LOGIN, NOTHING])
    def test_is_closed(self, below: Reading) -> None:
        """An error window over lessons or the form is closed; over nothing it is trouble with its words."""
        scene = Scene()
        scene.portal.sign_ins.append(shows(ALGORITHMS))
        scene.portal.page, scene.portal.below = Reading(View.REFUSED, WORDS), below
        scene.portal.loads.extend([Reading(View.REFUSED, WORDS)] * 100)
        scene.run(0.5)
        assert scene.portal.count("close window") == 1
        if below is NOTHING:
            assert scene.only(Event.TROUBLE).text == WORDS
        else:
            assert scene.reported == ["marked Algorithms"]

    @pytest.mark.parametrize(
        ("below", "event"), [(View.BLOCKED, Event.BLOCKED), (View.PASSWORD_EXPIRED, Event.PASSWORD_EXPIRED)]
    )
    def test_over_the_end(self, below: View, event: Event) -> None:
        """What ends the monitoring ends it below a window, too."""
        scene = Scene()
        scene.portal.page, scene.portal.below = Reading(View.REFUSED, WORDS), Reading(below, "Обратитесь в деканат")
        scene.run(5)
        assert [each.event for each in scene.events] == [event]


class TestSignIns:
    @pytest.mark.parametrize("words", ["", "Сервер перегружен"])
    def test_do_nothing(self, words: str) -> None:
        """After three sign-ins in a row the trouble is reported as lasting, with a picture; a day has few tries."""
        scene = Scene()
        scene.portal.page = LOGIN
        scene.portal.sign_ins.extend([SignInFailed("the login form did nothing", words=words)] * 1000)
        scene.portal.loads.extend([LOGIN] * 1000)
        scene.run(24 * 3600)
        troubles = [each for each in scene.events if each.event is Event.TROUBLE]
        assert [each.lasting for each in troubles[:4]] == [False, False, True, True]
        assert (troubles[2].code, troubles[2].words, troubles[2].picture) == ("SignInFailed", words, b"a picture")
        assert 3 < len(scene.portal.credentials) < 32
        assert Event.WATCHING not in {each.event for each in scene.events}

    def test_sessions_end_at_each_load(self) -> None:
        """Watching between such sign-ins does not end the trouble; a load without a sign-in does, once."""
        scene = Scene()
        scene.portal.loads.extend([LOGIN] * 5)
        scene.run(2000)
        assert len(scene.portal.credentials) == 4
        assert lasting(scene) == [
            *[(Event.WATCHING, False)] * 3,
            (Event.TROUBLE, True),
            (Event.WATCHING, True),
            (Event.WATCHING, False),
        ]
        assert scene.events[-1] == StatusEvent(Event.STOPPED)

    @pytest.mark.parametrize("error", [PageChanged("the username does not stay"), PortalUnavailable("not ready")])
    def test_that_do_not_reach_the_portal(self, error: Exception) -> None:
        """Sign-ins that fail before the button is pressed, at a slow portal, do not count and do not become rare."""
        scene = Scene()
        scene.portal.loads.extend([LOGIN] * 6)
        scene.portal.sign_ins.extend([error] * 5)
        scene.run(200)
        assert len(scene.portal.credentials) == 6
        assert scene.events[-2].event is Event.WATCHING

    def test_that_are_not_answered(self) -> None:
        """Sign-ins at a portal that answers each with an error become rare, too, after more of them."""
        scene = Scene()
        scene.portal.page = LOGIN
        scene.portal.sign_ins.extend([PortalUnavailable("HTTP 503")] * 1000)
        scene.portal.loads.extend([LOGIN] * 1000)
        scene.run(3600)
        assert 12 <= len(scene.portal.credentials) < 24

    def test_now_and_then(self) -> None:
        """Sessions that end every few loads cost a sign-in each and are no trouble."""
        scene = Scene()
        scene.portal.loads.extend([LOGIN, NOTHING, NOTHING] * 20)
        scene.run(1200)
        assert len(scene.portal.credentials) == 20
        assert scene.count(Event.TROUBLE) == 0


def test_page_that_never_stays() -> None:
    """A page that changes or reloads itself after each load is a lasting trouble, which readings do not end."""
    scene = Scene()
    scene.portal.looks.extend([PageChanged("the page reloads itself again and again")] * 7)
    scene.run(400)
    assert lasting(scene) == [
        (Event.WATCHING, False),
        (Event.TROUBLE, True),
        (Event.WATCHING, True),
        (Event.TROUBLE, True),
        (Event.WATCHING, True),
        (Event.WATCHING, False),
    ]
    assert scene.portal.count("leave page") > 0


class FullDisk(Lessons):
    """A journal for whose intents there is no room while ``is_full``."""

    is_full = False

    def intend(self, key: str, at: datetime) -> None:
        if self.is_full:
            raise DatabaseUnavailable("database or disk is full")
        super().intend(key, at)


@pytest.mark.parametrize("fails", ["every write", "intents"])
@pytest.mark.parametrize("mode", ["automatic", "manual"])
def test_nothing_is_clicked_without_the_journal(mode: Mode, fails: str) -> None:
    """While the journal can't be written no open lesson is clicked, new or clicked before; then each is marked once."""
    database = Database(":memory:", [SCHEMA])
    journal = FullDisk(database)
    scene, clicks = Scene(mode, lessons=journal), list[int]()

    def writes(possible: bool) -> None:
        if fails == "intents":
            journal.is_full = not possible
        else:
            database.read(f"PRAGMA query_only = {'OFF' if possible else 'ON'}")

    scene.portal.page = shows(ALGORITHMS)
    scene.portal.clicks.append(WORDS)  # in automatic mode the first click is refused, and would be repeated
    scene.commands.at(0.5 if mode == "automatic" else 9, lambda: writes(False))
    scene.commands.at(60, lambda: scene.portal.show(shows(ALGORITHMS, PHYSICS)))
    scene.commands.at(900, lambda: clicks.append(sum(note.startswith("click") for note in scene.notes)))
    scene.commands.at(901, lambda: writes(True))
    for pressed in (10, 960) if mode == "manual" else ():
        scene.commands.at(pressed, scene.monitor.mark_now)
    scene.run(1500)
    assert clicks == [1 if mode == "automatic" else 0]
    assert scene.count(Event.TROUBLE) > 0
    assert sorted(scene.marks) == ["marked Algorithms", "marked Physics"]
    assert scene.count(Event.FAILED) == scene.count(Event.RESTARTED) == 0
