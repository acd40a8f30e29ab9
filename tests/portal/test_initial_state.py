"""The request for the initial state: when it is sent, and when it is given up."""

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


class FakePage:
    """A page's initial state and what the server would draw now; counts the requests."""

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
def page() -> FakePage:
    return FakePage()


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def state(page: FakePage, trust: Trust) -> InitialState:
    return InitialState(page, trust)


def test_nothing_new(page: FakePage, state: InitialState) -> None:
    """After a load without lessons requests are sent, and the fifth check is a load whatever the answer."""
    state.loaded(NOTHING)
    assert [state.same() for _ in range(FULL_EVERY)] == [True] * (FULL_EVERY - 1) + [False]
    page.load(state, NOTHING)
    assert state.same()


def test_something_new(page: FakePage, state: InitialState) -> None:
    """The answer "something new" leads to a load."""
    state.loaded(NOTHING)
    page.now = f"Algebra {TIME}"
    assert not state.same()


def test_no_answer(page: FakePage, state: InitialState) -> None:
    """No answer, as from a server that is down, leads to a load."""
    state.loaded(NOTHING)
    page.now = None
    assert not state.same()


@pytest.mark.parametrize(
    "reading", [OPEN, Reading(View.LOGIN), Reading(View.UNKNOWN), Reading(View.SESSION_LOST), Reading(View.BLOCKED)]
)
def test_pages_that_are_loaded(page: FakePage, state: InitialState, reading: Reading) -> None:
    """A page with an open lesson or an unusual view is loaded each time, without requests."""
    page.drawn = page.now = f"{NOTHING_TEXT} {TIME}"
    state.loaded(reading)
    assert not state.same()
    assert page.asked == 0


def test_marked_card(page: FakePage, state: InitialState) -> None:
    """With all lessons marked requests are sent."""
    page.drawn = page.now = f"Algebra {TIME}"
    state.loaded(MARKED)
    assert state.same()


@pytest.mark.parametrize(("reading", "drawn"), [(NOTHING, "{}"), (MARKED, NOTHING_TEXT), (NOTHING, None)])
def test_state_without_what_is_shown(page: FakePage, state: InitialState, reading: Reading, drawn: str | None) -> None:
    """If the initial state does not contain what the page shows, no requests are sent."""
    page.drawn = page.now = drawn
    state.loaded(reading)
    assert not state.same()
    assert page.asked == 0


def test_left_page(page: FakePage, state: InitialState) -> None:
    """After a click, or while the page is being left, no requests are sent until the next load."""
    state.loaded(NOTHING)
    state.forget()
    assert not state.same()
    assert page.asked == 0


def test_same_state_shows_something_else(
    page: FakePage, state: InitialState, trust: Trust, caplog: pytest.LogCaptureFixture
) -> None:
    """If two loads from the same state show different things, the requests end, with one warning."""
    page.drawn = page.now = f"{NOTHING_TEXT} {TIME}"
    state.loaded(NOTHING)
    with caplog.at_level(logging.WARNING):
        page.load(state, MARKED)
        page.load(state, NOTHING)
    assert trust.lost
    assert not state.same()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_missed(page: FakePage, state: InitialState, trust: Trust) -> None:
    """A load that contradicts the answer "nothing new" is tolerated once; several in a row end the requests."""
    for missed in range(1, MISSES + 1):
        page.drawn = page.now = NOTHING_TEXT
        state.loaded(NOTHING)
        for _ in range(FULL_EVERY):
            state.same()
        page.now = f"Algebra {TIME} {missed}"  # as from a server that answers from a cache
        page.load(state, MARKED)
        assert bool(trust.lost) == (missed == MISSES)


def test_one_miss_is_forgiven(page: FakePage, state: InitialState, trust: Trust) -> None:
    """A load that confirms the answer resets the count of misses."""
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


def test_restless_state(page: FakePage, state: InitialState, trust: Trust) -> None:
    """If the state differs each time although the page shows the same, this browser stops its requests."""
    state.loaded(NOTHING)
    for number in range(ALARMS + 3):
        page.now = f"{NOTHING_TEXT} {number}"
        state.same()
        page.load(state, NOTHING)
    assert page.asked == ALARMS
    assert not trust.lost


def test_pages_that_lose_their_session(page: FakePage, state: InitialState, trust: Trust) -> None:
    """If pages repeatedly lose their sessions after a request, the requests end."""
    for harmed in range(1, HARMS + 1):
        page.load(state, NOTHING)
        state.same()
        state.session_lost()
        assert bool(trust.lost) == (harmed == HARMS)


def test_sessions_lost_now_and_then(page: FakePage, state: InitialState, trust: Trust) -> None:
    """Sessions that expire now and then, or without a request before, do not end the requests."""
    for _ in range(3 * HARMS):
        page.load(state, NOTHING)
        state.session_lost()
        for _ in range(FULL_EVERY):
            state.same()
        page.load(state, NOTHING)
        state.same()
        state.session_lost()
    assert not trust.lost


def test_trust_is_shared(page: FakePage, trust: Trust) -> None:
    """When one monitor gives up the requests, all do."""
    one, other = InitialState(page, trust), InitialState(page, trust)
    other.loaded(NOTHING)
    trust.give_up("a reason")
    one.loaded(NOTHING)
    assert not one.same()
    assert not other.same()
    assert page.asked == 0
