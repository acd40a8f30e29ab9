"""Opens what the classroom stores in, and its LMS, as the settings say."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from classroom.database import KEY_FILE, holds_store
from classroom.lms import Lms
from classroom.lms.csv_files import CsvLms
from classroom.lms.rest import RestLms
from classroom.metrics import ClassroomMetrics
from classroom.store import Store, StoreUnavailable
from classroom.store.sqlite import SqliteStore
from core.clock import Clock
from core.encryption import Cipher, open_cipher
from core.health import HealthReports, PartHealth
from core.settings import Settings
from core.sqlite import Database
from core.tasks import is_wanted

log = logging.getLogger(__name__)

STORE_TRIED_EVERY = 5.0  # seconds


@asynccontextmanager
async def open_store(
    settings: Settings, database: Database, cipher: Cipher, reports: HealthReports
) -> AsyncIterator[Store]:
    store: Store
    if settings.mongodb_uri is not None:
        from classroom.store.mongo import MongoStore  # here: its driver takes 13 MB

        store = MongoStore(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, cipher)
    else:
        store = SqliteStore(database, cipher)
    try:
        await open_when_available(store, reports)
        yield store
    finally:
        await store.close()


async def open_when_available(store: Store, reports: HealthReports, *, every: float = STORE_TRIED_EVERY) -> None:
    """Open a store; retry while it can't be reached. Raises StoreDamaged, StoreRefused, EncryptionKeyError."""
    with reports.part(_waiting_for_store):
        while is_wanted():
            try:
                return await store.open()
            except StoreUnavailable as error:
                log.warning("the classroom waits for its store: %s", error)
            await asyncio.sleep(every)
        raise asyncio.CancelledError


async def _waiting_for_store() -> PartHealth:
    return PartHealth([], ["the classroom waits for its store: see the log"], {})


def cipher_of(settings: Settings, folder: Path) -> Cipher:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    file = settings.encryption_key_file.with_name(KEY_FILE)
    has_secrets = settings.mongodb_uri is None and holds_store(folder)
    return open_cipher(keys, file, may_create=not has_secrets, hashes=True)


def lms_of(settings: Settings, store: Store, clock: Clock, metrics: ClassroomMetrics) -> Lms:
    if settings.base_url is None or settings.jwt_login_endpoint is None:
        return CsvLms(settings.data_dir / "rosters")
    return RestLms(settings.base_url, settings.jwt_login_endpoint, store, clock, metrics=metrics)
