"""Runs the real bot.py as a child process, for tests and benchmarks."""

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
    """bot.py with a clean environment and its data in ``folder``; it and its Chromes end with the test process."""

    passed_on: tuple[str, ...] = ("PATH",)
    """Variables of the test's environment that are passed to it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {name: os.environ[name] for name in self.passed_on if name in os.environ} | {
            "ENV_FILE": "",
            "DATA_DIR": str(folder / "data"),
            "ENCRYPTION_KEY_FILE": str(folder / "secrets" / "encryption.key"),
            **settings,
        }
        self.log_file = folder / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it is running."""
        if self._process is not None and self._process.poll() is None:
            return
        children.own_profiles(self._profiles)
        with self.log_file.open("ab") as log:
            self._process = children.start(
                COMMAND, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def runs(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a second bot.py that exits by itself; return its exit code and output."""
        children.own_profiles(self._profiles)
        return children.run([*COMMAND, *arguments], timeout=PATIENCE, env={**self.environment, **settings})

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The last started process."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, patience: float = PATIENCE, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it with SIGTERM, as Docker does, or another signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(patience)

    def crash(self) -> None:
        """Kill it, so that it can't clean up."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Kill it and its Chromes at the end of a test."""
        if self._process is not None:
            children.end(self._process)
        for process in self.browsers():
            children.kill(process)

    @property
    def _profiles(self) -> Path:
        return self.folder / "data" / "profiles"

    def browsers(self) -> list[psutil.Process]:
        """Return the running processes of Chromes and drivers with this bot's profiles."""
        return children.browsers(self._profiles)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def health(self) -> tuple[int, Any]:
        """Return status and report of /healthz; 0 and an empty report if it does not answer."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False, timeout=PATIENCE)
        except httpx.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()


class MarkerProcess(BotProcess):
    """bot.py with only the marker."""

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
        """Store a registered student before the bot starts."""
        cipher = open_cipher(None, self.folder / "secrets" / "encryption.key", may_create=True)
        storage = Storage(self.folder / "data", cipher)
        storage.redeem(storage.create_invitation(ADMIN), number, username, password)
        storage.set_mode(number, mode)
        storage.set_monitoring(number, monitoring)


class ClassProcess(BotProcess):
    """bot.py with only the classroom."""

    def __init__(self, folder: Path, telegram: Telegram, **settings: str) -> None:
        own = {
            "TEACHER_BOT_TOKEN": TEACHER_TOKEN,
            "STUDENT_BOT_TOKEN": STUDENT_TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "FACE_ENGINE": "none",
        }
        super().__init__(folder, **own | settings)
        self.environment["HEALTH_PORT"] = str(self.port)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a free port below the ephemeral ones, which the system could assign to another process meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
