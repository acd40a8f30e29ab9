"""The real bot.py with the classroom alone, for a benchmark."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN
from tests.servers import ROOT


@contextmanager
def class_bot(folder: Path, telegram_url: str, **settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run it for the length of a `with` block; give the process and the port of /healthz. Its log is in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": "",
        "TEACHER_BOT_TOKEN": TEACHER_TOKEN,
        "STUDENT_BOT_TOKEN": STUDENT_TOKEN,
        "TELEGRAM_API_URL": telegram_url,
        "DATA_DIR": str(folder / "data"),
        "ENCRYPTION_KEY_FILE": str(folder / "secrets" / "encryption.key"),
        "OTP_EXPIRY_SECONDS": "900",
        "HEALTH_PORT": str(port),
        **settings,
    }
    with (folder / "bot.log").open("wb") as log:
        bot = subprocess.Popen([sys.executable, "bot.py"], cwd=ROOT, env=environment, stderr=log, stdout=log)
    try:
        yield bot, port
    finally:
        bot.terminate()
        try:
            bot.wait(20)
        except subprocess.TimeoutExpired:
            bot.kill()
            bot.wait()
