"""`python bot.py --check`: tries everything that the bot needs, changes nothing, and prints a table.

It may run beside the bot: data is looked at in a copy, no update is fetched, and the portal is opened in a profile
of its own that is deleted at the end.
"""

import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from telegram import Bot
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from classroom.face_composition import photos_of
from classroom.lms import LmsError
from classroom.lms.csv_files import CsvLms
from classroom.photos import PhotoError, PhotoMissing
from core.clock import SystemClock
from core.encryption import Cipher, EncryptionKeyError, open_cipher
from core.json_file import DataDamaged, SchemaTooNew
from core.settings import BOT_TOKENS, Settings
from core.sqlite import SCHEMA
from marker.monitors.capacity import BYTES_PER_MONITOR, memory_capacity
from portal.browser import Chromes
from portal.errors import PortalError
from portal.programs import find_programs, sandbox_possible
from portal.session import chrome_opener
from portal.views import View
from storage import Storage, StorageUnavailable

OK, WARNING, FAILED = "ok", "warning", "FAILED"
TELEGRAM_WITHIN = 15.0  # seconds
LITTLE_DISK = 500 * 1024 * 1024


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    what: str
    state: str
    detail: str


def check(settings: Settings) -> list[Result]:
    """Try everything, one after the other; a failure of one does not keep the others from being tried."""
    results = [Result("settings", OK, f"DATA_DIR {settings.data_dir}, time zone {settings.timezone}")]
    bots = [name for name in BOT_TOKENS if getattr(settings, name) is not None]
    steps: list[tuple[str, Callable[[Settings], Result]]] = [
        (_bot_name(name), lambda given, name=name: asyncio.run(_telegram(given, name)))  # type: ignore[misc]
        for name in bots
    ]
    if "telegram_bot_token" in bots:
        steps = [("storage", _storage), ("ledger", _ledger), ("key", _key), ("machine", _machine), *steps]
        steps += [("admin", lambda given: asyncio.run(_admin(given))), ("Chrome", _chrome), ("portal", _portal)]
    if "teacher_bot_token" in bots:
        steps += [("rosters", _rosters), ("faces", lambda given: asyncio.run(_faces(given)))]
    for what, step in steps:
        try:
            results.append(step(settings))
        except (OSError, sqlite3.Error, PortalError, StorageUnavailable, DataDamaged, SchemaTooNew, LmsError) as error:
            results.append(Result(what, FAILED, " ".join(str(error).split())))
    return results


def table(results: list[Result]) -> str:
    """Return the results as aligned lines, for a terminal."""
    width = max(len(result.what) for result in results)
    return "\n".join(f"{each.what:<{width}}  {each.state:<7}  {each.detail}" for each in results)


def _storage(settings: Settings) -> Result:
    folder = settings.data_dir
    if not folder.exists():
        return Result("storage", OK, "DATA_DIR is made at the first start")
    try:
        with FileLock(folder / "lock", timeout=0, mode=0o600):
            runs = "no bot runs on it"
    except Timeout:
        runs = "a bot runs on it"
    probe = folder / "check"
    probe.touch()
    probe.unlink()
    cipher = _Unread()
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob("*.json*"):
            shutil.copy(file, copy)
        storage = Storage(Path(copy), cipher)
    counted = f"{len(storage.students())} students, {len(storage.invitations())} codes"
    return Result("storage", OK, f"{counted}; writable; {runs}")


class _Unread(Cipher):
    """Opens the store without its key: whether that fits is a line of its own."""

    def __init__(self) -> None:
        """Take no key."""

    def decrypt(self, token: str) -> str:
        """Return nothing."""
        return ""


def _ledger(settings: Settings) -> Result:
    file = settings.data_dir / "ledger.sqlite3"
    if not file.exists():
        return Result("ledger", OK, "is made at the first start")
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        sound = connection.execute("PRAGMA quick_check").fetchone()[0]
        waiting = connection.execute("SELECT count(*) FROM outgoing").fetchone()[0]
    finally:
        connection.close()
    if sound != "ok":
        return Result("ledger", FAILED, f"'{file}' is damaged ({sound}): put the backup back")
    if version > SCHEMA:
        return Result("ledger", FAILED, f"schema {version} is newer than this program's {SCHEMA}")
    return Result("ledger", OK, f"schema {version} of {SCHEMA}, {waiting} messages wait")


def _key(settings: Settings) -> Result:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    holds = Storage.holds_students(settings.data_dir)
    if keys is None and not settings.encryption_key_file.exists() and not holds:
        return Result("key", OK, f"is made at the first start: {settings.encryption_key_file}")
    try:
        cipher = open_cipher(keys, settings.encryption_key_file, may_create=False)
        with tempfile.TemporaryDirectory() as copy:
            for file in settings.data_dir.glob("*.json*"):
                shutil.copy(file, copy)
            Storage(Path(copy), cipher)
    except EncryptionKeyError as error:
        return Result("key", FAILED, str(error))
    where = "ENCRYPTION_KEY" if keys else str(settings.encryption_key_file)
    if keys is None and settings.encryption_key_file.stat().st_mode & 0o077:
        return Result("key", WARNING, f"others may read {where}: chmod 600 it")
    return Result("key", OK, f"fits the data; from {where}; back it up apart from DATA_DIR")


