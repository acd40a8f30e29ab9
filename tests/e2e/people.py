"""Drivers for tests: people in Telegram, and the control APIs of Telegram and the portal."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from tests.waiting import PATIENCE, pauses

TOKEN = "1234567890:AAEhBOweik6ad6PsWZRcXjYZ0123456789a"
BOT = "attendance_test_bot"
ADMIN = 1001

Message = dict[str, Any]

PAUSES: dict[str, list[Callable[..., Any]]] = {
    "request": [lambda _request: pauses()],
    "response": [lambda _response: pauses()],
}
"""For the clients with which tests act and look: where asked for, they are late (see tests/waiting.py)."""


class Telegram:
    """The Telegram simulator's control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/control", timeout=PATIENCE + 30, trust_env=False, event_hooks=PAUSES)

    def call(self, path: str, **body: Any) -> Any:
        """POST to the control API; fails with its error text."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def taps_at_once(self, bot: str, person: int, message: int, buttons: Sequence[str], forged: bool = False) -> None:
        """Tap buttons of a message, given by label or data, before the bot can react to one of them."""
        self.call("/tap", bot=bot, person=person, message_id=message, button=buttons, forged=forged)

    def get(self, path: str, **params: Any) -> Any:
        """GET from the control API."""
        return self.http.get(path, params=params).raise_for_status().json()

    def unanswered_taps(self) -> list[Any]:
        """Return the taps that the bot never answered."""
        found: list[Any] = self.get("/taps", unanswered=1)
        return found

    def refused_calls(self) -> list[Any]:
        """Return the bot's calls that Telegram refused, except "not modified", which a bot can't avoid."""
        return [
            call
            for call in self.get("/calls")
            if call["status"] not in (None, 200) and "not modified" not in (call.get("error") or "")
        ]


class Portal:
    """The control API, which both portals share."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = f"{url}/RegistrationOnline"
        self.http = httpx.Client(base_url=f"{url}/control", timeout=PATIENCE, trust_env=False, event_hooks=PAUSES)

    def close(self) -> None:
        self.http.close()

    def reset(self) -> None:
        """Delete all state."""
        self.http.post("/reset", json={}).raise_for_status()

    def has_student(self, username: str, password: str, blocked: str | None = None) -> None:
        """Add or change a student."""
        body = {"username": username, "password": password, "blocked": blocked}
        self.http.post("/students", json=body).raise_for_status()

    def opens(self, subject: str, time: str = "Л27 (15:00 - 16:00)", **more: Any) -> int:
        """Open a lesson and return its number."""
        body = {"subject": subject, "teacher": "Ivanov I. I.", "time": time, **more}
        number: int = self.http.post("/lessons", json=body).raise_for_status().json()["id"]
        return number

    def closes(self, lesson: int) -> None:
        """Close a lesson."""
        self.http.delete(f"/lessons/{lesson}").raise_for_status()

    def expires(self) -> None:
        """End all sessions."""
        self.http.post("/expire", json={}).raise_for_status()

    def behaves(self, **behaviour: Any) -> None:
        """Change the portal's behaviour, see sandbox/portal/behaviour.py."""
        self.http.post("/behaviour", json=behaviour).raise_for_status()

    def marks(self) -> list[tuple[int, str]]:
        """Return the server's marks as (lesson, username)."""
        return [(m["lesson"], m["username"]) for m in self.http.get("/marks").raise_for_status().json()]

    def events(self, event: str) -> list[Any]:
        """Return the log's entries of one kind."""
        log = self.http.get("/log", params={"since": 0}).raise_for_status().json()
        return [entry for entry in log if entry["event"] == event]


