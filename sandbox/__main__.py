"""Runs the whole sandbox: `python -m sandbox`, then open http://127.0.0.1:8080 in a browser.

Starts the simulators of Telegram and the portal, the unchanged bot.py against them, and a web page with the chats of
an admin and two students. `python -m sandbox --classroom` starts the classroom's bots instead, with a teacher, two
students and rosters as CSV files. Nothing leaves this machine; no account and no token is needed.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.bot_process import BotProcess
from sandbox.cast import (
    ADMIN,
    BOT_TOKEN,
    CLASS,
    PEOPLE,
    STUDENTS_TOKEN,
    TEACHERS_TOKEN,
    introduce,
    introduce_class,
)
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
    with tempfile.TemporaryDirectory(prefix="attendance-sandbox-", ignore_cleanup_errors=True) as scratch:
        try:
            data = (arguments.data or Path(scratch) / "sandbox").resolve()
            data.mkdir(parents=True, exist_ok=True)
            return asyncio.run(_until_signal(arguments, data, Path(scratch)))
        except OSError as error:  # a port is in use, or the folder is not writable
            print(f"sandbox: {error}", file=sys.stderr)
            return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox" if Path(sys.argv[0]).name == "__main__.py" else None,
        description="Simulated Telegram and portal, the real bot.py against them, and a web page with the chats.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the page (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port of the page, 0: a free one (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder that keeps the bot's data; the chats start empty each time (default: deleted at the end)",
    )
    parser.add_argument("--classroom", action="store_true", help="run the teacher's and the student's bot instead")
    parser.add_argument("--telegram-port", type=int, default=0, help="port of the simulated Telegram (default: free)")
    parser.add_argument("--portal-port", type=int, default=0, help="port of the simulated portal (default: free)")
    return parser


async def _until_signal(arguments: argparse.Namespace, data: Path, scratch: Path) -> int:
    stop = stopped_by_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed
    telegram, portal = TelegramSimulator(), PortalSimulator()
    if arguments.classroom:
        introduce_class(telegram, data / "data")
    else:
        introduce(telegram, portal)
    # The page can open lessons that appear without a reload; these need push from the first page load on.
    portal.behaviour.change({"push": True})
    # Telegram never reuses a message id in a chat; with --data the bot still knows the ids of the previous run.
    for each in telegram.world.by_username.values():
        each.message_ids = itertools.count(int(time.time()) % 2**30)
    async with AsyncExitStack() as stack:
        telegram_url = await stack.enter_async_context(telegram.serving(port=arguments.telegram_port))
        portal_url = await stack.enter_async_context(portal.serving(port=arguments.portal_port)) + PAGE_PATH
        bot = BotProcess(
            [sys.executable, "-m", "bot"],
            _environment(telegram_url, portal_url, data, classroom=arguments.classroom),
            scratch,
            _print,
            folder=ROOT,
        )
        people = CLASS if arguments.classroom else PEOPLE
        page = PageServer(
            telegram, portal, None if arguments.classroom else portal_url, bot, people, REFRESH_INTERVAL, TIME_ZONE
        )
        url = await stack.enter_async_context(page.serving(arguments.host, arguments.port))
        # Registered last, so called first: the bot shuts down while the simulators still answer.
        stack.push_async_callback(bot.stop)
        _print(f"Open {url} in a browser. Ctrl-C ends the sandbox.")
        await bot.start()
        await stop.wait()
        _print("Stopping the bot...")
    return 0


def _environment(telegram_url: str, portal_url: str, data: Path, *, classroom: bool) -> dict[str, str]:
    """The settings of bot.py."""
    own = {
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "ADMIN_TELEGRAM_ID": str(ADMIN.id),
        "PORTAL_URL": portal_url,
        "REFRESH_INTERVAL": str(REFRESH_INTERVAL),
    }
    if classroom:
        own = {"TEACHER_BOT_TOKEN": TEACHERS_TOKEN, "STUDENT_BOT_TOKEN": STUDENTS_TOKEN}
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed,
        "ENV_FILE": "",  # ignore a developer's .env
        **own,
        "TELEGRAM_API_URL": telegram_url,
        "TIMEZONE": TIME_ZONE,
        "DATA_DIR": str(data / "data"),
        "ENCRYPTION_KEY_FILE": str(data / "secrets" / "encryption.key"),
    }


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone; the page still works
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
