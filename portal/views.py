"""Decides from one snapshot of the page which view the portal shows: the first match wins."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from portal.lessons import Lesson, parse_card

# "No lesson is open" in the portal's three languages; searched in a label's case-folded text.
_NOTHING = ("нет доступных дисциплин", "қолжетімді пәндер жоқ", "no available disciplines", "no disciplines available")
# The caption of the system notification for an expired session; Russian in every language of the page.
_EXPIRED = "время сеанса истекло"
# Characters of the portal's own text that are kept; a message in Telegram holds 4096 in all.
LONGEST_TEXT = 500


class View(Enum):
    DOWN = "down"
    SESSION_LOST = "session lost"
    COMMUNICATION = "communication problem"
    LOADING = "loading"
    REFUSED = "refused"
    LOGIN = "login"
    BLOCKED = "blocked"
    OPEN = "open"
    MARKED = "marked"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Card:
    """One lesson's card. ``lines`` are the pieces of its label beside the countdown, by which it is found again."""

    lesson: Lesson
    enabled: bool
    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """One reading of the page: the view, the portal's own text where there is one, and the cards."""

    view: View
    text: str = ""
    cards: tuple[Card, ...] = ()

    def card(self, lesson: Lesson) -> Card | None:
        """Return the card of a lesson, whatever its countdown; of two equal cards the one that is still open."""
        found = [card for card in self.cards if card.lesson.label == lesson.label]
        return next((card for card in found if card.enabled), found[0] if found else None)


def decide(page: dict[str, Any]) -> Reading:
    """Decide the view from the result of page.js. The order matters: an expired session may still show old cards."""
    if page["left"]:
        return Reading(View.LOADING)
    if page["status"] >= 500 or page["broken"]:
        return Reading(View.DOWN, f"HTTP {page['status']}" if page["status"] >= 500 else "the address can't be loaded")
    if page["system"] is not None:
        lost = _EXPIRED in page["system"].casefold()
        return Reading(View.SESSION_LOST if lost else View.COMMUNICATION, page["system"])
    if page["reconnecting"]:
        return Reading(View.COMMUNICATION)
    if not page["ready"]:
        return Reading(View.LOADING)
    if page["refusal"] is not None:
        return Reading(View.REFUSED, page["refusal"][:LONGEST_TEXT])
    if page["login"]:
        return Reading(View.LOGIN)
    if page["blocked"] is not None:
        return Reading(View.BLOCKED, page["blocked"][:LONGEST_TEXT])
    cards = tuple(_card(**card) for card in page["cards"])
    if cards:
        return Reading(View.OPEN if any(card.enabled for card in cards) else View.MARKED, cards=cards)
    if any(says_nothing_open(label) for label in page["labels"]):
        return Reading(View.NOTHING)
    return Reading(View.UNKNOWN)


def says_nothing_open(text: str) -> bool:
    """Say whether a text contains the portal's phrase for "no lesson is open"."""
    return any(words in text.casefold() for words in _NOTHING)


def _card(lines: list[str], caption: str, enabled: bool) -> Card:
    lesson, pieces = parse_card(lines)
    return Card(lesson, enabled, caption, tuple(pieces))
