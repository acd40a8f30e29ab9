"""Lessons are read and pressed one by one in a real browser, however their labels and cards are drawn."""

import pytest

from portal.errors import PageChanged
from portal.session import ChromePortal
from portal.views import View
from tests.e2e.people import Portal
from tests.portal.browsers import USERNAME

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.parametrize("portal", ["simulated"], indirect=True),
]

HOURS = "Л3 10:00-10:50"
SHAPES: list[tuple[str, list[str], dict[str, bool]]] = [
    ("hours first", ["{time}", "{subject}", "{teacher}", "{countdown}"], {}),
    ("no hours", ["{subject}", "{teacher}", "{countdown}"], {}),
    ("countdown first", ["{countdown}", "{subject}", "{teacher}", "{time}"], {}),
    ("one line", ["{subject} {time}, осталось: {n} мин"], {}),
    ("a heading above", ["{subject}", "{teacher}", "{time}", "{countdown}"], {"heading": True}),
    ("one card", ["{subject}", "{teacher}", "{time}", "{countdown}"], {"one_card": True}),
    ("one card, headings", ["{subject}", "{teacher}", "{countdown}"], {"one_card": True, "heading": True}),
]


@pytest.mark.ordeal
def test_two_lessons_of_the_same_hours(portal: Portal, signed_in: ChromePortal) -> None:
    """Each of two lessons is marked by its own button, and a later countdown does not change what identifies it."""
    for shape, label, behaviour in SHAPES:
        portal.behaves(**{"heading": False, "one_card": False} | behaviour)
        numbers = [portal.opens(name, HOURS, label=label, minutes=5) for name in ("Algebra", "Physics")]
        signed_in.load(portal.address)
        first, second = signed_in.settle().cards
        assert first.lesson.label != second.lesson.label, shape
        assert {card.lesson.minutes_left for card in (first, second)} == {5}, shape
        assert "Physics" in second.lesson.describe(), shape
        before = len(portal.marks())
        for card, number in ((second, numbers[1]), (first, numbers[0])):
            assert signed_in.mark(card.lesson).confirmed, shape
            assert portal.marks()[-1] == (number, USERNAME), shape
        assert len(portal.marks()) == before + 2
        for number in numbers:
            portal.closes(number)
        again = [portal.opens(name, HOURS, label=label, minutes=65) for name in ("Algebra", "Physics")]
        signed_in.load(portal.address)
        assert [card.lesson.label for card in signed_in.settle().cards] == [first.lesson.label, second.lesson.label]
        for number in again:
            portal.closes(number)


def test_vanishes_when_marked(portal: Portal, signed_in: ChromePortal) -> None:
    """A card that vanishes with the click is no confirmation: the next load decides."""
    portal.behaves(vanish=True)
    portal.opens("Algebra")
    signed_in.load(portal.address)
    (card,) = signed_in.settle().cards
    with pytest.raises(PageChanged, match="closed with the click"):
        signed_in.mark(card.lesson)
    assert len(portal.marks()) == 1
    signed_in.load(portal.address)
    assert signed_in.settle().view is View.NOTHING
