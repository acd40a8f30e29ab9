"""Long lists on a screen: one page of them, with the buttons to the pages before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Keyboard

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list, with its number, counted from 0."""

    shown: Sequence[T]
    number: int
    count: int

    def turns(self, _: Texts, data: str, onwards: str = "") -> Keyboard:
        """Return the row of buttons to the other pages, if there are any; ``data`` stands before a page's number.

        ``onwards``: the label of the button to the next page, if it is not "More".
        """
        row = [Button(_("Previous"), f"{data}:{self.number - 1}")] if self.number > 0 else []
        row += [Button(onwards or _("More"), f"{data}:{self.number + 1}")] if self.number + 1 < self.count else []
        return [row] if row else []


def page_of(items: Sequence[T], asked: int, size: int) -> Page[T]:
    """Return the requested page, or the last one where the list has become shorter."""
    count = max(1, -(-len(items) // size))
    number = max(0, min(asked, count - 1))
    return Page(items[number * size : (number + 1) * size], number, count)
