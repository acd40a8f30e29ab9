"""Builds and runs the marker: stores, monitors, bot and handlers.

It ends in the reverse order: monitors, bridge, updates, messages, stores.
"""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from telegram.error import InvalidToken

from core import health
from core.clock import Clock
from core.deletions import Deletions
from core.encryption import DELETIONS, Cipher, open_cipher
from core.machine import Machine
from core.settings import Settings
from core.sqlite import Database
from lessons.journal import Lessons
from lessons.marking import LessonRecords
from lessons.metrics import LessonMetrics
from lessons.schedule import Schedule
from marker import health_report
from marker.application import Marker
from marker.monitors.bridge import Bridge
from marker.monitors.password_check import TRIAL, SignInCheck
from marker.monitors.registry import MonitorRegistry
from marker.monitors.watch_state import WatchState
from marker.profile import MARKER
from marker.questions import STEPS
from marker.services import Services
from marker.single_user import take_over_settings
from marker.tables.schema import SCHEMAS
from marker.tables.students import StudentRows, Watches
from monitor import AttendanceMonitor, profile_name
from portal.browser import configured
from portal.errors import BrowserFailed
from portal.limits import PortalLimits
from portal.metrics import PortalMetrics
from portal.session import chrome_access
from storage import Storage, Student
from telegram_app.attempts import Attempts
from telegram_app.claims import Claims
from telegram_app.factory import StoredSteps, TokenRefused, build_application, running
from telegram_app.files import files_in
from telegram_app.intake import polling
from telegram_app.metrics import BotMetrics
from telegram_app.move_codes import MoveCodes
from telegram_app.outbox import Outbox
from telegram_app.people import People
from telegram_app.profile import publishing
from telegram_app.wire import PollingRequest

log = logging.getLogger(__name__)


