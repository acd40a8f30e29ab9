"""Restores an archive into an empty data folder, without the people who were deleted after it was made.

Everything is checked in a folder of its own before anything takes its place.
"""

import asyncio
import json
import shutil
import zipfile
import zlib
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from backup import FORMAT, MANIFEST, NAME, BackupError
from classroom.database import KEY_FILE, holds_store, open_database
from classroom.domain.face_records import Consent
from classroom.store.sqlite import SqliteStore
from core.clock import SystemClock
from core.deletions import Deletions
from core.encryption import DELETIONS, Cipher, open_cipher
from core.json_file import sync_folder
from core.settings import Settings
from core.sqlite import Database
from marker.tables.schema import SCHEMAS
from marker.tables.students import StudentRows
from storage import Storage
from telegram_app.people import People

RESTORING = "restoring"  # the folder in DATA_DIR; while it is there a restore is not finished
LARGEST_MANIFEST, PART = 16 * 1024 * 1024, 1024 * 1024  # bytes
CLASSROOM = ("classroom", "teachers")  # what deletions are recorded for: students; sign-ins of teachers
_LEDGER = "ledger.sqlite3"
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # other decompressors have errors of their own
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class _File(BaseModel):
    size: Annotated[int, Field(ge=0)]
    sha256: str


class _Manifest(BaseModel):
    format: int
    made_at: AwareDatetime
    files: dict[str, _File]


def restore(file: Path, settings: Settings) -> tuple[int, int]:
    """Restore an archive; return how many files it had, and how many people were deleted again.

    Raises:
        BackupError: the folder is not empty, or the archive is damaged, of a newer version or not ours.
        Timeout: a bot uses the folder.
        EncryptionKeyError, DatabaseError, DataDamaged, SchemaTooNew, OSError: see there.
    """
    data = settings.data_dir
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(data / "lock", timeout=0, mode=0o600):
        if others := sorted(each.name for each in data.iterdir() if each.name not in ("lock", RESTORING)):
            raise BackupError(f"DATA_DIR: '{data}' is not empty ({others[0]}): restore into an empty folder")
        staging = data / RESTORING
        shutil.rmtree(staging, ignore_errors=True)  # of a restore that was killed
        staging.mkdir(mode=0o700)
        try:
            manifest = _extract(file, staging)
            deleted = _without_deleted(staging, manifest.made_at, settings)
        except BaseException:
            shutil.rmtree(staging)
            raise
        for each in staging.iterdir():
            each.rename(data / each.name)
        staging.rmdir()
        sync_folder(data)
    return len(manifest.files), deleted


def _extract(file: Path, staging: Path) -> _Manifest:
    """Write an archive's files below ``staging`` and compare them with the manifest."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [each.filename for each in archive.infolist() if each.compress_type in _PACKED]
            if names[:1] != [MANIFEST] or archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST:
                raise BackupError(f"'{file}' is no backup of this program")
            content = json.loads(archive.read(MANIFEST))
            if isinstance(content, dict) and content.get("format") not in (None, FORMAT):
                raise BackupError(f"'{file}' was made by a newer version of this program: restore it with that one")
            manifest = _Manifest.model_validate(content)
            if sorted(names[1:]) != sorted(manifest.files) or not all(map(NAME.fullmatch, names[1:])):
                raise BackupError(f"'{file}' has other files than a backup of this program")
            if sum(each.size for each in manifest.files.values()) > shutil.disk_usage(staging).free:
                raise BackupError(f"DATA_DIR: '{staging.parent}' has not enough disk space for '{file}'")
            for name, expected in manifest.files.items():
                _write(archive, name, expected, staging / name)
    except (*_UNREADABLE, ValidationError) as error:
        raise BackupError(f"'{file}' is damaged, or no backup ({type(error).__name__}): use another one") from None
    return manifest


def _write(archive: zipfile.ZipFile, name: str, expected: _File, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=False)
    digest, size = sha256(), 0
    with archive.open(name) as member, path.open("wb") as target:
        while size <= expected.size and (part := member.read(PART)):
            size += len(part)
            digest.update(part)
            target.write(part)
    if (size, digest.hexdigest()) != (expected.size, expected.sha256):
        raise BackupError(f"the backup's file {name} is damaged: use another backup")


def _without_deleted(staging: Path, made_at: datetime, settings: Settings) -> int:
    """Open everything as the bot does, and delete again who was deleted since then; return how many people."""
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    key_file = settings.encryption_key_file
    cipher = open_cipher(keys, key_file, may_create=not Storage.holds_students(staging), hashes=True)
    deletions = Deletions(key_file.with_name(DELETIONS), cipher.digest, SystemClock().now)
    gone, found = deletions.since(made_at), set[int]()
    if (staging / "students.json").exists():
        storage = Storage(staging, cipher)
        redeemers = {each.used_by for each in storage.invitations().values() if each.used_by}
        for person in {student.telegram_id for student in storage.students()} | redeemers:
            if gone("marker", person):
                storage.erase(person)
                found.add(person)
    if (staging / _LEDGER).exists():
        with closing(Database(staging / _LEDGER, SCHEMAS)) as database:
            rows = StudentRows(database)
            for person in _accounts(database):
                if gone("marker", person):
                    rows.forget(person)
                    found.add(person)
    if holds_store(staging / "classroom"):
        sealing = open_cipher(keys, key_file.with_name(KEY_FILE), may_create=False, hashes=True)
        with closing(open_database(staging / "classroom")) as database:
            people, teachers = ([each for each in _accounts(database) if gone(half, each)] for half in CLASSROOM)
            asyncio.run(_forget(database, sealing, people, teachers))
            found.update(people)
    return len(found)


async def _forget(database: Database, cipher: Cipher, people: list[int], teachers: list[int]) -> None:
    store, student, teacher = SqliteStore(database, cipher), People(database, "student"), People(database, "teacher")
    await store.open()
    await store.delete(Consent)  # one that was withdrawn since then must not hold again: everybody is asked
    for person in teachers:
        await store.remove_teacher(person)
    for person in people:
        names = await store.ids_of(person)
        await store.forget_student(person)
        student.forget(person, *names)
        teacher.forget_names(str(person), *names)
    await store.close()
    database.erase_traces()


def _accounts(database: Database) -> set[int]:
    """Return every number in the database's columns of Telegram accounts."""
    columns = database.read(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
        " WHERE tables.type = 'table' AND columns.name IN ('telegram_id', 'chat_id', 'student')"
    )
    reads = [f"SELECT {column} FROM {table} WHERE {column} > 0" for table, column in columns]  # noqa: S608  # our own
    return {row[0] for each in reads for row in database.read(each)}
