"""`python bot.py --check`: tests everything that the bot needs."""

from collections.abc import Sequence
from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "FAILED"
NAMED = 50  # mistakes in rosters, or ID photos


@dataclass(frozen=True)
class Result:
    """The result of one check, a line of the table; ``state`` is one of the three above."""

    subject: str
    state: str
    detail: str


def named(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    return [*lines[:NAMED], *([f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else [])]
