"""The event log: what crossed the borders between bot.py and Telegram, the portal and the LMS, by person.

What a person types is never shown, only its length: it may be a password, or a code that is still valid. Of the bot's
texts the beginning is shown without codes, links and known passwords.
"""

import itertools
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.cast import BOTS, Cast
from sandbox.lms.world import LmsWorld
from sandbox.portal.world import PortalWorld
from sandbox.telegram.journal import Call
from sandbox.telegram.world import Json, TelegramWorld

LONGEST = 90  # characters of a text
HIDDEN = "•••"
BOT, TELEGRAM, PORTAL, LMS = "bot.py", "Telegram", "portal", "LMS"
# A link's start parameter; codes of six digits or more; invitation and move codes: eight and more of capitals, digits,
# one in ten of which has no digit.
_SECRETS = re.compile(
    r"(?<=start=)[\w-]+|\b\d(?:[\s-]?\d){5,}\b|\b(?=[A-Z\d-]*\d)[A-Z\d][A-Z\d-]{6,}[A-Z\d]\b|\b[A-Z\d]{8,}\b"
)
_TAGS = re.compile(r"<[^>]+>")
_QUIET_CALLS = {
    "getupdates", "getme", "setmycommands", "deletemycommands", "getmycommands", "setmydescription", "getwebhookinfo",
    "setmyshortdescription", "getmydescription", "getmyshortdescription", "setchatmenubutton", "deletewebhook",
    "sendchataction", "getchat", "getchatmenubutton",
}  # fmt: skip
_SENDS = {
    "sendmessage": "sends", "sendphoto": "sends a picture", "senddocument": "sends a document",
    "sendmediagroup": "sends an album", "editmessagetext": "edits", "editmessagecaption": "edits a picture's caption",
    "editmessagemedia": "edits a picture", "editmessagereplymarkup": "edits the buttons",
    "deletemessage": "deletes a message", "setmessagereaction": "reacts", "answercallbackquery": "answers the tap",
    "getfile": "asks for a file",
}  # fmt: skip
_SHARED = {
    "contact": "a phone number", "location": "a location", "video_note": "a video note", "photo": "a photo",
    "document": "a document",
}  # fmt: skip
_PORTAL_WORDS = {
    "page_load": "loads the page",
    "sign_in_click": "signs in", "signed_in": "lets the student in",
    "refused": "refuses the password", "click": "clicks the lesson's button", "marked": "marks attendance",
    "swallowed": "ignores the click", "expired": "ends the session", "session_not_found": "knows no such session",
    "opened": "opens a lesson", "closed": "closes a lesson", "too_late": "refuses: the lesson has closed",
    "already_marked": "says: marked already", "confirmed": "confirms", "confirm_asked": "asks to confirm",
    "signed_out": "signs out",
    "seen": "shows the open lesson", "blocked": "shows that the student is blocked", "checked_again": "asks once more",
}  # fmt: skip
_FROM_BOT = {"page_load", "sign_in_click", "click", "confirmed", "signed_out"}
_PORTAL_QUIET = {"heartbeat", "device"}


