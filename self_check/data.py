"""Checks of the data: students and codes, the database, the encryption key; the rosters of the classroom."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from classroom.database import FILE, KEY_FILE, holds_store
from classroom.lms.csv_files import RosterFolder
from classroom.lms.rosters import Rosters
from classroom.saved_rooms import SCHEMA as SAVED_ROOMS
from classroom.store.schema import SCHEMA as STORE
from core.encryption import DELETIONS, HASH_KEY, Cipher, EncryptionKeyError, open_cipher
from core.settings import Settings
from core.sqlite import DatabaseError, Schema, damage, stored_versions
from marker.single_user import in_use
from marker.tables.schema import SCHEMAS
from self_check import FAILED, OK, WARNING, Result, named
from storage import Storage
from telegram_app.schema import SCHEMA as TELEGRAM_APP

CLASSROOM = (TELEGRAM_APP, SAVED_ROOMS, STORE)


class _NoKey(Cipher):
    """Loads the storage without its key, which has a check of its own."""

    def __init__(self) -> None: ...
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
    if settings.single_user and (problem := in_use(storage, settings.admin_telegram_id[0])):
        return Result("storage", FAILED, problem)
    counts = f"students: {len(storage.students())}, codes: {len(storage.invitations())}"
    return Result("storage", OK, f"{counts}; writable; {user}")


def check_database(settings: Settings) -> Result:
    """Check the integrity and the schema versions of the marker's database."""
    return _check_file("database", settings.data_dir / "ledger.sqlite3", SCHEMAS)


def check_classroom(settings: Settings) -> Result:
    """Check the classroom's database in the same way; older versions had several files."""
    folder = settings.data_dir / "classroom"
    if not (folder / FILE).exists() and holds_store(folder):
        return Result("classroom", OK, "files of an older version, which the next start takes over")
    return _check_file("classroom", folder / FILE, CLASSROOM)


def _check_file(subject: str, file: Path, schemas: Sequence[Schema]) -> Result:
    if not file.exists():
        return Result(subject, OK, "will be created at the first start")
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        versions = stored_versions(connection, schemas)
        wrong = damage(connection)
        waiting = connection.execute("SELECT count(*) FROM outgoing").fetchone()[0]
    except DatabaseError as error:
        return Result(subject, FAILED, str(error))
    finally:
        connection.close()
    if wrong:
        return Result(subject, FAILED, f"'{file}' is damaged ({wrong}): restore a backup")
    owners = ", ".join(f"{each.owner} {versions[each.owner]} of {each.version}" for each in schemas)
    return Result(subject, OK, f"schemas: {owners}; {waiting} messages waiting")


def check_key(settings: Settings) -> Result:
    """Check that the encryption key can decrypt the stored passwords."""
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    key_file = settings.encryption_key_file
    if keys is None and not key_file.exists() and not Storage.holds_students(settings.data_dir):
        return Result("key", OK, f"will be created at the first start: {key_file}")
    return _check_key("key", keys, key_file, lambda cipher: _load_copy(settings.data_dir, cipher))


def check_classroom_key(settings: Settings) -> Result:
    """Check that the classroom's key can decrypt the teachers' tokens; those in MongoDB are not read here."""
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    key_file, file = settings.encryption_key_file.with_name(KEY_FILE), settings.data_dir / "classroom" / FILE
    has_tokens = settings.mongodb_uri is None and file.exists()
    if keys is None and not key_file.exists() and not has_tokens:
        return Result("classroom.key", OK, f"will be created at the first start: {key_file}")

    def decrypt(cipher: Cipher) -> None:
        if has_tokens:
            with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                for (sealed,) in connection.execute("SELECT secrets FROM jwt_tokens"):
                    cipher.decrypt(sealed)

    return _check_key("classroom.key", keys, key_file, decrypt)


def _check_key(subject: str, keys: str | None, key_file: Path, decrypt: Callable[[Cipher], object]) -> Result:
    try:
        # the key of hashes too, unless that would make it
        hashes = any(key_file.with_name(name).exists() for name in (HASH_KEY, DELETIONS))
        decrypt(open_cipher(keys, key_file, may_create=False, hashes=hashes))
    except EncryptionKeyError as error:
        return Result(subject, FAILED, str(error))
    if keys is None and key_file.stat().st_mode & 0o077:
        return Result(subject, WARNING, f"others can read {key_file}: run chmod 600 on it")
    source = "ENCRYPTION_KEY" if keys else key_file
    return Result(subject, OK, f"fits the data; from {source}; keep a backup of it outside DATA_DIR")


def _load_copy(folder: Path, cipher: Cipher) -> Storage:
    """Load a copy of the JSON files, since loading may repair them."""
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob("*.json*"):
            shutil.copy(file, copy)
        return Storage(Path(copy), cipher)


def check_rosters(settings: Settings) -> Result:
    """Read the rosters, if there is no LMS; name every mistake and what people should look at."""
    if settings.base_url is not None:
        return Result("rosters", OK, f"from the LMS {settings.base_url}, which is not called here")
    rosters = RosterFolder(settings.data_dir / "rosters").read()
    teachers, batches = len(rosters.teachers), len({course.batch for course in rosters.students})
    state = FAILED if rosters.mistakes else WARNING if rosters.warnings else OK
    counts = f"{teachers} teachers, {batches} batches, {len(_students(rosters))} students"
    lines = [each.text() for each in (*rosters.mistakes, *rosters.warnings)]
    return Result("rosters", state, "\n".join([counts, *named(lines)]))


def _students(rosters: Rosters) -> set[str]:
    return {student.student_id for roster in rosters.students.values() for student in roster}
