"""The bot's entry point: puts everything together and runs it until a signal.

Settings -> stores -> application -> registry -> handlers; the end goes the other way: monitors, bridge, updates,
messages, stores.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from filelock import FileLock, Timeout
from telegram.error import InvalidToken

import health
import logs
import self_check
import settings as settings_module
from clock import Clock, SystemClock
from encryption import Cipher, EncryptionKeyError, open_cipher
from handlers import health_report
from handlers.commands import publish_commands
from handlers.marker import Marker
from handlers.registration import STEPS
from handlers.services import Services
from json_file import DataDamaged, SchemaTooNew
from ledger import Attempts, Database, LedgerError, Lessons, Moves, People, Told, Watches
from monitor import AttendanceMonitor, profile_name
from portal import kept_session
from portal.browser import Chromes
from portal.errors import BrowserMissing
from portal.limits import PortalLimits
from portal.session import chrome_opener
from registry import Bridge, MonitorRegistry, memory_capacity
from settings import Settings, SettingsError
from sign_in_check import TRIAL, SignInCheck
from storage import Storage, StorageUnavailable, Student
from telegram_app.factory import PollingRequest, build_application, polling, running
from telegram_app.files import files_in
from telegram_app.outgoing import Outbox
from telegram_app.persistence import StepsFromLedger

log = logging.getLogger("bot")

# sysexits.h
EX_UNAVAILABLE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 69, 74, 75, 78
# Threads for what would block the loop: files, the ledger, waiting for monitors to end.
WORKERS = 32


def main(arguments: list[str] | None = None) -> int:
    """Run the bot, or with --check try all that it needs; return the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python bot.py", description="The attendance bot. Settings: see .env.example."
    )
    parser.add_argument(
        "--check", action="store_true", help="try token, portal, Chrome, storage and key; change nothing"
    )
    chosen = parser.parse_args(arguments)
    try:
        settings = settings_module.load_for_bot()
    except SettingsError as error:
        return _refuse(error, EX_CONFIG)
    if chosen.check:
        results = self_check.check(settings)
        print(self_check.table(results))
        return EX_UNAVAILABLE if any(each.state == self_check.FAILED for each in results) else 0
    logs.set_up(settings.log_level, settings.log_format)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.data_dir / "lock", timeout=0, mode=0o600):
            return asyncio.run(_until_signal(settings))
    except Timeout:
        return _refuse(f"DATA_DIR: '{settings.data_dir}' is in use by another process of this bot", EX_TEMPFAIL)
    except (EncryptionKeyError, SchemaTooNew, SettingsError) as error:
        return _refuse(error, EX_CONFIG)
    except (StorageUnavailable, DataDamaged, LedgerError, OSError) as error:
        return _refuse(error, EX_IOERR)
    except BrowserMissing as error:
        return _refuse(error, EX_UNAVAILABLE)
    except InvalidToken:
        return _refuse(
            "TELEGRAM_BOT_TOKEN: got a token that Telegram does not know, wants the one from @BotFather", EX_CONFIG
        )


def _refuse(problem: Exception | str, code: int) -> int:
    print(problem, file=sys.stderr)
    return code


async def _until_signal(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM, or until serving fails."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(WORKERS, thread_name_prefix="worker"))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(serve(settings, SystemClock()))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    log.info("stopped")
    return 0


async def serve(settings: Settings, clock: Clock) -> None:
    """Run everything until cancelled."""
    token = settings.telegram_bot_token
    if token is None:
        raise SettingsError("TELEGRAM_BOT_TOKEN: got nothing")
    async with AsyncExitStack() as stack:
        cipher = _open_cipher(settings)
        storage = Storage(settings.data_dir, cipher, clock, invitation_days=settings.invitation_days)
        database = Database(settings.data_dir / "ledger.sqlite3")
        stack.callback(database.close)
        lessons, people = Lessons(database), People(database)
        chromes = Chromes(
            settings.data_dir / "profiles",
            settings.chrome_bin,
            settings.chromedriver_path,
            settings.selenium_remote_url,
        )
        await asyncio.to_thread(chromes.check)
        await asyncio.to_thread(chromes.sweep)
        await asyncio.to_thread(chromes.forget_all, TRIAL)
        # and at the very end: what a monitor was just starting, or could not end in time
        stack.push_async_callback(asyncio.to_thread, chromes.sweep)

        proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None
        poll = PollingRequest(proxy)
        application = build_application(
            token.get_secret_value(), settings.telegram_api_url, proxy, StepsFromLedger(people, STEPS), poll
        )
        bridge = Bridge(asyncio.get_running_loop())
        limits = _limits(settings, clock)
        opener = chrome_opener(chromes, settings.portal_url, clock, cipher)

        def make_monitor(student: Student, password: str, on_lesson: Any, on_status: Any) -> AttendanceMonitor:
            return AttendanceMonitor(
                student.username,
                password,
                student.mode,
                on_lesson,
                on_status,
                student=student.telegram_id,
                portal_url=settings.portal_url,
                refresh_interval=settings.refresh_interval,
                zone=settings.zone,
                journal=lessons,
                open_portal=opener,
                kill_browser=chromes.kill,
                forget_session=lambda profile: kept_session.forget(chromes.folder(profile)),
                limits=limits,
                clock=clock,
                rests_until=partial(registry.rests_until, student.telegram_id),
                on_check=partial(registry.checked, student.telegram_id),
            )

        watches = Watches(database)
        capacity = settings.max_active_monitors or memory_capacity()
        registry = MonitorRegistry(
            storage, make_monitor, bridge, capacity, clock, watches, settings.hours, settings.zone
        )
        sign_in_check = SignInCheck(
            opener,
            chromes,
            limits,
            settings.portal_url,
            registry.take_place,
            registry.give_place_back,
        )

        async def lost(person: int) -> None:
            await marker.presence.lost(person)

        outbox = Outbox(application.bot, database, "marker", lost, clock, make_file=files_in(settings.data_dir))
        services = Services(
            settings,
            clock,
            storage,
            lessons,
            people,
            registry,
            outbox,
            watches,
            Told(database),
            Attempts(database),
            Moves(database),
            sign_in_check,
            languages=people.languages(),
            forget_profile=lambda username: chromes.forget(profile_name(username)),
        )
        marker = Marker(services, people.unreachable())
        marker.add_to(application)

        report = partial(health_report.report, services, marker, lambda: poll.answered_at)
        await stack.enter_async_context(health.serving(settings.health_port, report))
        await stack.enter_async_context(running(application))
        poll.answered()
        stack.push_async_callback(outbox.close)
        await outbox.start()
        await stack.enter_async_context(polling(application))
        stack.push_async_callback(marker.end)
        stack.push_async_callback(bridge.close)
        stack.push_async_callback(registry.close)
        stack.push_async_callback(sign_in_check.close)
        resumed = await marker.resume()
        log.info("@%s is ready, %d monitors resumed, room for %d", application.bot.username, resumed, registry.capacity)
        await publish_commands(application.bot)
        await _run_until(poll.refused, marker.run())
        raise InvalidToken("revoked")


async def _run_until(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work until the event is set; what the work raises is raised."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        waiting.cancel()


def _open_cipher(settings: Settings) -> Cipher:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    may_create = not Storage.holds_students(settings.data_dir)
    return open_cipher(keys, settings.encryption_key_file, may_create=may_create)


def _limits(settings: Settings, clock: Clock) -> PortalLimits:
    return PortalLimits(settings.portal_max_loads_per_second, settings.portal_max_parallel_sign_ins, clock)


if __name__ == "__main__":
    sys.exit(main())
