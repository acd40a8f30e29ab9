"""What the events of a round trip do: sign in, mark, confirm, switch the language.

Guesses, where nothing is known of the portal: "remember me" has no effect; a flag sets the language cookie
for a year and reloads; home reloads; several sessions of one student are fine; the session keeps its id at
sign-in; a student blocked meanwhile learns of it at the next click or load; a click on a lesson that has closed
takes its card away; whatever a mark changes, the whole page is drawn anew; a refusal leaves the form as it was;
a signed-in student's page does not tell its device id.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.portal.behaviour import Behaviour
from sandbox.portal.sessions import Session, SessionLost, Sessions, Ui, View
from sandbox.portal.views import page_state
from sandbox.portal.words import WORDS
from sandbox.portal.world import World, student_key


class BadMessage(ValueError):
    """What came is no message of this portal's client."""


@dataclass
class Answer:
    """What a round trip brings back: the page's state, and where asked for a reload in another language."""

    state: dict[str, Any] = field(default_factory=dict)
    reload: bool = False
    locale: str | None = None


class Desk:
    """The portal's own logic: it serves one UI at a time and decides everything."""

    def __init__(self, world: World, sessions: Sessions, behaviour: Behaviour) -> None:
        self._world = world
        self._sessions = sessions
        self._behaviour = behaviour

    def open_ui(self, session: Session, tab: str, locale: str) -> Ui:
        """A new page: what it shows is settled now, and stays until a round trip or a push changes it."""
        ui = self._sessions.add_ui(session, tab, locale, self._view_for(session), self._behaviour.push)
        if ui.view == "login":
            # The form is drawn only after the device has told its id: [M] in the facts.
            ui.drawn = False
        elif ui.view == "blocked":
            self._world.log("blocked", self._world.username(session.student))
        elif session.student is not None:
            ui.sign_out = self._behaviour.sign_out_button
            ui.shown = [lesson.id for lesson in self._world.open_for(session.student)]
        return ui

    def state(self, session: Session, ui: Ui) -> dict[str, Any]:
        """The page's whole state, with a number by which the client tells new from old."""
        ui.sync_id += 1
        return {"syncId": ui.sync_id, **page_state(session, ui, self._world)}

    def initial_state(self, session: Session, ui: Ui) -> dict[str, Any]:
        """The state that a page is first drawn from, with the kinds of its connectors, as Vaadin names them."""
        state = self.state(session, ui)
        return {"Vaadin-Security-Key": secrets.token_hex(8), "types": ui.types(), **state}

    def pushed_state(self, session: Session, ui: Ui) -> dict[str, Any] | None:
        """The state to push to an open page, where live lessons changed it; else None."""
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

    def answer(self, session: Session, ui: Ui, body: bytes) -> Answer:
        """Do what the client's message asks for and give the page's new state.

        Raises SessionLost where that ended the session, or BadMessage.
        """
        number, events = _read(body)
        answer = Answer()
        # The same message again, after a lost connection, is answered but not done twice.
        if number > ui.client_id:
            ui.client_id = number
            for event in events:
                self._handle(session, ui, event, answer)
        answer.state = self.state(session, ui) | {"reload": answer.reload}
        return answer

    def _handle(self, session: Session, ui: Ui, event: dict[str, Any], answer: Answer) -> None:
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
            # Its effect on the portal is unknown, so it has none here.
            ui.remember_me = value

    def _username(self, ui: Ui, typed: str) -> None:
        if typed != ui.username:
            ui.username = typed
            ui.usernames += [typed] if typed and typed not in ui.usernames else []
            ui.filter = ""
            ui.username_painted += 1

    def _click(self, session: Session, ui: Ui, key: str, answer: Answer) -> None:
        name, _, argument = key.partition(":")
        if name == "sign_in" and ui.window is None:
            self._sign_in(session, ui, answer)
        elif name == "mark" and ui.window is None:
            self._mark_button(session, ui, int(argument))
        elif name == "confirm.yes" and ui.window is not None and ui.window.startswith("confirm:"):
            lesson = int(ui.window.removeprefix("confirm:"))
            ui.window = None
            self._world.log("confirmed", self._world.username(session.student), lesson)
            self._mark(session, ui, lesson)
        elif name == "confirm.no":
            ui.window = None
        elif name == "home":
            answer.reload = True
        elif name == "sign_out":
            self._world.log("signed_out", self._world.username(session.student))
            session.student = None
            answer.reload = True
        elif name == "locale" and argument in WORDS:
            answer.locale = argument
            answer.reload = True

    def _sign_in(self, session: Session, ui: Ui, answer: Answer) -> None:
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
            ui.window = f"confirm:{lesson}"
            self._world.log("confirm_asked", name, lesson)
        else:
            self._mark(session, ui, lesson)

    def _mark(self, session: Session, ui: Ui, lesson: int) -> None:
        student = session.student or ""
        if self._world.students[student].blocked is not None:
            ui.view = "blocked"
            self._world.log("blocked", self._world.username(student), lesson)
        elif self._world.mark(lesson, student):
            if self._behaviour.use("expire_after_mark"):
                self._sessions.drop(session, "after a mark")
                raise SessionLost
        elif not self._world.is_marked(lesson, student):
            # It has closed meanwhile: that the card goes at once is a guess.
            ui.shown = [each for each in ui.shown if each != lesson]
        ui.redraw()


def _read(body: bytes) -> tuple[int, list[dict[str, Any]]]:
    """The number and the events of a client's message."""
    try:
        message = json.loads(body)
        number, events = int(message["clientId"]), list(message["rpc"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadMessage("not a message of this portal's client") from error
    if not all(isinstance(event, dict) for event in events):
        raise BadMessage("each event must be an object")
    return number, events
