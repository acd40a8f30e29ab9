"""Checks of what is outside: the bots' tokens, the admins' chats, memory and disk, Chrome, the portal's login form."""

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from telegram import Bot
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from classroom.face_composition import reserve_workers
from core.clock import SystemClock
from core.machine import HEADLESS_SHELL, Machine
from core.settings import Settings
from portal.browser import configured
from portal.driver import PAIR, find_programs, sandbox_possible
from portal.errors import BrowserMissing
from portal.session import chrome_access
from portal.views import View
from self_check import FAILED, OK, WARNING, Result

TIMEOUT = 15.0  # seconds
MIN_FREE_DISK = 500 * 1024 * 1024  # bytes


def bot_name(setting: str) -> str:
    """Return the subject of a bot's check: "Telegram" for the marker's, else "teacher" or "student"."""
    return "Telegram" if setting == "telegram_bot_token" else setting.removesuffix("_bot_token")


def check_token(settings: Settings, setting: str) -> Result:
    """Call getMe with the token in a setting."""
    subject = bot_name(setting)
    try:
        me = _call(settings, setting, lambda bot: bot.get_me())
    except InvalidToken:
        return Result(subject, FAILED, f"{setting.upper()}: Telegram does not know it; copy it from @BotFather")
    except TelegramError as error:
        return Result(subject, FAILED, f"{settings.telegram_api_url} does not answer ({type(error).__name__})")
    return Result(subject, OK, f"@{me.username}")


def check_admins(settings: Settings) -> Result:
    """Check that each admin has a chat with the marker's bot."""
    unknown = []
    for admin in settings.admin_telegram_id:
        try:
            _call(settings, "telegram_bot_token", lambda bot, admin=admin: bot.get_chat(admin))  # type: ignore[misc]
        except (BadRequest, Forbidden):
            unknown.append(str(admin))
        except TelegramError as error:
            return Result("admin", FAILED, f"Telegram does not answer ({type(error).__name__})")
    if unknown:
        names = ", ".join(unknown)
        return Result("admin", WARNING, f"{names}: has not pressed Start in the bot, or is not a person's ID")
    return Result("admin", OK, ", ".join(map(str, settings.admin_telegram_id)))


def _call(settings: Settings, setting: str, method: Callable[[Bot], Awaitable[Any]]) -> Any:
    token = getattr(settings, setting)
    proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None

    async def call() -> Any:
        async with HTTPXRequest(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, proxy=proxy) as request:
            bot = Bot(token.get_secret_value(), base_url=f"{settings.telegram_api_url}/bot", request=request)
            return await method(bot)

    return asyncio.run(call())


def check_machine(settings: Settings) -> Result:
    """Report how many monitors fit, by resource, and the free disk space."""
    machine, amounts = Machine(), HEADLESS_SHELL
    faces_off = reserve_workers(settings, machine)
    with suppress(BrowserMissing):  # a check of its own
        amounts = configured(settings, settings.data_dir).amounts
    room, wanted = machine.room(amounts), settings.max_active_monitors or 0
    existing = next(parent for parent in (settings.data_dir, *settings.data_dir.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    detail = f"room for {wanted or room.count} monitors ({room}), {free // 2**20} MB of disk free"
    if lacks := [line for line in (room.lacks(max(wanted, 1)), faces_off) if line]:
        return Result("machine", WARNING, "\n".join([detail, *lacks]))
    return Result("machine", OK if free > MIN_FREE_DISK else WARNING, detail)


def check_chrome(settings: Settings) -> Result:
    """Find Chrome and chromedriver, and check that Chrome's sandbox works."""
    if (grid := configured(settings, settings.data_dir).grid) is not None:
        places, wanted = grid.places(), settings.max_active_monitors or 1
        detail = f"on the Selenium Grid: {places}"
        if places.totalSlots < wanted:
            return Result("Chrome", WARNING, f"{detail}; {wanted} monitors may run")
        return Result("Chrome", OK, detail)
    programs = find_programs(settings.chrome_bin, settings.chromedriver_path)
    versions, majors = [], []
    for program in programs:
        output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        versions.append(" ".join(output.split()[:2]) or program)
        majors += re.findall(r" (\d+)\.", output)[:1]
    detail = f"{programs[0]}, {versions[1]}"
    if len(set(majors)) > 1:
        return Result("Chrome", FAILED, f"{programs[0]} is version {majors[0]}, but {versions[1]}: {PAIR}")
    if not sandbox_possible():
        return Result("Chrome", WARNING, f"{detail}; its sandbox is off: not possible as root or with this kernel")
    return Result("Chrome", OK, f"{detail}; its sandbox is on")


def check_portal(settings: Settings) -> Result:
    """Open the portal's login form in Chrome."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attendance-check-", ignore_cleanup_errors=True) as profiles:
        chromes = configured(settings, Path(profiles))
        page = chrome_access(chromes, settings.portal_url, clock=SystemClock()).open("check", time.sleep)
        try:
            page.load(settings.portal_url)
            reading = page.settle()
        finally:
            page.end()
    took = time.monotonic() - begun
    if reading.view is not View.LOGIN:
        return Result("portal", FAILED, f"not the login form but: {reading.view.value} {reading.text}".strip())
    return Result("portal", OK, f"{settings.portal_url}: the login form, {took:.1f} s after starting Chrome")
