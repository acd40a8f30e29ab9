"""Decides from one snapshot of the page which view the portal shows: the first match wins."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from portal import words
from portal.errors import AccountBlocked, PasswordExpired, PortalError
from portal.lessons import Lesson, parse_card

# "No lesson is open" in the portal's three languages; searched in a label's case-folded text.
_NOTHING = ("нет доступных дисциплин", "қолжетімді пәндер жоқ", "no available disciplines", "no disciplines available")
# The caption of the system notification for an expired session; Russian in every language of the page.
_EXPIRED = "время сеанса истекло"
# Characters of the portal's own text that are kept; a message in Telegram holds 4096 in all.
LONGEST_TEXT = 500
NOT_LOADED = "the address can't be loaded"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class View(Enum):
    DOWN = "down"
    NOT_PORTAL = "not the portal"
    SESSION_LOST = "session lost"
    COMMUNICATION = "communication problem"
    LOADING = "loading"
    REFUSED = "refused"
    LOGIN = "login"
    PASSWORD_EXPIRED = "password expired"  # noqa: S105  # a name
    BLOCKED = "blocked"
    OPEN = "open"
    MARKED = "marked"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Card:
    """One lesson's card. ``lines`` are the pieces of its label beside the countdown, by which it is found again.

    ``caption`` is the attendance button's, or where no button is known those of all.
    """

    lesson: Lesson
    enabled: bool
    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """One reading of the page: the view, the portal's own text where there is one, and the cards.

    ``strange`` are the cards without a button that is known: nothing is pressed there. ``status`` is that of an error
    page, 0 without one.
    """

    view: View
    text: str = ""
    cards: tuple[Card, ...] = ()
    strange: tuple[Card, ...] = ()
    status: int = 0

    def card(self, lesson: Lesson) -> Card | None:
        """Return the card of a lesson, whatever its countdown; of two equal cards the one that is still open."""
        found = [card for card in self.cards if card.lesson.label == lesson.label]
        return next((card for card in found if card.enabled), found[0] if found else None)

    def refusal(self) -> PortalError | None:
        """Return the permanent error that the view stands for, None for a view that can be used."""
        if self.view is View.PASSWORD_EXPIRED:
            return PasswordExpired(words=self.text)
        return words.account_error(self.text, AccountBlocked) if self.view is View.BLOCKED else None


def decide(page: dict[str, Any]) -> Reading:
    """Decide the view from the result of page.js. The order matters: an expired session may still show old cards."""
    if page["left"]:
        return Reading(View.LOADING)
    status = page["status"]
    http = f"HTTP {status} {_PHRASES.get(status, '')}".strip() if status >= 400 else ""
    text = " ".join(part for part in (http, page["foreign"]) if part)
    if status >= 500 or page["broken"]:
        return Reading(View.DOWN, text or NOT_LOADED, status=status)
    if page["foreign"] is not None:
        return Reading(View.NOT_PORTAL, text)
    if page["system"] is not None:
        lost = _EXPIRED in page["system"].casefold()
        return Reading(View.SESSION_LOST if lost else View.COMMUNICATION, page["system"])
    if page["reconnecting"]:
        return Reading(View.COMMUNICATION)
    if not page["ready"]:
        return Reading(View.LOADING)
    if page["refusal"] is not None:
        return Reading(View.REFUSED, page["refusal"][:LONGEST_TEXT])
    if page["form"] is not None:
        return _form(**page["form"], labels=page["labels"])
    if page["blocked"] is not None:
        return Reading(View.BLOCKED, page["blocked"][:LONGEST_TEXT])
    read = [_card(**card) for card in page["cards"]]
    cards = tuple(card for card, is_known in read if is_known)
    strange = tuple(card for card, is_known in read if not is_known)
    if cards:
        return Reading(View.OPEN if any(card.enabled for card in cards) else View.MARKED, "", cards, strange)
    if any(says_nothing_open(label) for label in page["labels"]):
        return Reading(View.NOTHING)
    captions = ", ".join(card.caption for card in strange)
    return Reading(View.UNKNOWN, f"a card has no button that is known: {captions}" if strange else "", strange=strange)


def says_nothing_open(text: str) -> bool:
    """Say whether a text contains the portal's phrase for "no lesson is open"."""
    return any(phrase in text.casefold() for phrase in _NOTHING)


def _form(user: bool, inputs: list[str], buttons: list[str], labels: list[str]) -> Reading:
    """Decide what a page with password fields is: the sign-in form has one, a user name and a button that is known."""
    passwords = inputs.count("password")
    if user and passwords == 1:
        found = words.known(buttons, words.SIGN_IN)
        return Reading(View.LOGIN) if found else Reading(View.UNKNOWN, "the sign-in form has no button that is known")
    wanted = next((each for each in labels if isinstance(words.account_error(each, PortalError), PasswordExpired)), "")
    if wanted or (passwords > 1 and not {"text", "email", "tel"} & set(inputs)):
        return Reading(View.PASSWORD_EXPIRED, wanted[:LONGEST_TEXT])
    return Reading(View.UNKNOWN, "a form with a password is not the sign-in form")


def _card(lines: list[str], buttons: list[dict[str, Any]]) -> tuple[Card, bool]:
    """Return a lesson's card, and whether its button is known: by its caption, or all of the card's are disabled."""
    lesson, pieces = parse_card(lines)
    enabled = [button["caption"] for button in buttons if button["enabled"]]
    captions = [button["caption"] for button in buttons]
    mark = words.known(enabled, words.MARK)
    caption = mark or words.known(captions, words.MARKED) or words.known(captions, words.MARK)
    known = caption is not None or not enabled
    return Card(lesson, mark is not None, caption or ", ".join(captions), tuple(pieces)), known
