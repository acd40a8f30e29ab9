"""Sessions and their UIs on the simulated portal's server, as in Vaadin 7.

Each page load creates a UI. The next load in the same tab replaces it, since a tab keeps its `window.name`; the UI
of a closed tab stays until it has sent no heartbeat for 3.1 intervals. A session ends when idle for its time-out, or
when it is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sandbox.portal.world import Clock, PortalWorld

View = Literal["login", "blocked", "password expired", "unknown", "attendance"]


class SessionLost(Exception):
    """The session or UI of this round trip does not exist (any more)."""


@dataclass(eq=False)
class Ui:
    """The server's state of one page in one browser."""

    id: int
    tab: str
    locale: str
    view: View
    push: bool
    heartbeat: float
    next_connector: int
    drawn: bool = True
    username: str = ""
    """The value of the combo box. Earlier values stay in its list."""
    usernames: list[str] = field(default_factory=list)
    filter: str = ""
    username_painted: int = 0
    """Counts the answers that paint the combo box; its widget ignores all others."""
    password: str = field(default="", repr=False)
    remember_me: bool = False
    window: str | None = None
    """Its kind, and after a colon the lesson to confirm or its words."""
    confirm_buttons: str = ""
    shown: list[int] = field(default_factory=list)
    """The lessons on the page. Others need a reload, unless they are live and the page has push."""
    sign_out: bool = False
    other_buttons: bool = False
    unknown_buttons: bool = False
    unknown_card: str = ""
    heading: bool = False
    one_card: bool = False
    vanish: bool = False
    seen: set[int] = field(default_factory=set)
    sync_id: int = 0
    client_id: int = -1
    _ids: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    @property
    def is_covered(self) -> bool:
        """Whether a modal window lies over the page."""
        return self.window is not None and not self.window.startswith("notice:")

    def connector(self, key: str) -> str:
        """The connector id of the component with this key."""
        if key not in self._ids:
            self._ids[key] = str(self.next_connector)
            self._keys[str(self.next_connector)] = key
            self.next_connector += 1
        return self._ids[key]

    def key_of(self, connector: str) -> str | None:
        """The key of the component with this connector id; None if the id is older than the last redraw."""
        return self._keys.get(connector)

    def types(self) -> dict[str, str]:
        """The component type of each connector on the page."""
        return {connector: key.split(":")[0] for connector, key in self._keys.items()}

    def redraw(self) -> None:
        """Give every component a new connector id, so that the page replaces its nodes."""
        self._ids.clear()
        self._keys.clear()


@dataclass(eq=False)
class Session:
    """One JSESSIONID. `student` is the key of the signed-in student."""

    id: str
    route: str
    last_request: float
    student: str | None = None
    device: str | None = None
    uis: dict[int, Ui] = field(default_factory=dict)
    next_ui: int = 0
    loads: int = 0
    """Page loads while signed in, counted where they end the session."""


class Sessions:
    """All sessions of the server."""

    def __init__(
        self,
        world: PortalWorld,
        clock: Clock,
        ui_lifetime: float,
        idle_timeout: float,
        token: Callable[[], str],
        numbers: random.Random,
    ) -> None:
        self._world = world
        self._clock = clock
        self._ui_lifetime = ui_lifetime
        self._idle_timeout = idle_timeout
        self._token = token
        self._numbers = numbers
        self._sessions: dict[str, Session] = {}
        self.on_drop: Callable[[Session], None] = lambda _: None

    def find(self, session_id: str | None, route: str | None) -> Session | None:
        """The session of these cookies, if it exists and `route` matches."""
        self.sweep()
        session = self._sessions.get(session_id or "")
        if session is None or session.route != route:
            return None
        session.last_request = self._clock.monotonic()
        return session

    def create(self) -> Session:
        """A new session without a student."""
        session = Session(self._token(), self._token(), self._clock.monotonic())
        self._sessions[session.id] = session
        return session

    def add_ui(self, session: Session, tab: str, locale: str, view: View, push: bool) -> Ui:
        """Add a UI for a page that is loading. Its connector ids begin at a random number."""
        session.uis = {number: ui for number, ui in session.uis.items() if ui.tab != tab}
        ui = Ui(
            id=session.next_ui,
            tab=tab,
            locale=locale,
            view=view,
            push=push,
            heartbeat=self._clock.monotonic(),
            next_connector=self._numbers.randrange(1, 400),
        )
        session.next_ui += 1
        session.uis[ui.id] = ui
        return ui

    def drop(self, session: Session, why: str) -> None:
        """End a session; its pages notice at their next round trip or heartbeat, with push at once."""
        if self._sessions.pop(session.id, None) is not None:
            self._world.log("expired", self._world.username(session.student), detail=why)
            self.on_drop(session)

    def drop_all(self, student: str | None, why: str) -> int:
        """End the sessions of the student with this key, or all; returns how many."""
        chosen = [each for each in self._sessions.values() if student is None or each.student == student]
        for session in chosen:
            self.drop(session, why)
        return len(chosen)

    def clear(self) -> None:
        """End all sessions without an entry in the log."""
        dropped = self.all()
        self._sessions.clear()
        for session in dropped:
            self.on_drop(session)

    def sweep(self) -> None:
        """Delete dead UIs and idle sessions. Called on every request, since there are few of them."""
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            for ui in [each for each in session.uis.values() if now - each.heartbeat > self._ui_lifetime]:
                del session.uis[ui.id]
            if now - session.last_request > self._idle_timeout:
                self.drop(session, "idle")

    def all(self) -> list[Session]:
        """The current sessions."""
        return list(self._sessions.values())