class BorderLog:
    """Reads the simulators' journals from where it last ended."""

    def __init__(self, telegram: TelegramWorld, portal: PortalWorld, lms: LmsWorld, cast: Cast) -> None:
        self._telegram, self._portal, self._lms, self._cast = telegram, portal, lms, cast
        self._running: dict[int, Call] = {}
        self._updates_seen: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """Begin again with the simulators' new journals."""
        self._numbers = itertools.count(1)
        self._calls_seen = self._portal_seen = self._lms_seen = 0
        self._running.clear()
        self._updates_seen.clear()

    def news(self) -> list[Json]:
        """The new entries, in the order of their times."""
        found = [*self._from_telegram(), *self._from_portal(), *self._from_lms()]
        found.sort(key=lambda entry: datetime.fromisoformat(entry["at"]))
        return [{"n": next(self._numbers), **entry} for entry in found]

    # Telegram

    def _from_telegram(self) -> Iterator[Json]:
        newer = itertools.takewhile(lambda call: call.n > self._calls_seen, reversed(self._telegram.journal.calls))
        for call in reversed(list(newer)):
            self._calls_seen = call.n
            self._running[call.n] = call
        for call in [call for call in self._running.values() if call.seconds is not None]:
            del self._running[call.n]
            if call.method.lower() == "getupdates":
                yield from self._updates(call)
            elif call.method.lower() not in _QUIET_CALLS or call.error:
                yield self._of_call(call)

    def _of_call(self, call: Call) -> Json:
        method = call.method.lower()
        chat = call.params.get("chat_id")
        person = self._name(chat)
        if method == "answercallbackquery":
            person = self._tapper(str(call.params.get("callback_query_id")))
        text = _SENDS.get(method, call.method)
        said = call.params.get("text") or call.params.get("caption")
        if isinstance(said, str) and said:
            text += f": {self._masked(said)}"
        kind = "call"
        if call.error is not None and "message is not modified" in call.error:
            text += " (nothing has changed)"
        elif call.error is not None:
            text, kind = f"{text} -> {call.status or 'no answer'} {self._masked(call.error)}", "error"
        return _entry(call.at, self._bot_name(call.bot), TELEGRAM, person, text, kind)

    def _updates(self, call: Call) -> Iterator[Json]:
        if call.error is not None and call.status is not None:
            yield _entry(call.at, self._bot_name(call.bot), TELEGRAM, "", f"asks for news -> {call.error}", "error")
        for update in call.result or []:
            number, bot = update["update_id"], call.bot or ""
            if number <= self._updates_seen.get(bot, 0):
                continue  # delivered again
            self._updates_seen[bot] = number
            kind, payload = next((name, value) for name, value in update.items() if name != "update_id")
            sender = payload.get("from", {}).get("id")
            # the poll began earlier: the update crosses when it ends
            at = (datetime.fromisoformat(call.at) + timedelta(seconds=call.seconds or 0)).isoformat()
            text = self._of_update(kind, payload)
            yield _entry(at, TELEGRAM, self._bot_name(bot), self._name(sender), text, "update")

    def _of_update(self, kind: str, payload: Json) -> str:
        if kind == "callback_query":
            return f"taps {self._label(str(payload.get('id')))}"
        if kind == "my_chat_member":
            return "blocks the bot" if payload["new_chat_member"]["status"] == "kicked" else "unblocks the bot"
        begins = "edits: " if kind == "edited_message" else ""
        text = payload.get("text")
        if text is None:
            shared = [words for name, words in _SHARED.items() if name in payload]
            return f"{begins}sends {shared[0] if shared else 'something'}"
        command = text.split()[0] if text.startswith("/") else ""
        if command:
            return f"{begins}sends {self._masked(command)}" + (f" {HIDDEN}" if len(text.split()) > 1 else "")
        if self._is_button(payload, text):
            return f"{begins}presses {text}"
        return f"{begins}types {len(text)} characters"

    def _is_button(self, payload: Json, text: str) -> bool:
        """Whether a text is the label of a button that the bot has shown to anybody."""
        person = payload.get("from", {}).get("id")
        for bot in self._telegram.bots.values():
            keyboard = bot.screens[person].reply_keyboard if person in bot.screens else None
            if keyboard and any(button["text"] == text for row in keyboard["keyboard"] for button in row):
                return True
        return False

    def _label(self, tap_id: str) -> str:
        tap = self._telegram.taps.find(tap_id)
        return self._masked(tap.label) if tap else "a button"

    def _tapper(self, tap_id: str) -> str:
        tap = self._telegram.taps.find(tap_id)
        return self._name(tap.person) if tap else ""

    # portal and LMS

    def _from_portal(self) -> Iterator[Json]:
        events = self._portal.log_since(self._portal_seen)
        self._portal_seen += len(events)
        by_login = {each.portal[0]: each.name for each in self._cast.people.values() if each.portal is not None}
        for event in events:
            name = event["event"]
            if name in _PORTAL_QUIET:
                continue
            text = _PORTAL_WORDS.get(name, name.replace("_", " "))
            lesson = self._portal.lessons.get(event.get("lesson", 0))
            text += f": {lesson.subject}" if lesson is not None else ""
            if name in ("expired", "closed") or (name == "page_load" and "detail" in event):
                text += f" ({event['detail']})"
            way = (BOT, PORTAL) if name in _FROM_BOT else (PORTAL, BOT)
            kind = "load" if name in ("page_load", "seen") else "portal"  # each reload has them
            kind = "error" if name in ("refused", "expired", "swallowed", "too_late", "session_not_found") else kind
            username = event.get("username", "")
            yield _entry(event["at"], *way, by_login.get(username, username), self._masked(text), kind)

    def _from_lms(self) -> Iterator[Json]:
        calls = self._lms.calls[self._lms_seen :]
        self._lms_seen += len(calls)
        by_email = {each.lms[0]: each.name for each in self._cast.people.values() if each.lms is not None}
        for call in calls:
            text = f"{call['call']} -> {call['status'] or 'no answer'}"
            if call["detail"]:
                text += f" ({self._masked(call['detail'])})"
            kind = "lms" if 200 <= call["status"] < 300 else "error"
            yield _entry(call["at"], BOT, LMS, by_email.get(call["email"] or "", ""), text, kind)

    # words

    def _masked(self, text: str) -> str:
        """The beginning of a text in one line, without tags and secrets."""
        text = " ".join(_TAGS.sub("", text).split())
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        text = _SECRETS.sub(HIDDEN, text)
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    def _secrets(self) -> set[str]:
        passwords = {each.password for each in self._portal.students.values()}
        passwords |= {each.password for each in self._lms.teachers.values()}
        return {each for each in passwords | set(self._telegram.bots) if each}

    def _name(self, person: Any) -> str:
        known = self._telegram.people.get(person) if isinstance(person, int) else None
        return known.first_name if known is not None else ""

    def _bot_name(self, username: str | None) -> str:
        """The bot's process, and which of its bots."""
        kind = next((each.kind for each in BOTS.values() if each.username == username), "")
        return f"{BOT} ({kind})" if kind else BOT


def _entry(at: str, sender: str, receiver: str, person: str, text: str, kind: str) -> Json:
    return {"at": at, "from": sender, "to": receiver, "person": person, "text": text, "kind": kind}
