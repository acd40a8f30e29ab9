"""Faults and options of the simulated LMS, set through the control API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALLS = ("login", "logout", "refresh", "courses", "roster", "read", "create", "update")
WRITES = ("create", "update")
FALSE_SUCCESSES: dict[str, str] = {
    "status": '{"status": "error", "message": "not stored"}',
    "success": '{"success": false}',
    "exception": '{"exception": "dml_write_exception", "errorcode": "dmlwriteexception", "message": "Error"}',
    "error": '{"error": "not stored"}',
    "empty": "",
    "text": "Internal error",
}


@dataclass
class LmsBehaviour:
    """Injected faults. Numbers count down as they are used."""

    calls: list[str] = field(default_factory=lambda: list(CALLS))
    """The calls to which the following faults apply."""
    down: bool = False
    """Connections are cut, nothing is executed."""
    slow_ms: int = 0
    """Delay before a call is executed and answered."""
    status: int | None = None
    """Nothing is executed, and the answer has this HTTP status; a 403 is not the one of a duplicate."""
    broken_json: int = 0
    """The next calls are executed, but their answers are cut in the middle."""
    html: int = 0
    """The next calls get a proxy's page with status 200; nothing is executed."""
    drop_answers: int = 0
    """The next calls are executed, and the connection is cut without an answer."""
    false_success: str | None = None
    """Writes are not executed, and answered with status 200 and a body of this kind, see FALSE_SUCCESSES."""
    unanswered: int = 0
    """The next writes are executed, and answered with status 200 and no body."""
    ignored: int = 0
    """The next writes are answered as a success, and not executed."""
    late: int = 0
    """The next writes get no answer: the connection is cut, and they are executed after ``late_ms``."""
    late_ms: int = 0
    read_back: bool = True
    """False: records can't be read (405)."""
    updates: bool = True
    """False: records can't be changed (405), which the older server never does."""
    expire_in_call: int = 0
    """At the next data calls all access tokens expire before the call is checked."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply changes from the control API; ValueError, and no change at all, if any of them is wrong."""
        for name, value in changes.items():
            if name not in {each.name for each in dataclasses.fields(self)}:
                raise ValueError(f"unknown behaviour: {name}")
            if name == "calls":
                if not isinstance(value, list) or not set(value) <= set(CALLS):
                    raise ValueError(f"calls must be a list of {', '.join(CALLS)}")
            elif name == "status":
                if value is not None and (not _is_count(value) or not 400 <= value <= 599):
                    raise ValueError("status must be an HTTP error status such as 503, or null")
            elif name == "false_success":
                if value is not None and value not in FALSE_SUCCESSES:
                    raise ValueError(f"false_success must be null or one of {', '.join(FALSE_SUCCESSES)}")
            elif name in ("down", "read_back", "updates"):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} must be true or false")
            elif not _is_count(value):
                raise ValueError(f"{name} must be a whole number, zero or more")
        for name, value in changes.items():
            setattr(self, name, value)

    def use(self, counter: str) -> bool:
        """Decrement a counter; False if it was zero."""
        left: int = getattr(self, counter)
        setattr(self, counter, max(0, left - 1))
        return left > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
