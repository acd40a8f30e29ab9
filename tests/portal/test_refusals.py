"""Windows, notifications and dialogs that answer a click or a sign-in, in a real browser on the simulated portal."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.clock import SystemClock
from portal.browser import Browser
from portal.errors import PageChanged, SignInFailed, SignInRefused
from portal.lessons import Click
from portal.limits import Patience
from portal.session import ChromePortal
from portal.views import View
from tests.e2e.people import Portal, empty_portal
from tests.portal.browsers import LESSON, PASSWORD, USERNAME, until

pytestmark = [pytest.mark.integration, pytest.mark.browser]

ONLY_HERE = "Отметка доступна только из сети университета"


@pytest.fixture(params=["simulated"])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """The simulated portal alone: the one on Vaadin has no such windows."""
    with empty_portal(request.getfixturevalue("simulated_portal_url")) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


def test_answers_to_a_click(portal: Portal, at_the_card: ChromePortal) -> None:
    """The words of each kind of window are returned, and it does not block later readings; dialogs are confirmed only
    by an affirmative word.
    """
    page = at_the_card
    for kind in ("error", "message", "notice"):
        portal.behaves(mark_answer=ONLY_HERE, window_kind=kind)
        assert page.mark(LESSON) == Click(False, ONLY_HERE)
        assert page.evidence()[1]
        assert page.close_window()
        assert page.settle().view is View.OPEN
    portal.behaves(window_kind="closeless")
    assert page.mark(LESSON) == Click(False, ONLY_HERE)
    assert not page.close_window()
    page.load(portal.address)
    assert page.settle().view is View.OPEN

    portal.behaves(mark_answer="", confirm_dialog=True, confirm_buttons="Подтвердить сейчас|Отмена")
    asked = Click(False, "Подтверждаете своё присутствие на занятии?")
    assert page.mark(LESSON) == asked
    assert not page.close_window()
    with pytest.raises(PageChanged) as covered:
        page.mark(LESSON)
    assert covered.value.words == asked.words
    assert portal.events("confirm.no") == portal.marks() == []
    page.load(portal.address)
    page.settle()
    portal.behaves(confirm_buttons="Yes, check in|Cancel")
    assert page.mark(LESSON).confirmed
    assert len(portal.marks()) == 1


@dataclass
class FastClock(SystemClock):
    """A monotonic clock that runs ten times as fast."""

    def monotonic(self) -> float:
        return 10 * time.monotonic()


@pytest.mark.ordeal
def test_answers_to_a_sign_in(portal: Portal, browser: Browser, page: ChromePortal) -> None:
    """A form that does nothing, or whose answer is not about the account, is no refusal; a notification can be one.

    A window over the form is closed first. A page that reloads itself for ever is noticed.
    """
    fast = ChromePortal(browser, portal.address, time.sleep, FastClock(), patience=Patience(1000))
    page.settle()
    portal.behaves(sign_in_ignored=True)
    with pytest.raises(SignInFailed, match="did nothing"):
        fast.sign_in(USERNAME, PASSWORD)
    portal.behaves(sign_in_ignored=False, sign_in_answer="Сервер перегружен")
    with pytest.raises(SignInFailed, match="Сервер перегружен"):
        page.sign_in(USERNAME, PASSWORD)
    portal.behaves(sign_in_answer="Неверный логин или пароль", window_kind="notice")
    with pytest.raises(SignInRefused, match="Неверный логин или пароль"):
        page.sign_in(USERNAME, PASSWORD)
    assert len(portal.events("sign_in_click")) == 3
    for kind, words in (("message", "Не сообщайте никому свой пароль"), ("error", "Ведутся работы")):
        portal.expires()
        portal.behaves(sign_in_answer="", window_on_load=words, window_kind=kind)
        page.load(portal.address)
        assert page.settle().view is (View.LOGIN if kind == "message" else View.REFUSED)
        assert page.sign_in(USERNAME, PASSWORD).view is View.NOTHING

    portal.behaves(window_on_load="", reloads_itself_ms=300)
    page.load(portal.address)

    def gives_up() -> bool:
        try:
            page.settle()
            page.changed(within=0.5)
        except PageChanged as error:
            return "reloads itself" in str(error)
        return False

    until(gives_up)
    portal.behaves(reloads_itself_ms=0)
