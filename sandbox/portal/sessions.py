"""Sessions and their UIs on the simulated portal's server, as Vaadin 7 keeps them.

Each page load makes a UI. The next load in the same tab takes its place, since a tab keeps its `window.name`; the
UI of a closed tab stays until its heartbeats have been missing for 3.1 intervals. A session goes when nothing has
been heard of it for its time-out, or when somebody drops it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sandbox.portal.world import Clock, World

View = Literal["login", "blocked", "unknown", "attendance"]


class SessionLost(Exception):
    """This round trip has no session, or no UI, on the server (any more)."""


@dataclass(eq=False)
class Ui:
    """One page in one browser, as the server remembers it."""

    id: int
    tab: str
    locale: str
    view: View
    push: bool
    heartbeat: float
    next_connector: int
    drawn: bool = True
    username: str = ""
    """The value of the combo box. What was typed there before stays in its list."""
    usernames: list[str] = field(default_factory=list)
    filter: str = ""
    username_painted: int = 0
    """Counts the answers in which the combo box is painted: its widget takes over nothing from the others."""
    password: str = field(default="", repr=False)
    remember_me: bool = False
    window: str | None = None
    shown: list[int] = field(default_factory=list)
    sign_out: bool = False
    """The lessons on the page. Others wait for a reload, unless they are live and the page has push."""
    seen: set[int] = field(default_factory=set)
    sync_id: int = 0
    client_id: int = -1
    _ids: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    def connector(self, key: str) -> str:
        """The connector id of the component known to us by this key."""
        if key not in self._ids:
            self._ids[key] = str(self.next_connector)
            self._keys[str(self.next_connector)] = key
            self.next_connector += 1
        return self._ids[key]

    def key_of(self, connector: str) -> str | None:
        """The component behind a connector id, None for one from before the last re-draw."""
        return self._keys.get(connector)

    def types(self) -> dict[str, str]:
        """The connectors on the page, with what each is."""
        return {connector: key.split(":")[0] for connector, key in self._keys.items()}

    def redraw(self) -> None:
        """Let every component be made anew: the page's old nodes go stale."""
        self._ids.clear()
        self._keys.clear()


@dataclass(eq=False)
class Session:
    """One JSESSIONID. `student` is the key of who has signed in."""

    id: str
    route: str
    last_request: float
    student: str | None = None
    device: str | None = None
    uis: dict[int, Ui] = field(default_factory=dict)
    next_ui: int = 0


class Sessions:
    """All sessions of the server."""

    def __init__(
        self,
        world: World,
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
        """The session these cookies belong to. Without its sticky `route` it cannot be found."""
        self.sweep()
        session = self._sessions.get(session_id or "")
        if session is None or session.route != route:
            return None
        session.last_request = self._clock.monotonic()
        return session

    def create(self) -> Session:
        """A new session that nobody has signed in to."""
        session = Session(self._token(), self._token(), self._clock.monotonic())
        self._sessions[session.id] = session
        return session

    def add_ui(self, session: Session, tab: str, locale: str, view: View, push: bool) -> Ui:
        """A UI for a page that is loading now. Its connector ids begin anywhere, never twice at the same."""
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
        """Forget a session; its pages learn of it at their next round trip or heartbeat, with push at once."""
        if self._sessions.pop(session.id, None) is not None:
            self._world.log("expired", self._world.username(session.student), detail=why)
            self.on_drop(session)

    def drop_all(self, student: str | None, why: str) -> int:
        """Drop the sessions of the student with this key, or everybody's; answers how many."""
        chosen = [each for each in self._sessions.values() if student is None or each.student == student]
        for session in chosen:
            self.drop(session, why)
        return len(chosen)

    def clear(self) -> None:
        """Forget all sessions without a word in the log."""
        dropped = self.all()
        self._sessions.clear()
        for session in dropped:
            self.on_drop(session)

    def sweep(self) -> None:
        """Forget dead UIs and idle sessions. Cheap enough for every request: there are few of them."""
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            for ui in [each for each in session.uis.values() if now - each.heartbeat > self._ui_lifetime]:
                del session.uis[ui.id]
            if now - session.last_request > self._idle_timeout:
                self.drop(session, "idle")

    def all(self) -> list[Session]:
        """The sessions there are now."""
        return list(self._sessions.values())
