"""Executes the events of a round trip: sign in, mark, confirm, switch the language.

Guesses where the real portal is unknown: "remember me" has no effect; a flag sets the language cookie for a year
and reloads; home reloads; a student may have several sessions; the session keeps its id at sign-in; a student
blocked meanwhile sees it at the next click or load; a click on a closed lesson removes its card; after a mark the
whole page is redrawn; a refused sign-in leaves the form unchanged; a signed-in student's page sends no device id.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.portal.behaviour import PortalBehaviour
from sandbox.portal.sessions import Session, SessionLost, Sessions, Ui, View
from sandbox.portal.views import page_state
from sandbox.portal.words import WORDS
from sandbox.portal.world import PortalWorld, student_key


class BadMessage(ValueError):
    """The body is not a message of this portal's client."""


@dataclass
class RoundTripAnswer:
    """The answer of a round trip: the page's state, and optionally a reload in another language."""

    state: dict[str, Any] = field(default_factory=dict)
    reload: bool = False
    locale: str | None = None


class PortalLogic:
    """The portal's server-side logic, called for one UI at a time."""

    def __init__(self, world: PortalWorld, sessions: Sessions, behaviour: PortalBehaviour) -> None:
        self._world = world
        self._sessions = sessions
        self._behaviour = behaviour

    def open_ui(self, session: Session, tab: str, locale: str) -> Ui:
        """Create the UI of a new page. Its content changes only by a round trip or a push."""
        ui = self._sessions.add_ui(session, tab, locale, self._view_for(session), self._behaviour.push)
        ui.other_buttons, ui.unknown_buttons = self._behaviour.other_buttons, self._behaviour.unknown_buttons
        ui.unknown_card = self._behaviour.unknown_card
        if self._behaviour.window_on_load:
            ui.window = self._answer_window(self._behaviour.window_on_load)
        if ui.view == "login":
            # The form is drawn only after the browser has sent its device id: measured on the portal.
            ui.drawn = False
        elif ui.view == "blocked":
            self._world.log("blocked", self._world.username(session.student))
        elif session.student is not None:
            ui.sign_out = self._behaviour.sign_out_button
            ui.heading, ui.one_card = self._behaviour.heading, self._behaviour.one_card
            ui.vanish = self._behaviour.vanish
            ui.shown = [lesson.id for lesson in self._world.open_for(session.student)]
        return ui

    def state(self, session: Session, ui: Ui) -> dict[str, Any]:
        """The page's whole state, with a sequence number for the client."""
        ui.sync_id += 1
        return {"syncId": ui.sync_id, **page_state(session, ui, self._world)}

    def initial_state(self, session: Session, ui: Ui) -> dict[str, Any]:
        """The first state of a page, with its connector types under Vaadin's names."""
        state = self.state(session, ui)
        return {"Vaadin-Security-Key": secrets.token_hex(8), "types": ui.types(), **state}

    def pushed_state(self, session: Session, ui: Ui) -> dict[str, Any] | None:
        """The state to push to an open page, or None if live lessons did not change it."""
        if ui.view != "attendance" or session.student is None:
            return None
        open_now = self._world.open_for(session.student)
        live = {lesson.id for lesson in self._world.lessons.values() if lesson.live}
        shown = [each for each in ui.shown if each not in live or self._world.lessons[each].open]
        shown += [lesson.id for lesson in open_now if lesson.id in live and lesson.id not in shown]
        if shown == ui.shown:
            return None
        ui.shown = shown
        ui.redraw()
        return self.state(session, ui)

    def answer(self, session: Session, ui: Ui, body: bytes) -> RoundTripAnswer:
        """Execute the events of a client's message; returns the new state. Raises SessionLost or BadMessage."""
        number, events = _read(body)
        answer = RoundTripAnswer()
        # A message repeated after a lost connection is answered, but not executed twice.
        if number > ui.client_id:
            ui.client_id = number
            for event in events:
                self._handle(session, ui, event, answer)
        answer.state = self.state(session, ui) | {"reload": answer.reload}
        return answer

    def _handle(self, session: Session, ui: Ui, event: dict[str, Any], answer: RoundTripAnswer) -> None:
        kind, value = event.get("event"), event.get("value")
        key = ui.key_of(str(event.get("id"))) or ""
        if kind == "device" and isinstance(value, str):
            self._device(session, ui, value)
        elif kind == "filter" and key == "username" and isinstance(value, str):
            ui.filter = value.lower()
            ui.username_painted += 1
        elif kind == "value":
            self._value(ui, key, value)
        elif kind == "close" and key == "window":
            ui.window = None
        elif kind == "click":
            self._click(session, ui, key, answer)

    def _view_for(self, session: Session) -> View:
        student = self._world.students.get(session.student or "")
        if student is None:
            return "login"
        if student.blocked is not None:
            return "blocked"
        if self._behaviour.password_expired:
            return "password expired"
        return "unknown" if self._behaviour.unknown_view else "attendance"

    def _device(self, session: Session, ui: Ui, device: str) -> None:
        ui.drawn = True
        if session.device != device:
            session.device = device
            self._world.log("device", self._world.username(session.student), detail=device[:64])

    def _value(self, ui: Ui, key: str, value: object) -> None:
        if key == "username" and isinstance(value, str):
            self._username(ui, value)
        elif key == "password" and isinstance(value, str):
            ui.password = value
        elif key == "remember_me" and isinstance(value, bool):
            # No effect here, since its effect on the portal is unknown.
            ui.remember_me = value

    def _username(self, ui: Ui, typed: str) -> None:
        if typed != ui.username:
            ui.username = typed
            ui.usernames += [typed] if typed and typed not in ui.usernames else []
            ui.filter = ""
            ui.username_painted += 1

    def _click(self, session: Session, ui: Ui, key: str, answer: RoundTripAnswer) -> None:
        name, _, argument = key.partition(":")
        if name == "sign_in" and not ui.is_covered:
            self._sign_in(session, ui, answer)
        elif name == "mark" and not ui.is_covered:
            self._mark_button(session, ui, int(argument))
        elif name == "confirm.yes" and ui.window is not None and ui.window.startswith("confirm:"):
            lesson = int(ui.window.removeprefix("confirm:"))
            ui.window = None
            self._world.log("confirmed", self._world.username(session.student), lesson)
            self._mark(session, ui, lesson)
        elif name in ("details", "forgot"):
            self._world.log("wrong_button", self._world.username(session.student), detail=name)
        elif name in ("confirm.no", "message.ok"):
            ui.window = None
            self._world.log(name, self._world.username(session.student))
        elif name == "home":
            answer.reload = True
        elif name == "sign_out":
            self._world.log("signed_out", self._world.username(session.student))
            session.student = None
            answer.reload = True
        elif name == "locale" and argument in WORDS:
            answer.locale = argument
            answer.reload = True

    def _answer_window(self, words: str) -> str:
        return f"{self._behaviour.window_kind}:{words}"

    def _sign_in(self, session: Session, ui: Ui, answer: RoundTripAnswer) -> None:
        self._world.log("sign_in_click", self._world.username(student_key(ui.username)) or None)
        if self._behaviour.sign_in_answer:
            ui.window = self._answer_window(self._behaviour.sign_in_answer)
            return
        if self._behaviour.sign_in_ignored or self._behaviour.sign_in_comes_back:
            answer.reload = self._behaviour.sign_in_comes_back
            return
        student = self._world.sign_in(ui.username, ui.password)
        if student is None:
            ui.window = "refused"
            self._world.log("refused", self._world.username(student_key(ui.username)) or None)
            return
        session.student = student
        if self._world.students[student].blocked is None:
            self._world.log("signed_in", self._world.username(student))
        answer.reload = True

    def _mark_button(self, session: Session, ui: Ui, lesson: int) -> None:
        name = self._world.username(session.student)
        self._world.log("click", name, lesson)
        if self._behaviour.use("swallow_clicks"):
            self._world.log("swallowed", name, lesson)
        elif self._behaviour.use("expire_on_click"):
            self._sessions.drop(session, "at a click")
            raise SessionLost
        elif self._behaviour.confirm_dialog and not self._world.is_marked(lesson, session.student or ""):
            ui.window, ui.confirm_buttons = f"confirm:{lesson}", self._behaviour.confirm_buttons
            self._world.log("confirm_asked", name, lesson)
        else:
            self._mark(session, ui, lesson)

    def _mark(self, session: Session, ui: Ui, lesson: int) -> None:
        student = session.student or ""
        if self._behaviour.mark_answer:
            ui.window = self._answer_window(self._behaviour.mark_answer)
            if not self._behaviour.answer_with_mark:
                return
        if self._world.students[student].blocked is not None:
            ui.view = "blocked"
            self._world.log("blocked", self._world.username(student), lesson)
        elif self._world.mark(lesson, student):
            if self._behaviour.use("expire_after_mark"):
                self._sessions.drop(session, "after a mark")
                raise SessionLost
        elif not self._world.is_marked(lesson, student):
            # The lesson has closed meanwhile. That the card disappears at once is a guess.
            ui.shown = [each for each in ui.shown if each != lesson]
        ui.redraw()


def _read(body: bytes) -> tuple[int, list[dict[str, Any]]]:
    """Parse a client's message into its number and its events."""
    try:
        message = json.loads(body)
        number, events = int(message["clientId"]), list(message["rpc"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadMessage("not a message of this portal's client") from error
    if not all(isinstance(event, dict) for event in events):
        raise BadMessage("each event must be an object")
    return number, events
