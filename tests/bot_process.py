"""The real bot.py in a process of its own: the one way in which tests and benchmarks start it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from core.encryption import open_cipher
from storage import Mode, Storage
from tests import children
from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN
from tests.e2e.people import ADMIN, TOKEN, Portal, Telegram
from tests.waiting import PATIENCE

COMMAND = [sys.executable, "bot.py"]


class BotProcess:
    """bot.py with a clean environment and its data in ``folder``; it and its Chromes end when we end."""

    passed_on: tuple[str, ...] = ("PATH",)
    """What of our own environment it gets."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.environment = {name: os.environ[name] for name in self.passed_on if name in os.environ} | {
            "ENV_FILE": "",
            "DATA_DIR": str(folder / "data"),
            "ENCRYPTION_KEY_FILE": str(folder / "secrets" / "encryption.key"),
            **settings,
        }
        self.log_file = folder / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        children.own_profiles(self._profiles)
        with self.log_file.open("ab") as log:
            self._process = children.start(
                COMMAND, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def runs(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Start another bot.py that ends by itself; return its exit code and what it printed."""
        children.own_profiles(self._profiles)
        return children.run([*COMMAND, *arguments], timeout=PATIENCE, env={**self.environment, **settings})

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def stop(self, patience: float = PATIENCE) -> int:
        """Ask it to end, as Docker does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def crash(self) -> None:
        """End it without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Make sure that it and its Chromes are gone, at the end of a test."""
        if self._process is not None:
            children.end(self._process)
        for process in self.browsers():
            process.kill()

    @property
    def _profiles(self) -> Path:
        return self.folder / "data" / "profiles"

    def browsers(self) -> list[psutil.Process]:
        """Return the processes of the Chromes and drivers with this bot's profiles, dead ones apart."""
        return children.browsers(self._profiles)

    def log(self) -> str:
        """Return its log so far."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def health(self) -> tuple[int, Any]:
        """Return status and report of /healthz; 0 and nothing where HEALTH_PORT is not set or nobody listens yet."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False, timeout=PATIENCE)
        except httpx.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()


class MarkerProcess(BotProcess):
    """bot.py with the marker alone."""

    passed_on = ("PATH", "HOME", "LANG", "CHROME_BIN", "CHROMEDRIVER_PATH", "SSL_CERT_FILE")

    def __init__(self, folder: Path, telegram: Telegram, portal: Portal, **settings: str) -> None:
        own = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "ADMIN_TELEGRAM_ID": str(ADMIN),
            "TELEGRAM_API_URL": telegram.url,
            "PORTAL_URL": portal.address,
            "REFRESH_INTERVAL": "2",
            "LOG_LEVEL": "DEBUG",
        }
        super().__init__(folder, **own | settings)

    def seed(
        self, number: int, username: str, password: str, mode: Mode = "automatic", monitoring: bool = False
    ) -> None:
        """Register a student before the bot runs, as an earlier process would have."""
        cipher = open_cipher(None, self.folder / "secrets" / "encryption.key", may_create=True)
        storage = Storage(self.folder / "data", cipher)
        storage.redeem(storage.create_invitation(ADMIN), number, username, password)
        storage.set_mode(number, mode)
        storage.set_monitoring(number, monitoring)


class ClassProcess(BotProcess):
    """bot.py with the classroom alone."""

    def __init__(self, folder: Path, telegram: Telegram, **settings: str) -> None:
        own = {
            "TEACHER_BOT_TOKEN": TEACHER_TOKEN,
            "STUDENT_BOT_TOKEN": STUDENT_TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "FACE_ENGINE": "none",
        }
        super().__init__(folder, **own | settings)
        self.environment["HEALTH_PORT"] = str(self.port)


def _free_port() -> int:
    """Return a port that the system gives to nobody by itself while the bot starts, as it does with ephemeral ones."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
