"""A monitor in trouble signs in again, waits longer each time, opens a new browser, or stops."""

from dataclasses import replace
from itertools import pairwise

import pytest

from lessons.events import Event, MonitorState, StatusEvent
from lessons.schedule import GRID_PAUSE
from portal.errors import (
    AccountBlocked,
    AccountLocked,
    BrowserFailed,
    BrowserMissing,
    GridFailed,
    GridFull,
    NotThePortal,
    PageChanged,
    PasswordExpired,
    PortalUnavailable,
    SessionLost,
    SignInRefused,
    UnknownView,
)
from portal.views import Reading, View
from tests.fakes import ALGORITHMS, LOGIN, NOTHING, PHYSICS, shows
from tests.monitor.scene import Scene

pytestmark = pytest.mark.unit


TEXT = "Неверный логин или пароль."
EXPIRED = Reading(View.SESSION_LOST, "Время сеанса истекло")


@pytest.fixture
def scene() -> Scene:
    return Scene("automatic")


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


class TestSigningIn:
    def test_with_the_account(self, scene: Scene) -> None:
        """If the portal shows the login view, the monitor signs in once with the student's account, and watches."""
        scene.portal.page = LOGIN
        scene.portal.sign_ins.append(shows(ALGORITHMS))
        scene.run(60)
        assert scene.portal.credentials == [("a_student", "correct horse")]
        assert [event.event for event in scene.events] == [Event.SIGNING_IN, Event.WATCHING, Event.STOPPED]
        assert scene.reported == ["marked Algorithms"]

    def test_session_is_still_there(self, scene: Scene) -> None:
        """With a session that is still valid there is no sign-in."""
        scene.run(60)
        assert scene.portal.credentials == []

    @pytest.mark.parametrize("gone", [EXPIRED, LOGIN, Reading(View.COMMUNICATION, "Проблема со связью")])
    def test_session_ends_between_reloads(self, scene: Scene, gone: Reading) -> None:
        """After the end of a session the monitor signs in again within seconds and reports no trouble."""
        scene.portal.loads.extend([NOTHING, LOGIN])
        scene.portal.sign_ins.append(shows(ALGORITHMS))
        scene.commands.at(5, lambda: scene.portal.show(gone))
        scene.run(60)
        assert scene.reported == ["marked Algorithms"]
        assert scene.reported_at("marked Algorithms") < 8
        assert len(scene.portal.credentials) == 1
        assert scene.portal.count("open") == 1
        assert not {Event.TROUBLE, Event.UNKNOWN_VIEW, Event.LESSON_CLOSED} & {each.event for each in scene.events}

    def test_session_ends_with_a_reload(self, scene: Scene) -> None:
        """A reload that shows the login view leads to a sign-in and is not reported as trouble."""
        scene.portal.loads.extend([NOTHING, LOGIN])
        scene.run(60)
        assert len(scene.portal.credentials) == 1
        assert scene.count(Event.TROUBLE) == 0

    def test_sessions_that_never_hold(self, scene: Scene) -> None:
        """A portal that loses every session at once is loaded less and less often, and sign-ins become rare."""
        scene.portal.loads.extend([LOGIN] * 10_000)
        scene.portal.sign_ins.extend([SessionLost("Проблема со связью")] * 10_000)
        scene.run(600)
        assert len(scene.portal.credentials) == 4
        assert max(gaps(scene.portal.loaded_at)) > 300

    @pytest.mark.parametrize(
        "refused", [SignInRefused(TEXT), Reading(View.REFUSED, TEXT)], ids=["as error", "as reading"]
    )
    def test_wrong_password(self, scene: Scene, refused: SignInRefused | Reading) -> None:
        """A wrong password is tried exactly once; the monitor ends with the portal's text."""
        scene.portal.page = LOGIN
        scene.portal.sign_ins.append(refused)
        scene.run(3600)
        assert len(scene.portal.credentials) == 1
        assert scene.events[-1] == StatusEvent(Event.REFUSED, TEXT)
        assert scene.count(Event.REFUSED) == 1
        assert scene.count(Event.STOPPED) == 0
        assert scene.notes[-1] == "end"
        assert (scene.monitor.status.state, scene.monitor.status.trouble) == (MonitorState.STOPPED, TEXT)
        assert scene.clock.passed < 60

    @pytest.mark.parametrize("where", ["load", "sign-in", "sign-in reading"])
    def test_blocked_account(self, scene: Scene, where: str) -> None:
        """A blocked account ends the monitor with the portal's text, at whichever step the portal shows it."""
        words = "Пайдаланушы бұғатталған. Себеп: төлем"
        blocked = Reading(View.BLOCKED, words)
        scene.portal.page = blocked if where == "load" else LOGIN
        scene.portal.sign_ins.append(AccountBlocked(words) if where == "sign-in" else blocked)
        scene.run(3600)
        assert scene.events[-1] == StatusEvent(Event.BLOCKED, words)
        assert scene.portal.count("load") == 1
        assert scene.notes[-1] == "end"

    @pytest.mark.parametrize("where", ["load", "sign-in", "sign-in reading"])
    def test_password_expired(self, scene: Scene, where: str) -> None:
        """A portal that wants a new password ends the monitor with that event, at whichever step it shows it."""
        words = "Срок действия пароля истёк. Задайте новый."
        expired = Reading(View.PASSWORD_EXPIRED, words)
        scene.portal.page = expired if where == "load" else LOGIN
        scene.portal.sign_ins.append(PasswordExpired(words=words) if where == "sign-in" else expired)
        scene.run(3600)
        assert scene.events[-1] == StatusEvent(Event.PASSWORD_EXPIRED, words)
        assert scene.portal.count("load") == 1
        assert scene.count(Event.TROUBLE) == scene.count(Event.UNKNOWN_VIEW) == 0

    @pytest.mark.parametrize("locked", [AccountLocked(TEXT), Reading(View.REFUSED, "Слишком много попыток")])
    def test_locked_account(self, scene: Scene, locked: AccountLocked | Reading) -> None:
        """An account that is locked for a while is not tried again, and told apart from a wrong password."""
        scene.portal.page = LOGIN
        scene.portal.sign_ins.append(locked)
        scene.run(3600)
        assert (scene.events[-1].event, scene.events[-1].code) == (Event.BLOCKED, "AccountLocked")
        assert len(scene.portal.credentials) == 1

    def test_place_for_signing_in(self, scene: Scene) -> None:
        """While others hold all sign-in places the monitor waits, and stops at once on command."""
        scene.portal.page = LOGIN
        places = [scene.limits.sign_in(lambda _seconds: None) for _ in range(3)]
        for place in places:
            place.__enter__()
        scene.commands.at(10, lambda: places[0].__exit__(None, None, None))
        scene.run(11)
        assert len(scene.portal.credentials) == 1
        assert scene.events[-1].event is Event.STOPPED
        for place in places[1:]:
            place.__exit__(None, None, None)


