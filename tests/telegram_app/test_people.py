"""The tables of people: language, reachability, the step of a conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sqlite import Database
from telegram_app.people import ConversationStep, People
from telegram_app.schema import SCHEMA
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


AIDA, BEN = 501, 502
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_asked(people: People, clock: FakeClock) -> None:
    """The delivery of a step's question is recorded once, only for that step; a step ends once."""
    at = clock.now()
    people.set_step(AIDA, "student id", {"code": "123456"}, at)
    people.set_asked(AIDA, "code", at)
    clock.advance(5)
    people.set_asked(AIDA, "student id", clock.now())
    people.set_asked(AIDA, "student id", at)
    step = ConversationStep("student id", {"code": "123456", "asked": clock.now().isoformat()}, at)
    assert people.steps("student id", "practice") == {AIDA: step}
    assert people.steps("practice") == {}
    people.set_step(BEN, "code", {}, at)
    assert [people.end_step(AIDA, step), people.end_step(AIDA, step), people.end_step(BEN, step)] == [
        True,
        False,
        False,
    ]
    assert set(people.steps()) == {BEN}


@pytest.fixture
def people() -> People:
    return People(Database(":memory:", [SCHEMA]), "marker")


def test_language(people: People) -> None:
    """Each person has the language that was set last; a person without one is not listed."""
    people.set_language(AIDA, "en")
    people.set_language(AIDA, "kk")
    people.set_unreachable(BEN, FakeClock().now())
    assert people.languages() == {AIDA: "kk"}


def test_reachability(people: People, clock: FakeClock) -> None:
    """A person who has blocked the bot is unreachable until they are back; their language stays."""
    people.set_language(AIDA, "kk")
    people.set_unreachable(AIDA, clock.now())
    people.set_unreachable(BEN, None)
    assert people.unreachable() == {AIDA}
    people.set_unreachable(AIDA, None)
    assert people.unreachable() == set()
    assert people.languages() == {AIDA: "kk"}


def test_step(people: People, clock: FakeClock) -> None:
    """A person is at one step, the last one, until it is cleared."""
    assert people.step(AIDA) is None
    people.set_step(AIDA, "code", {}, clock.now())
    clock.advance(5)
    people.set_step(AIDA, "username", {"code": "ABCD2345"}, clock.now())
    people.set_step(BEN, "code", {}, clock.now())
    expected = ConversationStep("username", {"code": "ABCD2345"}, clock.now())
    assert people.step(AIDA) == expected
    assert people.steps() == {AIDA: expected, BEN: ConversationStep("code", {}, clock.now())}
    people.clear_step(AIDA)
    people.clear_step(AIDA)
    assert people.step(AIDA) is None
    assert set(people.steps()) == {BEN}


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_step(data: dict[str, object]) -> None:
    """A step's data is returned as it was recorded."""
    people, clock = People(Database(":memory:", [SCHEMA]), "marker"), FakeClock()
    people.set_step(AIDA, "step", data, clock.now())
    assert people.step(AIDA) == ConversationStep("step", data, clock.now())


def test_old_steps_are_cleaned(people: People) -> None:
    """A step that a person stopped at long ago is deleted, a newer one is not."""
    clock = FakeClock()
    people.set_step(AIDA, "username", {}, clock.now())
    clock.advance(60)
    people.set_step(BEN, "username", {}, clock.now())
    assert people.clean(clock.now()) == 1
    assert people.step(AIDA) is None
    assert people.step(BEN) is not None


def test_handed_over(people: People, clock: FakeClock) -> None:
    """A person's new account gets their language and keeps its own if the old one has none; both steps end."""
    people.set_language(AIDA, "kk")
    people.set_language(BEN, "ru")
    for person in (AIDA, BEN):
        people.set_step(person, "username", {}, clock.now())
    people.hand_over(AIDA, BEN)
    assert people.languages() == {AIDA: "kk", BEN: "kk"}
    assert people.steps() == {}
    people.set_unreachable(503, clock.now())
    people.hand_over(503, BEN)
    assert people.languages()[BEN] == "kk"


def test_forgotten(people: People, clock: FakeClock) -> None:
    """Language and step of one person are deleted, and nobody else's."""
    for person in (AIDA, BEN):
        people.set_language(person, "kk")
        people.set_step(person, "username", {}, clock.now())
    people.forget(AIDA)
    assert set(people.languages()) == set(people.steps()) == {BEN}
