"""Names to choose from: a page of them on buttons; where one is too long for that, all stand in the text, by number."""

from collections.abc import Sequence
from dataclasses import dataclass

from telegram_app.lines import ends
from telegram_app.pages import Page, page_of

ON_A_PAGE = 8
LONGEST_LABEL, LONGEST_NAME = 40, 150  # characters on a button, and of a name in the text


@dataclass(frozen=True)
class Choices:
    """A page of names: on it each has its position among all, its name, and its button's label."""

    page: Page[tuple[int, str]]
    shown: list[tuple[int, str, str]]
    lines: list[str]  # of the text; none where the labels have the whole names


def choices_of(names: Sequence[str], asked: int) -> Choices:
    """Return the requested page of names."""
    page = page_of(list(enumerate(names)), asked, ON_A_PAGE)
    is_long = any(len(name) > LONGEST_LABEL for _at, name in page.shown)  # shortened names may look equal
    shown = [(at, name, f"{at + 1}. {name}"[:LONGEST_LABEL] if is_long else name) for at, name in page.shown]
    lines = [f"{at + 1}. {ends(name, LONGEST_NAME)}" for at, name in page.shown] if is_long else []
    return Choices(page, shown, lines)
