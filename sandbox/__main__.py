"""Runs the whole sandbox: `python -m sandbox`, then open http://127.0.0.1:8080 in a browser.

Starts the simulators of Telegram, the portal and the LMS, the unchanged bot.py with its three bots against them, and a
web page with the phones of an admin, a teacher and two students. Nothing leaves this machine; no account and no token
is needed.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sandbox.bot_process import BotProcess
from sandbox.cast import ADMIN, BOTS, MARKER, STUDENTS, TEACHERS, Cast
from sandbox.lms.server import DATA_PATH, LmsSimulator
from sandbox.notes import Notes
from sandbox.portal.files import PAGE_PATH
from sandbox.portal.server import PortalSimulator
from sandbox.serving import stopped_by_signals
from sandbox.telegram.server import TelegramSimulator
from sandbox.web import PageServer

# The folder that contains bot.py: the project, or site-packages once installed.
ROOT = Path(__file__).resolve().parent.parent
# Seconds between the bot's page loads: short, so that a mark appears quickly.
REFRESH_INTERVAL = 5
# The simulated university's zone, so that the bot and the page show the same time on every machine.
TIME_ZONE = "Asia/Almaty"
# The only variables of our environment that the bot inherits: no token, no address, no proxy.
_PASSED_ON = ("PATH", "HOME", "LANG", "CHROME_BIN", "CHROMEDRIVER_PATH")


def main() -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    arguments = _parser().parse_args()
    # Always a new folder with a short name: Chrome creates sockets there, and their paths have a length limit.
    with _folder() as scratch, _folder() as drawings:
        try:
            data = (arguments.data or Path(scratch) / "sandbox").resolve()
            data.mkdir(parents=True, exist_ok=True)
            return asyncio.run(_until_signal(arguments, data, Path(scratch), Path(drawings)))
        except OSError as error:  # a port is in use, or the folder is not writable
            print(f"sandbox: {error}", file=sys.stderr)
            return 1


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="attendance-sandbox-", ignore_cleanup_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox" if Path(sys.argv[0]).name == "__main__.py" else None,
        description="Simulated Telegram, portal and LMS, the real bot.py against them, and a web page with the phones.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the page (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port of the page, 0: a free one (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder that keeps the bot's data; the chats start empty each time (default: deleted at the end)",
    )
    for name in ("telegram", "portal", "lms"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help=f"port of the simulated {name} (default: free)")
    return parser


async def _until_signal(arguments: argparse.Namespace, data: Path, scratch: Path, drawings: Path) -> int:
    stop = stopped_by_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed
    telegram, portal, lms = TelegramSimulator(), PortalSimulator(), LmsSimulator()
    cast = Cast(telegram, portal, lms, data / "data" / "photos")
    cast.introduce()
    # The page can open lessons that appear without a reload; these need push from the first page load on.
    portal.behaviour.change({"push": True})
    # Telegram never reuses a message id in a chat; with --data the bot still knows the ids of the previous run.
    for each in telegram.world.by_username.values():
        each.message_ids = itertools.count(int(time.time()) % 2**30)
    async with AsyncExitStack() as stack:
        telegram_url = await stack.enter_async_context(telegram.serving(port=arguments.telegram_port))
        portal_url = await stack.enter_async_context(portal.serving(port=arguments.portal_port)) + PAGE_PATH
        lms_url = await stack.enter_async_context(lms.serving(port=arguments.lms_port))
        addresses = {
            "TELEGRAM_API_URL": telegram_url,
            "PORTAL_URL": portal_url,
            "BASE_URL": lms_url + DATA_PATH,
            "JWT_LOGIN_ENDPOINT": lms_url + lms.login_path(),
        }
        command = [sys.executable, "-m", "bot"]
        bot = BotProcess(command, _environment(addresses, data), scratch, _print, folder=ROOT)
        about = {
            "time_zone": TIME_ZONE,
            "refresh_interval": REFRESH_INTERVAL,
            "portal_url": portal_url,
            "lms_url": lms_url,
        }
        notes = Notes(cast, drawings, _print)
        page = PageServer(telegram, portal, lms, bot, cast, notes, data / "data", about)
        url = await stack.enter_async_context(page.serving(arguments.host, arguments.port))
        # Registered last, so called first: the bot shuts down while the simulators still answer.
        stack.push_async_callback(bot.stop)
        _print(f"Open {_reachable(url)} in a browser. Ctrl-C ends the sandbox.")
        await bot.start()
        photographed = asyncio.create_task(notes.photograph())
        stack.callback(photographed.cancel)
        await _first_of(stop.wait(), page.watch.run())
        _print("Stopping the bot...")
    return 0


async def _first_of(*endings: Coroutine[Any, Any, Any]) -> None:
    """Run until one of these ends, cancel the others, and raise its error."""
    tasks = [asyncio.create_task(each) for each in endings]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _reachable(url: str) -> str:
    """The address for a browser on this machine where the page listens on all of them, as in a container."""
    host = url.removeprefix("http://").rpartition(":")[0].strip("[]")
    return url.replace(host, "127.0.0.1") if ipaddress.ip_address(host).is_unspecified else url


def _environment(addresses: dict[str, str], data: Path) -> dict[str, str]:
    """The settings of bot.py."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed,
        "ENV_FILE": "",  # ignore a developer's .env
        "TELEGRAM_BOT_TOKEN": BOTS[MARKER].token,
        "TEACHER_BOT_TOKEN": BOTS[TEACHERS].token,
        "STUDENT_BOT_TOKEN": BOTS[STUDENTS].token,
        "ADMIN_TELEGRAM_ID": str(ADMIN.id),
        "CLASSROOM_ADMINS": str(ADMIN.id),
        "FACE_ENGINE": "local",
        # one person plays the teacher and the students, and reads everything for the first time
        "OTP_EXPIRY_SECONDS": "600",
        "CHECKIN_GRACE_SECONDS": "300",
        "REFRESH_INTERVAL": str(REFRESH_INTERVAL),
        "TIMEZONE": TIME_ZONE,
        "DATA_DIR": str(data / "data"),
        "ENCRYPTION_KEY_FILE": str(data / "secrets" / "encryption.key"),
        **addresses,
    }


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone; the page still works
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
