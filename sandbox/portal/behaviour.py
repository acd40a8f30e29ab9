"""How the simulated portal misbehaves, as set through the control API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Behaviour:
    """What goes differently from a quiet day. Numbers count down as they are used up."""

    slow_ms: int = 0
    """Every page load and every round trip takes that much longer."""
    swallow_clicks: int = 0
    """The next clicks on a mark button are answered without any change."""
    expire_on_click: int = 0
    """The next mark clicks meet a session that has just expired."""
    expire_after_mark: int = 0
    """The next marks are made, then the session is gone before the answer."""
    status: int | None = None
    """Every page load answers with this HTTP status."""
    bootstrap_failure: bool = False
    """The bootstrap script cannot be loaded: the page alerts."""
    stuck_loading: bool = False
    """A page loaded now never becomes ready, until this is lifted."""
    communication_problem: bool = False
    """Round trips fail for good: the notification of that name."""
    authentication_problem: bool = False
    """Round trips are answered with 401: the notification of that name."""
    connection_lost: bool = False
    """Round trips are cut without an answer and not done: the reconnect dialog, until this is lifted."""
    unknown_view: bool = False
    """After signing in: neither lessons nor the label that says there are none."""
    confirm_dialog: bool = False
    """A click on the mark button asks first."""
    sign_out_button: bool = False
    """Pages of signed-in students have a button that ends the session; whether the portal has one is not known."""
    push: bool = False
    """Pages loaded from now on keep a line to the server, on which live lessons reach them by themselves."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Take over what the control API sent; ValueError, and no change, where any of it is wrong."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in fields:
                raise ValueError(f"unknown behaviour: {name}; known are {', '.join(fields)}")
            if name == "status":
                if value is not None and (not _is_count(value) or not 400 <= value <= 599):
                    raise ValueError("status must be an HTTP error status such as 503, or null")
            elif isinstance(fields[name].default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} must be true or false")
            elif not _is_count(value):
                raise ValueError(f"{name} must be a whole number, zero or more")
        for name, value in changes.items():
            setattr(self, name, value)

    def use(self, counter: str) -> bool:
        """Take one from a counter; False where it was used up already."""
        left: int = getattr(self, counter)
        if left > 0:
            setattr(self, counter, left - 1)
        return left > 0

    def as_json(self) -> dict[str, Any]:
        """The whole behaviour as it is now."""
        return dataclasses.asdict(self)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
