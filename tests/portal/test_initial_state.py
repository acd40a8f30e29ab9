"""Asking whether a load would show anything new: when it may be asked, and when it is given up."""

import logging
from typing import Any

import pytest

from portal.initial_state import ALARMS, FULL_EVERY, HARMS, MISSES, InitialState, Trust
from portal.lessons import Lesson
from portal.views import Card, Reading, View

pytestmark = pytest.mark.unit


NOTHING_TEXT = "Нет доступных дисциплин"
NOTHING = Reading(View.NOTHING)
TIME = "Л27 (15:00 - 16:00)"


def card(time: str = TIME, *, enabled: bool = False) -> Card:
    return Card(
        Lesson("Algebra", "Ivanov I. I.", time), enabled, "Отметиться" if enabled else "Отмечен", ("Algebra", time)
    )


MARKED = Reading(View.MARKED, cards=(card(),))
OPEN = Reading(View.OPEN, cards=(card(enabled=True),))


class Page:
    """A page with its initial state, and what the server would draw now; counts the questions."""

    def __init__(self) -> None:
        self.drawn: Any = NOTHING_TEXT
        self.now: Any = NOTHING_TEXT
        self.asked = 0

    def __call__(self, question: str) -> Any:
        if question == "drawn":
            return self.drawn
        self.asked += 1
        return None if self.now is None else self.now == self.drawn

    def load(self, state: InitialState, reading: Reading) -> None:
        """Load what the server would draw now."""
        state.forget()
        self.drawn = self.now
        state.loaded(reading)


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def state(page: Page, trust: Trust) -> InitialState:
    return InitialState(page, trust)


def test_nothing_new(page: Page, state: InitialState) -> None:
    """After a load without lessons the page is asked about, and the fifth check is a load whatever the answer."""
    state.loaded(NOTHING)
    assert [state.same() for _ in range(FULL_EVERY)] == [True] * (FULL_EVERY - 1) + [False]
    page.load(state, NOTHING)
    assert state.same()


def test_something_new(page: Page, state: InitialState) -> None:
    """An answer that tells of something new asks for a load."""
    state.loaded(NOTHING)
    page.now = f"Algebra {TIME}"
    assert not state.same()


def test_no_answer(page: Page, state: InitialState) -> None:
    """No answer, as from a server that is down, asks for a load: it shows what is the matter."""
    state.loaded(NOTHING)
    page.now = None
    assert not state.same()


@pytest.mark.parametrize(
    "reading", [OPEN, Reading(View.LOGIN), Reading(View.UNKNOWN), Reading(View.SESSION_LOST), Reading(View.BLOCKED)]
)
def test_pages_that_are_looked_at(page: Page, state: InitialState, reading: Reading) -> None:
    """Where something can be pressed, or a page is not as usual, no question takes the place of a load."""
    page.drawn = page.now = f"{NOTHING_TEXT} {TIME}"
    state.loaded(reading)
    assert not state.same()
    assert page.asked == 0


def test_marked_card(page: Page, state: InitialState) -> None:
    """A page on which every lesson is marked may be asked about."""
    page.drawn = page.now = f"Algebra {TIME}"
    state.loaded(MARKED)
    assert state.same()


@pytest.mark.parametrize(("reading", "drawn"), [(NOTHING, "{}"), (MARKED, NOTHING_TEXT), (NOTHING, None)])
def test_state_without_what_is_shown(page: Page, state: InitialState, reading: Reading, drawn: str | None) -> None:
    """Where the initial state does not hold what the page shows, it says nothing about lessons, and is not asked."""
    page.drawn = page.now = drawn
    state.loaded(reading)
    assert not state.same()
    assert page.asked == 0


def test_left_page(page: Page, state: InitialState) -> None:
    """A page that is being left or was pressed is not asked about until the next load."""
    state.loaded(NOTHING)
    state.forget()
    assert not state.same()
    assert page.asked == 0


def test_same_state_shows_something_else(
    page: Page, state: InitialState, trust: Trust, caplog: pytest.LogCaptureFixture
) -> None:
    """Where two loads were drawn from the same state and showed different things, nobody asks any more: said once."""
    page.drawn = page.now = f"{NOTHING_TEXT} {TIME}"
    state.loaded(NOTHING)
    with caplog.at_level(logging.WARNING):
        page.load(state, MARKED)
        page.load(state, NOTHING)
    assert trust.lost
    assert not state.same()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_missed(page: Page, state: InitialState, trust: Trust) -> None:
    """A load that finds something new right after "nothing new" may be chance once; in a row it ends the asking."""
    for missed in range(1, MISSES + 1):
        page.drawn = page.now = NOTHING_TEXT
        state.loaded(NOTHING)
        for _ in range(FULL_EVERY):
            state.same()
        page.now = f"Algebra {TIME} {missed}"  # what a server would draw that answers the question from memory
        page.load(state, MARKED)
        assert bool(trust.lost) == (missed == MISSES)


def test_one_miss_is_forgiven(page: Page, state: InitialState, trust: Trust) -> None:
    """A load that confirms the answer makes up for a miss before."""
    for round_ in range(2 * MISSES):
        state.loaded(NOTHING)
        for _ in range(FULL_EVERY):
            state.same()
        if round_ % 2:
            page.now = f"Algebra {TIME} {round_}"
            page.load(state, MARKED)
            page.now = NOTHING_TEXT
            page.load(state, NOTHING)
        else:
            page.load(state, NOTHING)
    assert not trust.lost


def test_restless_state(page: Page, state: InitialState, trust: Trust) -> None:
    """Where the state differs each time although the page shows the same, this browser stops asking in vain."""
    state.loaded(NOTHING)
    for number in range(ALARMS + 3):
        page.now = f"{NOTHING_TEXT} {number}"
        state.same()
        page.load(state, NOTHING)
    assert page.asked == ALARMS
    assert not trust.lost


def test_pages_that_lose_their_session(page: Page, state: InitialState, trust: Trust) -> None:
    """Where pages lose their sessions after the question, again and again, the portal is left in peace."""
    for harmed in range(1, HARMS + 1):
        page.load(state, NOTHING)
        state.same()
        state.session_lost()
        assert bool(trust.lost) == (harmed == HARMS)


def test_sessions_lost_now_and_then(page: Page, state: InitialState, trust: Trust) -> None:
    """A session that expires now and then, and where nothing was asked, is nobody's fault."""
    for _ in range(3 * HARMS):
        page.load(state, NOTHING)
        state.session_lost()
        for _ in range(FULL_EVERY):
            state.same()
        page.load(state, NOTHING)
        state.same()
        state.session_lost()
    assert not trust.lost


def test_trust_is_shared(page: Page, trust: Trust) -> None:
    """What one monitor has learnt of the portal holds for all."""
    one, other = InitialState(page, trust), InitialState(page, trust)
    other.loaded(NOTHING)
    trust.give_up("tried out")
    one.loaded(NOTHING)
    assert not one.same()
    assert not other.same()
    assert page.asked == 0
