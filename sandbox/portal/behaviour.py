"""Faults and options of the simulated portal, set through the control API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.portal.words import WORDS

WINDOW_KINDS = ("error", "closeless", "message", "notice")

FOREIGN_PAGES: dict[str, tuple[int, str]] = {
    "maintenance": (200, "<title>Технические работы</title><h1>Портал временно недоступен</h1>"),
    "captive": (200, "<title>Wi-Fi</title><form><input name=login><input type=password><button>Вход</button></form>"),
    "listing": (200, "<title>Index of /</title><h1>Index of /</h1><pre><a href='../'>../</a></pre>"),
    "not found": (404, "<title>Not Found</title><h1>Not Found</h1>"),
    "bad gateway": (502, "<title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"),
    "empty": (200, ""),
}
"""Pages of the server, or of the network before it: status and HTML."""


@dataclass
class PortalBehaviour:
    """Injected faults and unusual behaviour. Numbers count down as they are used."""

    slow_ms: int = 0
    """Delay of every page load and round trip."""
    swallow_clicks: int = 0
    """The next clicks on a mark button have no effect."""
    expire_on_click: int = 0
    """The session expires just before the next mark clicks."""
    expire_after_mark: int = 0
    """The next marks are made, then the session expires before the answer."""
    status: int | None = None
    """Every page load answers with this HTTP status."""
    bootstrap_failure: bool = False
    """The bootstrap script cannot be loaded: the page alerts."""
    stuck_loading: bool = False
    """A page loaded now does not become ready until this is reset."""
    communication_problem: bool = False
    """Round trips fail permanently: the page shows the notification of this name."""
    authentication_problem: bool = False
    """Round trips are answered with 401: the page shows the notification of this name."""
    connection_lost: bool = False
    """Round trips are cut and not executed: the page shows the reconnect dialog until this is reset."""
    unknown_view: bool = False
    """The page after signing in has neither lessons nor the label that there are none."""
    confirm_dialog: bool = False
    """A click on the mark button opens a confirmation dialog."""
    confirm_buttons: str = ""
    """Captions of that dialog's buttons, separated by `|`; the first confirms. Empty: yes and no of the language."""
    mark_answer: str = ""
    """Clicks on a mark button make no mark, also after a confirmation: a window of `window_kind` has these words."""
    answer_with_mark: bool = False
    """`mark_answer` is shown, and the mark is made all the same."""
    sign_in_answer: str = ""
    """The same for the button that signs in, whatever the password."""
    window_on_load: str = ""
    """Pages loaded now show these words in a window of `window_kind`."""
    window_kind: str = "error"
    """`error`: with a close control; `closeless`: without one; `message`: with OK; `notice`: a notification."""
    sign_in_ignored: bool = False
    """The button that signs in has no effect."""
    sign_in_comes_back: bool = False
    """The page reloads after a sign-in, and shows the form again."""
    sessions_end: bool = False
    """Each page load ends the session that is signed in."""
    reloads_itself_ms: int = 0
    """Pages loaded from now on reload themselves after so many milliseconds, again and again."""
    sign_out_button: bool = False
    """Pages of signed-in students have a sign-out button. Whether the real portal has one is unknown."""
    other_buttons: bool = False
    """A card has "Подробнее" before its button, the sign-in form "Восстановить пароль"."""
    unknown_buttons: bool = False
    """The buttons of cards and of the sign-in form have captions that nobody has seen."""
    unknown_card: str = ""
    """On pages loaded from now on, the button of the lesson with this subject has such a caption, with its minutes."""
    password_expired: bool = False
    """After signing in the portal asks for a new password, with three password fields."""
    foreign_page: str | None = None
    """Every page load answers with a page that is not the portal's: one of ``FOREIGN_PAGES``."""
    heading: bool = False
    """On pages loaded from now on, a bold heading stands above each lesson's label, in the same card."""
    one_card: bool = False
    """On pages loaded from now on, all lessons are in one card."""
    vanish: bool = False
    """On pages loaded from now on, a marked lesson is not shown."""
    language: str = ""
    """Pages loaded from now on are in this language, whatever the cookie asks for; empty: as asked."""
    push: bool = False
    """Pages loaded from now on open a WebSocket, on which they receive live lessons without a reload."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply changes from the control API; ValueError, and no change at all, if any of them is wrong."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in fields:
                raise ValueError(f"unknown behaviour: {name}; known are {', '.join(fields)}")
            if name == "foreign_page":
                if value is not None and value not in FOREIGN_PAGES:
                    raise ValueError(f"foreign_page must be null or one of {', '.join(FOREIGN_PAGES)}")
            elif name == "status":
                if value is not None and (not _is_count(value) or not 400 <= value <= 599):
                    raise ValueError("status must be an HTTP error status such as 503, or null")
            elif name == "language" and value not in ("", *WORDS):
                raise ValueError(f"language must be empty or one of {', '.join(WORDS)}")
            elif isinstance(fields[name].default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} must be true or false")
            elif name == "window_kind" and value not in WINDOW_KINDS:
                raise ValueError(f"window_kind must be one of {', '.join(WINDOW_KINDS)}")
            elif isinstance(fields[name].default, str):
                if not isinstance(value, str):
                    raise ValueError(f"{name} must be a text")
            elif not _is_count(value):
                raise ValueError(f"{name} must be a whole number, zero or more")
        for name, value in changes.items():
            setattr(self, name, value)

    def use(self, counter: str) -> bool:
        """Decrement a counter; False if it was zero."""
        left: int = getattr(self, counter)
        if left > 0:
            setattr(self, counter, left - 1)
        return left > 0

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