async def serve(settings: Settings, clock: Clock, reports: health.HealthReports, machine: Machine) -> None:
    """Run the marker until cancelled; its monitors get what ``machine`` has left.

    Raises:
        TokenRefused: Telegram does not accept the token, or no longer does.
        SettingsError: SINGLE_USER is set, and other students are registered.
        EncryptionKeyError, SchemaTooNew, StorageUnavailable, DataDamaged, DatabaseError, BrowserMissing: see there.
    """
    if (token := settings.telegram_bot_token) is None:
        raise TokenRefused("TELEGRAM_BOT_TOKEN")
    with suppress(InvalidToken):
        async with AsyncExitStack() as stack:
            cipher = _open_cipher(settings)
            storage = Storage(settings.data_dir, cipher, clock, invitation_days=settings.invitation_days)
            database = Database(settings.data_dir / "ledger.sqlite3", SCHEMAS)
            stack.callback(database.close)
            deletions = Deletions(settings.encryption_key_file.with_name(DELETIONS), cipher.digest, clock.now)
            lessons, people = Lessons(database), People(database, "marker")
            chromes = configured(settings, settings.data_dir / "profiles", cipher)
            await asyncio.to_thread(chromes.check)
            await asyncio.to_thread(chromes.sweep)
            await asyncio.to_thread(chromes.forget_all, TRIAL)
            # also at the very end, for Chromes that a monitor was starting or could not end in time
            stack.push_async_callback(asyncio.to_thread, chromes.sweep)

            proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None
            metrics = BotMetrics(reports.metrics, "marker")
            poll = PollingRequest(proxy, metrics)
            application = build_application(
                token.get_secret_value(), settings.telegram_api_url, proxy, poll, StoredSteps(people, STEPS)
            )
            bridge = Bridge(asyncio.get_running_loop())
            limits = PortalLimits(settings.portal_max_loads_per_second, settings.portal_max_parallel_sign_ins, clock)
            more: dict[str, Any] = {"limits": limits, "metrics": PortalMetrics(reports.metrics)}
            portal = chrome_access(chromes, settings.portal_url, clock=clock, cipher=cipher, **more)
            lesson_metrics = LessonMetrics(reports.metrics)

            def make_monitor(student: Student, password: str, on_lesson: Any, on_status: Any) -> AttendanceMonitor:
                records = LessonRecords(lessons, student.telegram_id, settings.zone, lesson_metrics)
                schedule = Schedule(
                    settings.refresh_interval,
                    rests_until=partial(state.rests_until, student.telegram_id),
                    on_check=partial(state.checked, student.telegram_id),
                    clock=clock,
                )
                account = student.username, password, student.mode
                callbacks = on_lesson, on_status
                return AttendanceMonitor(*account, *callbacks, portal=portal, records=records, schedule=schedule)

            watches = Watches(database)
            room = machine.room(chromes.amounts)
            capacity = settings.max_active_monitors or room.count
            log.info("room for %d monitors; %s", capacity, room)
            if chromes.grid is not None:
                with suppress(BrowserFailed):  # the monitors wait for it
                    log.info("the Selenium Grid: %s", await asyncio.to_thread(chromes.grid.places))
            if lacks := room.lacks(max(settings.max_active_monitors or 1, len(storage.students()))):
                log.warning("%s", lacks)
            wanted = min(capacity, len(storage.students()))
            if (seconds := limits.interval(settings.refresh_interval, wanted)) > settings.refresh_interval:
                line = "%d students are checked every %.0f s instead of every %g s: raise PORTAL_MAX_LOADS_PER_SECOND"
                log.warning(line, wanted, seconds, settings.refresh_interval)
            state = WatchState(watches, clock, settings.hours, settings.zone)
            if settings.single_user:
                await asyncio.to_thread(take_over_settings, settings, storage, state, chromes)
            registry = MonitorRegistry(storage, make_monitor, bridge, capacity, state)
            places = registry.take_place, registry.give_place_back
            sign_in_check = SignInCheck(portal.open, chromes, limits, settings.portal_url, *places)

            async def lost(person: int) -> None:
                await marker.presence.lost(person)

            files = files_in(settings.data_dir)
            outbox = Outbox(application.bot, database, "marker", lost, clock, make_file=files, metrics=metrics)
            services = Services(
                settings=settings,
                clock=clock,
                storage=storage,
                lessons=lessons,
                people=people,
                registry=registry,
                outbox=outbox,
                watches=watches,
                claims=Claims(database, "marker"),
                attempts=Attempts(database, cipher.digest),
                move_codes=MoveCodes(database),
                student_rows=StudentRows(database),
                sign_in_check=sign_in_check,
                probe=database.probe,
                languages=people.languages(),
                record_deletion=partial(deletions.add, "marker"),
                forget_profile=lambda username: chromes.forget(profile_name(username)),
            )
            marker = Marker(services, people.unreachable())
            marker.add_to(application)

            gauges = health_report.MarkerGauges(reports.metrics)
            report = partial(health_report.report, services, marker, poll, chromes.programs, room, limits, gauges)
            stack.enter_context(reports.part(report))
            await stack.enter_async_context(running(application))
            poll.answered()
            services.username = application.bot.username
            stack.push_async_callback(outbox.close)
            await outbox.start()
            fetching = await stack.enter_async_context(AsyncExitStack())  # polling, ended after the monitors
            stack.push_async_callback(marker.notices.troubles.tell_gathered)
            stack.push_async_callback(bridge.close)
            stack.push_async_callback(registry.close)
            stack.push_async_callback(sign_in_check.close)
            resumed = await marker.resume()
            # only now, or people who write during the start would read that nothing is monitored
            await fetching.enter_async_context(polling(application, poll, services))
            name = application.bot.username
            log.info("@%s is ready, %d monitors resumed, room for %d", name, resumed, registry.capacity)
            await stack.enter_async_context(publishing(application.bot, MARKER))
            await marker.run(poll.refused, lambda: poll.conflicts)
    raise TokenRefused("TELEGRAM_BOT_TOKEN")


def _open_cipher(settings: Settings) -> Cipher:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    may_create = not Storage.holds_students(settings.data_dir)
    return open_cipher(keys, settings.encryption_key_file, may_create=may_create, hashes=True)
