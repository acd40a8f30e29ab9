"""The entry point: reads the settings and runs the bots that have a token until SIGINT or SIGTERM.

The marker (marker/composition.py) needs one token, the classroom (classroom/composition.py) two.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from backup import BackupError
from backup.archive import back_up
from backup.restore import RESTORING, restore
from classroom import composition as classroom
from classroom.face_composition import reserve_workers
from classroom.store import StoreError, StoreRefused
from core import health, logs
from core import settings as settings_module
from core.clock import SystemClock
from core.encryption import EncryptionKeyError
from core.json_file import DataDamaged, SchemaTooNew
from core.machine import Machine, save_memory
from core.settings import Settings, SettingsError
from core.sqlite import DatabaseError
from marker import composition as marker
from portal.errors import BrowserMissing
from self_check import FAILED
from self_check.run import check, table
from storage import StorageUnavailable
from telegram_app import i18n
from telegram_app.factory import TokenRefused, run_side_by_side

log = logging.getLogger("bot")

EX_UNAVAILABLE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 69, 74, 75, 78  # sysexits.h
STOP_WITHIN = 9.0  # seconds; Docker kills after ten
STANDARD = Path("-")  # as the file of a backup: standard output or input
LAST_BACKUP = "last-backup"  # a file in DATA_DIR, empty: its time is that of the last `--backup`
WORKERS = 32  # threads for blocking work: files, the database, waiting for monitors to end


def main(arguments: list[str] | None = None) -> int:
    """Run the bots, test everything they need, back up or restore their data; return the exit code."""
    parser = argparse.ArgumentParser(description="The attendance bot. Settings: see .env.example.")
    tested = "test tokens, portal, Chrome, storage, key, rosters and ID photos; change nothing"
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help=tested)
    archived = "write an archive of DATA_DIR, without keys; the bot may run; -: standard output"
    instead.add_argument("--backup", metavar="FILE", type=Path, help=archived)
    instead.add_argument("--restore", metavar="FILE", type=Path, help="restore it into an empty DATA_DIR")
    chosen = parser.parse_args(arguments)
    try:
        settings = settings_module.load_for_bot()
    except SettingsError as error:
        return _refuse(error, EX_CONFIG)
    if chosen.check:
        logging.getLogger().addHandler(logging.NullHandler())  # what is logged is in the table
        results = check(settings)
        print(table(results))
        return EX_UNAVAILABLE if any(each.state == FAILED for each in results) else 0
    logs.set_up(settings.log_level, settings.log_format)
    if too_small := save_memory():
        return _refuse(too_small, EX_UNAVAILABLE)
    for line in settings_module.misspelt_in_environment():
        log.warning("%s", line)
    i18n.load()
    try:
        if chosen.backup is not None:
            signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # deletes what is half made
            return _back_up(chosen.backup, settings)
        if chosen.restore is not None:
            return _restore(chosen.restore, settings)
        if (settings.data_dir / RESTORING).exists():
            problem = f"DATA_DIR: '{settings.data_dir}' holds a backup that was not restored to the end"
            return _refuse(f"{problem}: empty the folder and restore it again", EX_CONFIG)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.data_dir / "lock", timeout=0, mode=0o600):
            return asyncio.run(_until_signal(settings))
    except Timeout:
        return _refuse(f"DATA_DIR: '{settings.data_dir}' is in use by another process of this bot", EX_TEMPFAIL)
    except (EncryptionKeyError, SchemaTooNew, SettingsError, StoreRefused, TokenRefused) as error:
        return _refuse(error, EX_CONFIG)
    except (StorageUnavailable, DataDamaged, DatabaseError, StoreError, BackupError, sqlite3.Error, OSError) as error:
        return _refuse(error, EX_IOERR)
    except BrowserMissing as error:
        return _refuse(error, EX_UNAVAILABLE)


def _back_up(file: Path, settings: Settings) -> int:
    with tempfile.TemporaryDirectory() as folder:
        target = file if file != STANDARD else Path(folder) / "backup.zip"
        files = back_up(settings.data_dir, target, SystemClock().now())
        if file == STANDARD:
            with target.open("rb") as content:
                shutil.copyfileobj(content, sys.stdout.buffer)
                sys.stdout.buffer.flush()  # a full disk is told before "backed up"
    with contextlib.suppress(OSError):  # a backup of a folder that can't be written is good, too
        (settings.data_dir / LAST_BACKUP).touch(0o600)
    print(f"backed up {files} files of {settings.data_dir}; keep the keys in another place", file=sys.stderr)
    if settings.mongodb_uri is not None and settings.teacher_bot_token is not None:
        print("the classroom's records are in MongoDB: back them up with mongodump", file=sys.stderr)
    return 0


def _restore(file: Path, settings: Settings) -> int:
    with tempfile.TemporaryDirectory() as folder:
        if file == STANDARD:
            with (file := Path(folder) / "backup.zip").open("wb") as target:
                shutil.copyfileobj(sys.stdin.buffer, target)
        files, people = restore(file, settings)
    print(f"restored {files} files into {settings.data_dir}; deleted again: {people} people", file=sys.stderr)
    return 0


def _refuse(problem: Exception | str, code: int) -> int:
    print(problem, file=sys.stderr)
    return code


async def _until_signal(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(WORKERS, thread_name_prefix="worker"))
    stop = asyncio.Event()
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # as below nohup
    for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(serve(settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        last = threading.Timer(STOP_WITHIN, _end_now)
        last.daemon = True  # also where the loop or a thread hangs
        last.start()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    log.info("stopped")
    return 0


def _end_now() -> None:
    """End the process: what it has to keep is stored already, as for a crash."""
    log.error("not stopped within %.0f s; ended", STOP_WITHIN)
    os._exit(0)


def _time_of(file: Path) -> float:
    with contextlib.suppress(OSError):
        return file.stat().st_mtime
    return 0.0


async def serve(settings: Settings) -> None:
    """Run the configured bots and /healthz until cancelled; raises what marker.serve and classroom.serve raise."""
    clock, reports, machine = SystemClock(), health.HealthReports(), Machine()
    if faces_off := reserve_workers(settings, machine):  # before the marker counts its places
        log.warning("%s", faces_off)
        reports.add_permanent(faces_off)
        settings = settings.model_copy(update={"face_engine": "none"})
    backed_up = "Time of the last `bot.py --backup`, as seconds since 1970; 0: none of this DATA_DIR."
    gauge = reports.metrics.gauge("last_backup_timestamp_seconds", backed_up)
    gauge.set_function(lambda: _time_of(settings.data_dir / LAST_BACKUP))
    async with health.serving(settings.health_port, reports):
        halves = [marker.serve(settings, clock, reports, machine)] if settings.telegram_bot_token is not None else []
        if settings.teacher_bot_token is not None:
            halves.append(classroom.serve(settings, clock, reports))
        await run_side_by_side(halves, reports)


if __name__ == "__main__":
    sys.exit(main())
