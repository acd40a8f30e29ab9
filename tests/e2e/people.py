"""The driver of the e2e tests: people with a Telegram in their hand, a portal, the real bot.py in a process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from core.encryption import open_cipher
from storage import Mode, Storage
from tests.servers import ROOT

TOKEN = "1234567890:AAEhBOweik6ad6PsWZRcXjYZ0123456789a"
BOT = "attendance_test_bot"
ADMIN = 1001
# A generous limit on waiting, never a claim about speed (seconds).
PATIENCE = 45.0

Message = dict[str, Any]


class Telegram:
    """The Telegram simulator's control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/control", timeout=PATIENCE + 30, trust_env=False)

    def call(self, path: str, **body: Any) -> Any:
        """Tell the simulator something; an assertion error says why it refused."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        """Ask the simulator something."""
        return self.http.get(path, params=params).raise_for_status().json()

    def unanswered_taps(self) -> list[Any]:
        """Return the taps that the bot never answered."""
        found: list[Any] = self.get("/taps", unanswered=1)
        return found

    def refused_calls(self) -> list[Any]:
        """Return the bot's calls that Telegram refused, but for what a bot can't know beforehand."""
        return [
            call
            for call in self.get("/calls")
            if call["status"] not in (None, 200) and "not modified" not in (call.get("error") or "")
        ]


class Portal:
    """The control API that both portals share."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = f"{url}/RegistrationOnline"
        self.http = httpx.Client(base_url=f"{url}/control", timeout=30, trust_env=False)

    def reset(self) -> None:
        """Forget everything."""
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
        """Forget every session."""
        self.http.post("/expire", json={}).raise_for_status()

    def behaves(self, **behaviour: Any) -> None:
        """Change how it behaves."""
        self.http.post("/behaviour", json=behaviour).raise_for_status()

    def marks(self) -> list[tuple[int, str]]:
        """Return who is marked for which lesson: the server's own truth."""
        return [(m["lesson"], m["username"]) for m in self.http.get("/marks").raise_for_status().json()]

    def events(self, event: str) -> list[Any]:
        """Return the log's entries of one kind."""
        log = self.http.get("/log", params={"since": 0}).raise_for_status().json()
        return [entry for entry in log if entry["event"] == event]


class Person:
    """Somebody with a Telegram: says, taps, and sees what is on the screen."""

    def __init__(self, telegram: Telegram, number: int, name: str, language: str = "en", bot: str = BOT) -> None:
        self.number = number
        self._bot = bot
        self._telegram = telegram
        telegram.call("/people", id=number, first_name=name, language_code=language)

    def says(self, text: str) -> int:
        """Type a message and return its number."""
        number: int = self._telegram.call("/send", bot=self._bot, person=self.number, text=text)["message_id"]
        return number

    def sends(self, **content: Any) -> int:
        """Send something that is no text, such as ``location={...}``; return its number."""
        number: int = self._telegram.call("/send", bot=self._bot, person=self.number, **content)["message_id"]
        return number

    def edits(self, message: int, text: str) -> None:
        """Edit an own message."""
        self._telegram.call("/edit", bot=self._bot, person=self.number, message_id=message, text=text)

    def screen(self) -> list[Message]:
        """Return the messages on the screen."""
        messages: list[Message] = self._chat()["messages"]
        return messages

    def waits(self, what: str, until: Callable[[list[Message]], Any], patience: float = PATIENCE) -> Any:
        """Wait until a condition holds on the screen, and return what it returned."""
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
                raise AssertionError(f"waited {patience:g} s for {what}; on the screen:\n{_drawn(chat['messages'])}")

    def sees(self, text: str, patience: float = PATIENCE) -> Message:
        """Wait until a message of the bot's contains a text; return the newest such message."""

        def newest(messages: list[Message]) -> Message | None:
            return next((m for m in reversed(messages) if m["from"] == "bot" and text in (m["text"] or "")), None)

        found: Message = self.waits(f"'{text}'", newest, patience)
        return found

    def taps(self, label: str) -> None:
        """Wait until a button is on the screen, and tap the newest one with this label."""

        def button(messages: list[Message]) -> Message | None:
            return next((m for m in reversed(messages) if label in labels(m)), None)

        message = self.waits(f"the button '{label}'", button)
        self._telegram.call("/tap", bot=self._bot, person=self.number, message_id=message["message_id"], button=label)

    def counts(self, text: str) -> int:
        """Return how many messages of the bot's contain a text now."""
        return sum(text in (m["text"] or "") for m in self.screen() if m["from"] == "bot")

    def _chat(self, since: int | None = None, timeout: float = 0) -> Any:
        more = {} if since is None else {"since": since, "timeout": timeout}
        return self._telegram.get("/chat", bot=self._bot, person=self.number, **more)


def labels(message: Message) -> list[str]:
    """Return the labels of a message's buttons."""
    return [button["text"] for row in message.get("buttons") or [] for button in row]


def _drawn(messages: list[Message]) -> str:
    return "\n".join(f"{m['from']}: {m['text']!r} {labels(m)}" for m in messages[-8:])


class BotProcess:
    """The real bot.py in a process of its own, with a clean environment."""

    def __init__(self, data: Path, telegram: Telegram, portal: Portal, **settings: str) -> None:
        self.data = data
        passed_on = ("PATH", "HOME", "LANG", "CHROME_BIN", "CHROMEDRIVER_PATH", "SSL_CERT_FILE")
        self.environment = {name: os.environ[name] for name in passed_on if name in os.environ} | {
            "ENV_FILE": "",
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "ADMIN_TELEGRAM_ID": str(ADMIN),
            "TELEGRAM_API_URL": telegram.url,
            "PORTAL_URL": portal.address,
            "REFRESH_INTERVAL": "2",
            "DATA_DIR": str(data / "data"),
            "ENCRYPTION_KEY_FILE": str(data / "secrets" / "encryption.key"),
            "LOG_LEVEL": "DEBUG",
            **settings,
        }
        self.log_file = data / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def seed(
        self, number: int, username: str, password: str, mode: Mode = "automatic", monitoring: bool = False
    ) -> None:
        """Register a student before the bot runs, as an earlier process would have."""
        cipher = open_cipher(None, self.data / "secrets" / "encryption.key", may_create=True)
        storage = Storage(self.data / "data", cipher)
        storage.redeem(storage.create_invitation(ADMIN), number, username, password)
        storage.set_mode(number, mode)
        storage.set_monitoring(number, monitoring)

    def start(self) -> "BotProcess":
        """Start it, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return self
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "bot.py"], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stderr=log
            )
        return self

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def stop(self, patience: float = 20) -> int:
        """Ask it to end, as Docker does, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(patience)

    def crash(self) -> None:
        """End it without a chance to clean up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Make sure that it is gone, at the end of a test."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for process in self.browsers():
            process.kill()

    def browsers(self) -> list[psutil.Process]:
        """Return the processes of the Chromes and drivers with this bot's profiles, dead ones apart."""
        profiles = str(self.data / "data" / "profiles")
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("ATTENDANCE_PROFILE", "").startswith(profiles)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def log(self) -> str:
        """Return its log so far."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""


def eventually(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Ask again and again until a condition holds, and return what it returned."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.05)
    return found


def code_in(text: str) -> str:
    """Return the invitation code that stands in a text."""
    found = re.search(r"\b[A-HJ-NP-Z2-9]{8}\b", text)
    assert found, text
    return found.group()
