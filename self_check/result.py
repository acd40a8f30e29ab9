"""The result of one check."""

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "FAILED"


@dataclass(frozen=True)
class Result:
    """One line of the table; ``state`` is one of the three above."""

    subject: str
    state: str
    detail: str