def _machine(settings: Settings) -> Result:
    places = settings.max_active_monitors or memory_capacity()
    existing = next(parent for parent in (settings.data_dir, *settings.data_dir.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    detail = f"room for {places} monitors ({BYTES_PER_MONITOR // 2**20} MB each), {free // 2**20} MB of disk free"
    return Result("machine", OK if free > LITTLE_DISK else WARNING, detail)


def _bot_name(setting: str) -> str:
    """Return what a bot's line is called: "Telegram" for the marker's."""
    return "Telegram" if setting == "telegram_bot_token" else setting.removesuffix("_bot_token")


async def _telegram(settings: Settings, setting: str) -> Result:
    what = _bot_name(setting)
    try:
        me = await _asked(settings, lambda bot: bot.get_me(), setting)
    except InvalidToken:
        return Result(what, FAILED, f"{setting.upper()}: Telegram does not know it; take it from @BotFather")
    except TelegramError as error:
        return Result(what, FAILED, f"{settings.telegram_api_url} does not answer ({type(error).__name__})")
    return Result(what, OK, f"@{me.username}")


async def _admin(settings: Settings) -> Result:
    strange = []
    for admin in settings.admin_telegram_id:
        try:
            await _asked(settings, lambda bot, admin=admin: bot.get_chat(admin))  # type: ignore[misc]
        except (BadRequest, Forbidden):
            strange.append(str(admin))
        except TelegramError as error:
            return Result("admin", FAILED, f"Telegram does not answer ({type(error).__name__})")
    if strange:
        return Result("admin", WARNING, f"{', '.join(strange)}: has not pressed Start in the bot, or is no person's ID")
    return Result("admin", OK, ", ".join(map(str, settings.admin_telegram_id)))


def _rosters(settings: Settings) -> Result:
    if settings.base_url is not None:
        return Result("rosters", OK, f"from the LMS {settings.base_url}; a teacher's sign-in tries it")
    teachers, batches, students = CsvLms(settings.data_dir / "rosters").counted()
    return Result("rosters", OK, f"{teachers} teachers, {batches} batches, {len(students)} students")


async def _faces(settings: Settings) -> Result:
    """Say who compares, and how many of the students on CSV rosters have an ID photo in the folder."""
    engine = settings.face_engine
    if engine == "none":
        return Result("faces", OK, "FACE_ENGINE is none: the teacher confirms everybody")
    if settings.aws_s3_bucket is not None:
        return Result("faces", OK, f"{engine}; photos in the bucket {settings.aws_s3_bucket}, which is not tried here")
    folder = settings.data_dir / "photos"
    if not folder.is_dir():
        return Result(
            "faces", WARNING, f"{engine}, but no folder {folder} with ID photos: add it, or set FACE_ENGINE=none"
        )
    if settings.base_url is not None:
        return Result("faces", OK, f"{engine}; photos in {folder}")
    students = CsvLms(settings.data_dir / "rosters").counted()[2]
    photos, missing = photos_of(settings), 0
    try:
        for student in students:
            try:
                await photos.tag(student)
            except PhotoMissing:
                missing += 1
    except PhotoError as error:
        return Result("faces", FAILED, str(error))
    finally:
        await photos.close()
    detail = f"{engine}; {len(students) - missing} of {len(students)} students have a photo in {folder}"
    return Result("faces", WARNING if missing else OK, detail)


async def _asked(
    settings: Settings, question: Callable[[Bot], Coroutine[Any, Any, Any]], setting: str = "telegram_bot_token"
) -> Any:
    token = getattr(settings, setting)
    proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None
    request = HTTPXRequest(connect_timeout=TELEGRAM_WITHIN, read_timeout=TELEGRAM_WITHIN, proxy=proxy)
    bot = Bot(token.get_secret_value() if token else "", base_url=f"{settings.telegram_api_url}/bot", request=request)
    await request.initialize()
    try:
        return await question(bot)
    finally:
        await request.shutdown()


def _chrome(settings: Settings) -> Result:
    if settings.selenium_remote_url is not None:
        return Result("Chrome", OK, f"on the Selenium Grid {settings.selenium_remote_url}")
    programs = find_programs(settings.chrome_bin, settings.chromedriver_path)
    versions = []
    for program in programs:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        versions.append(" ".join(said.split()[:2]) or program)
    detail = f"{programs[0]}, {versions[1]}"
    if not sandbox_possible():
        return Result(
            "Chrome", WARNING, f"{detail}; its sandbox is off: the kernel or the user (root) does not allow it"
        )
    return Result("Chrome", OK, f"{detail}; its sandbox is on")


def _portal(settings: Settings) -> Result:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attendance-check-", ignore_cleanup_errors=True) as profiles:
        chromes = Chromes(Path(profiles), settings.chrome_bin, settings.chromedriver_path, settings.selenium_remote_url)
        page = chrome_opener(chromes, settings.portal_url, SystemClock())("check", time.sleep)
        try:
            page.load(settings.portal_url)
            reading = page.settle()
        finally:
            page.end()
    took = time.monotonic() - begun
    if reading.view is not View.LOGIN:
        return Result("portal", FAILED, f"shows no login form but: {reading.view.value} {reading.text}".strip())
    return Result("portal", OK, f"{settings.portal_url}: the login form, {took:.1f} s after Chrome's start")
