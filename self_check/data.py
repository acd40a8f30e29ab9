"""Checks of the marker's data: students and codes, the database, the encryption key."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from core.encryption import Cipher, EncryptionKeyError, open_cipher
from core.settings import Settings
from core.sqlite import DatabaseError, stored_versions
from marker.tables.schema import SCHEMAS
from self_check.result import FAILED, OK, WARNING, Result
from storage import Storage


class _NoKey(Cipher):
    """Loads the storage without its key, which has a check of its own."""

    def __init__(self) -> None:
        pass

    def decrypt(self, token: str) -> str:
        return ""


def check_storage(settings: Settings) -> Result:
    """Load a copy of the JSON files, and try to write to DATA_DIR."""
    folder = settings.data_dir
    if not folder.exists():
        return Result("storage", OK, "DATA_DIR will be created at the first start")
    try:
        with FileLock(folder / "lock", timeout=0, mode=0o600):
            user = "not in use by a bot"
    except Timeout:
        user = "in use by a running bot"
    probe = folder / "check"
    probe.touch()
    probe.unlink()
    storage = _load_copy(folder, _NoKey())
    counts = f"{len(storage.students())} students, {len(storage.invitations())} codes"
    return Result("storage", OK, f"{counts}; writable; {user}")


def check_database(settings: Settings) -> Result:
    """Check the integrity and the schema versions of the marker's database."""
    file = settings.data_dir / "ledger.sqlite3"
    if not file.exists():
        return Result("database", OK, "will be created at the first start")
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        versions = stored_versions(connection, SCHEMAS)
        integrity = connection.execute("PRAGMA quick_check").fetchone()[0]
        waiting = connection.execute("SELECT count(*) FROM outgoing").fetchone()[0]
    except DatabaseError as error:
        return Result("database", FAILED, str(error))
    finally:
        connection.close()
    if integrity != "ok":
        return Result("database", FAILED, f"'{file}' is damaged ({integrity}): restore a backup")
    schemas = ", ".join(f"{each.owner} {versions[each.owner]} of {each.version}" for each in SCHEMAS)
    return Result("database", OK, f"schemas: {schemas}; {waiting} messages waiting")


def check_key(settings: Settings) -> Result:
    """Check that the encryption key can decrypt the stored passwords."""
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    key_file = settings.encryption_key_file
    if keys is None and not key_file.exists() and not Storage.holds_students(settings.data_dir):
        return Result("key", OK, f"will be created at the first start: {key_file}")
    try:
        _load_copy(settings.data_dir, open_cipher(keys, key_file, may_create=False))
    except EncryptionKeyError as error:
        return Result("key", FAILED, str(error))
    if keys is None and key_file.stat().st_mode & 0o077:
        return Result("key", WARNING, f"others can read {key_file}: run chmod 600 on it")
    source = "ENCRYPTION_KEY" if keys else key_file
    return Result("key", OK, f"fits the data; from {source}; keep a backup of it outside DATA_DIR")


def _load_copy(folder: Path, cipher: Cipher) -> Storage:
    """Load a copy of the JSON files, since loading may repair them."""
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob("*.json*"):
            shutil.copy(file, copy)
        return Storage(Path(copy), cipher)