class TestPauses:
    def test_longer_each_time(self) -> None:
        """While the portal is down pauses grow to ten seconds, later to a minute; each trouble is reported."""
        scene = Scene(jitter=lambda _low, high: high)
        scene.portal.page = PortalUnavailable("HTTP 503")
        scene.run(800)
        assert gaps(scene.portal.loaded_at) == pytest.approx([2, 4, 8, *[10] * 57, *[60] * 3], abs=0.1)
        troubles = [event for event in scene.events if event.event is Event.TROUBLE]
        assert len(troubles) == len(scene.portal.loaded_at)
        assert {event.text for event in troubles} == {"HTTP 503"}
        assert scene.portal.count("open") == 1

    def test_other_trouble(self) -> None:
        """After an unknown page, which each load shows again, the pause doubles each time up to five minutes."""
        scene = Scene(jitter=lambda _low, high: high)
        scene.portal.page = Reading(View.UNKNOWN)
        scene.run(1600)
        assert gaps(scene.portal.loaded_at) == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], abs=0.1)

    def test_jitter(self) -> None:
        """Pauses vary, so that many monitors do not return in the same second; none is longer than five minutes."""
        scene = Scene(jitter=lambda low, _high: low)
        scene.portal.page = Reading(View.UNKNOWN)
        scene.run(2000)
        assert gaps(scene.portal.loaded_at)[:3] == pytest.approx([1.4, 2.8, 5.6], abs=0.1)
        assert max(gaps(scene.portal.loaded_at)) == pytest.approx(210, abs=1)
        scene = Scene(jitter=lambda low, _high: low)
        scene.portal.page = PortalUnavailable("HTTP 503")
        scene.run(100)
        assert gaps(scene.portal.loaded_at)[3:] == pytest.approx([7] * len(gaps(scene.portal.loaded_at)[3:]), abs=0.1)

    @pytest.mark.parametrize("minutes", [1, 5, 30])
    def test_lesson_during_an_outage(self, minutes: int) -> None:
        """A lesson that is open when the portal comes back is marked within seconds, after half an hour if it was
        open before; it is checked within a minute in any case.
        """
        for seen_before, within in ((True, 10.0), (False, 10.0 if minutes < 10 else 60.0)):
            scene = Scene(jitter=lambda _low, high: high)
            scene.portal.page = shows(ALGORITHMS) if seen_before else NOTHING
            scene.portal.clicks.append(False)
            scene.commands.at(0.5, lambda scene=scene: scene.portal.show(PortalUnavailable("HTTP 502")))  # type: ignore[misc]
            back = minutes * 60.0
            scene.commands.at(back, lambda scene=scene: scene.portal.show(shows(ALGORITHMS)))  # type: ignore[misc]
            scene.run(back + 100)
            assert back <= scene.reported_at("marked Algorithms") <= back + within + 0.1

    @pytest.mark.parametrize(
        "error", [NotThePortal("a network's page"), UnknownView("?"), SessionLost(), PageChanged()]
    )
    def test_lesson_behind_another_page(self, error: Exception) -> None:
        """An open lesson that another page hides for minutes is marked within seconds after that."""
        scene = Scene(jitter=lambda _low, high: high)
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.append(False)
        scene.commands.at(0.5, lambda: scene.portal.show(error))
        scene.commands.at(65, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(150)
        assert 65 <= scene.reported_at("marked Algorithms") <= 75.1

    def test_recovery(self, scene: Scene) -> None:
        """When the portal is back the monitor watches again and reports it; the next trouble has a short pause."""
        down = PortalUnavailable("HTTP 503")
        scene.portal.loads.extend([down, down, down, NOTHING, down, NOTHING])
        scene.run(200)
        assert gaps(scene.portal.loaded_at)[:5] == pytest.approx([1.7, 3.4, 6.8, 20, 1.7], abs=0.1)
        assert [event.event for event in scene.events] == [
            *[Event.TROUBLE] * 3,
            Event.WATCHING,
            Event.TROUBLE,
            Event.WATCHING,
            Event.STOPPED,
        ]
        assert scene.statuses[-2].trouble == ""

    def test_days_of_trouble(self, scene: Scene) -> None:
        """After a week of outage the monitor is still running and marks."""
        week = 7 * 24 * 3600
        scene.portal.page = PortalUnavailable("HTTP 503")
        scene.commands.at(week, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(week + 600)
        assert scene.count(Event.FAILED) == 0
        assert scene.reported == ["marked Algorithms"]

    @pytest.mark.parametrize("view", [View.SESSION_LOST, View.COMMUNICATION])
    def test_notification_on_a_fresh_page(self, scene: Scene, view: View) -> None:
        """A page without a session right after its load is reported as trouble with the portal's text."""
        scene.portal.page = Reading(view, "Проблема со связью")
        scene.run(100)
        words = "Проблема со связью"
        expected = StatusEvent(Event.TROUBLE, words, code="PortalUnavailable", words=words)
        assert scene.events[0] == expected
        assert scene.portal.count("load") < 15

    def test_unknown_view(self, scene: Scene) -> None:
        """An unknown page is never taken for "nothing to do": it is reported, and read again later."""
        scene.portal.loads.extend([Reading(View.UNKNOWN), Reading(View.UNKNOWN), shows(ALGORITHMS)])
        scene.run(60)
        assert scene.count(Event.UNKNOWN_VIEW) == 2
        assert scene.count(Event.TROUBLE) == 0
        assert scene.reported == ["marked Algorithms"]

    def test_not_the_portal(self, scene: Scene) -> None:
        """A page that is not the portal's is reported at the first load with a picture and what it is."""
        maintenance = NotThePortal("not the portal: Технические работы", words="Технические работы")
        error_page = PortalUnavailable(words="HTTP 502 Bad Gateway")
        error_page.pictured = True
        scene.portal.loads.extend([maintenance, error_page, shows(ALGORITHMS)])
        scene.run(60)
        first, second = scene.events[0], scene.events[1]
        assert (first.event, first.code, first.words) == (Event.UNKNOWN_VIEW, "NotThePortal", "Технические работы")
        assert (second.event, second.code, second.words) == (Event.TROUBLE, "PortalUnavailable", "HTTP 502 Bad Gateway")
        assert None not in (first.picture, second.picture)
        assert scene.reported == ["marked Algorithms"]

    def test_card_without_a_known_button(self) -> None:
        """An unknown card is reported once with a picture and never clicked; the lessons beside it are marked."""
        scene = Scene("automatic")
        strange = replace(shows(PHYSICS).cards[0], enabled=False, caption="Зачесть")
        scene.portal.page = replace(shows(ALGORITHMS), strange=(strange,))
        scene.run(60)
        event = scene.only(Event.UNKNOWN_CARD)
        assert event.lesson == PHYSICS
        assert event.text == "Зачесть"
        assert event.picture
        assert scene.reported == ["marked Algorithms"]
        assert scene.portal.count("click Physics") == 0
        assert scene.count(Event.TROUBLE) == scene.count(Event.UNKNOWN_VIEW) == 0

    def test_caption_that_counts_down(self) -> None:
        """A number that changes in an unknown card makes no new message; without other cards it is reported, too."""
        scene = Scene()
        for left in (9, 8, 7):
            card = replace(shows(PHYSICS).cards[0], enabled=False, caption=f"Зачесть ({left})")
            scene.portal.loads.append(replace(shows(ALGORITHMS), strange=(card,)))
        scene.run(60)
        assert scene.only(Event.UNKNOWN_CARD).text == "Зачесть (9)"
        scene = Scene()
        scene.portal.page = Reading(View.UNKNOWN, strange=(card,))
        scene.run(60)
        assert scene.only(Event.UNKNOWN_CARD).picture is None
        assert scene.events[1].picture is not None

    def test_button_that_becomes_unknown(self) -> None:
        """An open lesson whose button is not known any more is not reported as closed."""
        scene = Scene("manual")
        strange = replace(shows(PHYSICS).cards[0], enabled=False, caption="Зачесть")
        changed = replace(shows(marked=(ALGORITHMS,)), strange=(strange,))
        scene.portal.loads.extend([shows(PHYSICS), changed])
        scene.run(60)
        assert scene.reported == ["found Physics"]
        assert scene.count(Event.LESSON_CLOSED) == 0

    def test_page_moves(self, scene: Scene) -> None:
        """A page that is redrawn during a click is loaded again at once and not reported."""
        scene.portal.page = shows(ALGORITHMS)
        scene.portal.clicks.append(PageChanged("the lesson's button is not there any more"))
        scene.run(60)
        assert scene.reported == ["marked Algorithms"]
        assert scene.reported_at("marked Algorithms") < 2
        assert scene.count(Event.TROUBLE) == 0

    def test_status_while_waiting(self, scene: Scene) -> None:
        """While the monitor waits its status has the beginning, the reason and the time of the next try."""
        scene.portal.page = PortalUnavailable("HTTP 503")
        scene.run(3)
        waiting = scene.statuses[1]  # reported with the second trouble
        assert (waiting.state, waiting.trouble) == (MonitorState.WAITING, "HTTP 503")
        assert waiting.next_check is not None
        assert (waiting.next_check - waiting.since).total_seconds() == pytest.approx(1.7 + 3.4, abs=0.01)


class TestBrowsers:
    def test_fails_while_watching(self, scene: Scene) -> None:
        """A browser that fails is ended, and a new one continues with the same profile."""
        scene.portal.looks.append(BrowserFailed("Chrome is gone"))
        scene.commands.at(10, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(60)
        assert [note for note in scene.notes if note in ("open", "end")] == ["open", "end", "open", "end"]
        assert len(set(scene.portal.profiles)) == 1
        assert scene.only(Event.TROUBLE).text == "Chrome is gone"
        assert scene.reported == ["marked Algorithms"]

    def test_can_not_be_opened(self, scene: Scene) -> None:
        """Browsers that do not start are tried again with growing pauses until one does."""
        scene.portal.opens.extend([BrowserFailed("did not start")] * 4)
        scene.run(100)
        assert gaps(scene.portal.opened_at) == pytest.approx([1.7, 3.4, 6.8, 13.6], abs=0.1)
        assert scene.count(Event.TROUBLE) == 4
        assert scene.count(Event.WATCHING) == 1

    @pytest.mark.parametrize("error", [GridFull("all 4 places are taken"), GridFailed("it does not answer")])
    def test_waits_for_a_place_on_the_grid(self, scene: Scene, error: GridFailed) -> None:
        """What a Selenium Grid causes is tried again after a few seconds, however often; a place is used at once."""
        scene.portal.opens.extend([error] * 50)
        scene.run(300)
        assert gaps(scene.portal.opened_at) == pytest.approx([GRID_PAUSE * 0.85] * 50, abs=0.1)
        assert scene.count(Event.WATCHING) == 1

    def test_fails_with_every_load(self, scene: Scene) -> None:
        """Browsers that fail with each load are opened with growing pauses, and every one of them is ended."""
        scene.portal.page = BrowserFailed("the page did not answer the driver in time")
        scene.run(1000)
        assert scene.portal.count("open") == scene.portal.count("end") < 15
        assert gaps(scene.portal.opened_at)[-1] > 100

    def test_is_ended_before_the_pause(self, scene: Scene) -> None:
        """A failed browser is ended at once, not after a pause of up to five minutes."""
        scene.portal.page = BrowserFailed("Chrome is gone")
        ended = []
        scene.commands.at(0.5, lambda: ended.append(scene.portal.count("end")))
        scene.run(1)
        assert ended == [1]

    def test_none_on_this_machine(self, scene: Scene) -> None:
        """Without a browser on the machine the monitor ends at once, with the text that says what to install."""
        scene.portal.opens.append(BrowserMissing("there is no Chrome: install chromium"))
        scene.run(100)
        assert scene.events == [StatusEvent(Event.NO_BROWSER, "there is no Chrome: install chromium")]
        assert scene.portal.count("open") == 1

    def test_unforeseen_error(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """After an unforeseen error a new browser marks the lesson; the error is reported without its own text."""
        scene.portal.loads.append(ZeroDivisionError("with correct horse"))
        scene.commands.at(1, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(100)
        assert [event.event for event in scene.events] == [Event.RESTARTED, Event.WATCHING, Event.STOPPED]
        assert scene.only(Event.RESTARTED).text.startswith("ZeroDivisionError (fakes.py:")
        assert "Traceback" in caplog.text
        assert [note for note in scene.notes if note in ("open", "end")] == ["open", "end", "open", "end"]
        assert scene.marks == ["marked Algorithms"]

    def test_unforeseen_errors_without_end(self, scene: Scene) -> None:
        """New browsers are opened with growing pauses; the fifth unforeseen error within an hour ends the monitor."""
        scene.portal.page = ZeroDivisionError("a mistake")
        scene.run(10_000)
        assert gaps(scene.portal.opened_at) == pytest.approx([2, 10, 50, 250], abs=0.1)
        assert [event.event for event in scene.events] == [*[Event.RESTARTED] * 4, Event.FAILED]
        assert scene.events[-1].text.startswith("ZeroDivisionError")
        assert scene.portal.count("open") == scene.portal.count("end") == 5
        assert not scene.monitor.is_running()

    def test_unforeseen_errors_now_and_then(self, scene: Scene) -> None:
        """Unforeseen errors of more than an hour ago do not count."""
        for hour in range(8):
            scene.commands.at(1000 * hour, lambda: scene.portal.looks.append(KeyError("x")))
        scene.run(10_000)
        assert (scene.count(Event.RESTARTED), scene.count(Event.FAILED)) == (8, 0)

    @pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
    def test_exhausted_machine(self, scene: Scene, error: Exception) -> None:
        """What the machine lacks is trouble that may pass, and never ends the monitor."""
        scene.portal.page = error
        scene.commands.at(20_000, lambda: scene.portal.show(shows(ALGORITHMS)))
        scene.run(21_000)
        assert scene.count(Event.FAILED) == scene.count(Event.RESTARTED) == 0
        assert scene.events[0].event is Event.TROUBLE
        assert scene.marks == ["marked Algorithms"]

    def test_odd_lesson(self, scene: Scene) -> None:
        """An unforeseen error with one lesson is reported once, and the other lessons are marked meanwhile."""
        scene.portal.page = shows(ALGORITHMS, PHYSICS)
        scene.portal.clicks.extend([KeyError("x"), True, KeyError("x"), KeyError("x")])
        scene.run(70)
        assert scene.marks == ["marked Physics", "marked Algorithms"]
        assert scene.only(Event.RESTARTED).lesson is not None
        assert scene.portal.count("open") == 1

    def test_stop_during_a_failing_end(self, scene: Scene) -> None:
        """A browser whose end fails does not keep a stopped monitor running."""
        scene.portal.end_fails = RuntimeError("can't start new thread")
        scene.run(30)
        assert [event.event for event in scene.events] == [Event.WATCHING, Event.STOPPED]

    def test_failing_callback(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """An error of the caller's callback is logged, and the monitor goes on."""
        scene.callback_fails = RuntimeError("the loop is closed")
        scene.portal.page = shows(ALGORITHMS)
        scene.run(60)
        assert scene.portal.count("open") == 1
        assert scene.portal.count("load") == 3
        assert "a monitor's callback failed" in caplog.text
