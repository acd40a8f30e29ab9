"""`python bot.py --check`: tests everything that the bot needs."""

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "FAILED"


@dataclass(frozen=True)
class Result:
    """The result of one check, a line of the table; ``state`` is one of the three above."""

    subject: str
    state: str
    detail: str