@contextmanager
def marker_telegram(url: str) -> Iterator[Telegram]:
    """Yield a Telegram with the marker's bot registered and no messages."""
    telegram = Telegram(url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    try:
        yield telegram
    finally:
        telegram.http.close()


@contextmanager
def empty_portal(url: str) -> Iterator[Portal]:
    """Yield a portal without students and lessons."""
    portal = Portal(url)
    portal.reset()
    try:
        yield portal
    finally:
        portal.close()


class Person:
    """A person in a chat with a bot."""

    def __init__(self, telegram: Telegram, number: int, name: str, language: str = "en", bot: str = BOT) -> None:
        self.number = number
        self._bot = bot
        self._telegram = telegram
        telegram.call("/people", id=number, first_name=name, language_code=language)

    def says(self, text: str) -> int:
        """Send a text; returns the message's id."""
        number: int = self._telegram.call("/send", bot=self._bot, person=self.number, text=text)["message_id"]
        return number

    def sends(self, **content: Any) -> int:
        """Send another content, such as ``location={...}``; returns the message's id."""
        number: int = self._telegram.call("/send", bot=self._bot, person=self.number, **content)["message_id"]
        return number

    def edits(self, message: int, text: str) -> None:
        """Edit a message of this person."""
        self._telegram.call("/edit", bot=self._bot, person=self.number, message_id=message, text=text)

    def screen(self) -> list[Message]:
        """Return the messages in the chat."""
        messages: list[Message] = self._chat()["messages"]
        return messages

    def waits(self, what: str, until: Callable[[list[Message]], Any], patience: float = PATIENCE) -> Any:
        """Wait until a condition on the chat's messages is true; returns its result."""
        deadline = time.monotonic() + patience
        version: int | None = None
        while True:
            left = deadline - time.monotonic()
            chat = self._chat(version, min(max(left, 0.1), 20))
            version = chat["version"]
            found = until(chat["messages"])
            if found:
                return found
            if left <= 0:
                raise AssertionError(f"waited {patience:g} s for {what}; in the chat:\n{_drawn(chat['messages'])}")

    def sees(self, text: str, patience: float = PATIENCE) -> Message:
        """Wait for a bot message that contains a text; returns the newest one."""

        def newest(messages: list[Message]) -> Message | None:
            return next((m for m in reversed(messages) if m["from"] == "bot" and text in (m["text"] or "")), None)

        found: Message = self.waits(f"'{text}'", newest, patience)
        return found

    def taps(self, label: str) -> None:
        """Wait for a button with this label, and tap the newest one; look again if it vanishes before the tap."""

        def button(messages: list[Message]) -> Message | None:
            return next((m for m in reversed(messages) if label in labels(m)), None)

        while True:
            number = self.waits(f"the button '{label}'", button)["message_id"]
            tap = {"bot": self._bot, "person": self.number, "message_id": number, "button": label}
            answer = self._telegram.http.post("/tap", json=tap)
            if answer.is_success:
                return
            shown = next((m for m in self.screen() if m["message_id"] == number), None)
            assert shown is None or label not in labels(shown), answer.text

    def forges(self, data: str) -> None:
        """Tap a button that this person was never shown, as a forged client can, on the newest bot message."""
        while True:
            number = next(m for m in reversed(self.screen()) if m["from"] == "bot")["message_id"]
            tap = {"bot": self._bot, "person": self.number, "message_id": number, "button": data, "forged": True}
            answer = self._telegram.http.post("/tap", json=tap)
            if answer.is_success:
                return
            assert number not in {m["message_id"] for m in self.screen()}, answer.text  # deleted before the tap

    def toast(self) -> str:
        """Return the text with which the last tap was answered."""
        answer = self._chat()["last_answer"]
        return str(answer["text"]) if answer else ""

    def reads_toast(self, text: str) -> None:
        """Wait until a tap is answered with this text, or, on a slow machine, with the one for work that takes long."""
        eventually(f"the toast '{text}'", lambda: self.toast().startswith((text, "One moment...")))

    def counts(self, text: str) -> int:
        """Return how many bot messages contain a text now."""
        return sum(text in (m["text"] or "") for m in self.screen() if m["from"] == "bot")

    def _chat(self, since: int | None = None, timeout: float = 0) -> Any:
        more = {} if since is None else {"since": since, "timeout": timeout}
        return self._telegram.get("/chat", bot=self._bot, person=self.number, **more)


def labels(message: Message) -> list[str]:
    """Return the labels of a message's buttons."""
    return [button["text"] for row in message.get("buttons") or [] for button in row]


def _drawn(messages: list[Message]) -> str:
    return "\n".join(f"{m['from']}: {m['text']!r} {labels(m)}" for m in messages[-8:])


def eventually(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Poll until a condition is true; returns its result."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.05)
    pauses()
    return found


def code_in(text: str) -> str:
    """Return the invitation code in a text."""
    found = re.search(r"\b[A-HJ-NP-Z2-9]{8}\b", text)
    assert found, text
    return found.group()
