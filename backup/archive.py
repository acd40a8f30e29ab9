"""Writes the archive, also while the bot runs: each database as of one moment, the JSON files, the rosters.

Left out are the keys, and what can be made again or is kept for days only: Chrome's profiles, ID photos, reports,
pictures for reviews, unknown pages.
"""

import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from backup import FORMAT, MANIFEST, NAME, BackupError
from core.json_file import is_inside, sync_folder
from core.sqlite import damage

# An invitation is written after its student, so it is read before: what comes between is repaired when it is loaded.
JSON_FILES = ("invitations.json", "students.json")


def back_up(data: Path, target: Path, now: datetime) -> int:
    """Write the archive (0600) of a data folder, atomically; return how many files it has.

    Raises BackupError, OSError, sqlite3.Error.
    """
    if not data.is_dir():
        raise BackupError(f"DATA_DIR: '{data}' does not exist: there is nothing to back up")
    if is_inside(target.parent, data):
        raise BackupError(f"'{target}' lies in DATA_DIR: write the backup to another folder")
    if target.exists() and not target.is_file():  # /dev/stdout would be replaced by a file
        raise BackupError(f"'{target}' is no file: name a file, or - for standard output")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as staging:
        files = dict(_files(data, Path(staging)))
        manifest = {"format": FORMAT, "made_at": now.astimezone(UTC).isoformat(), "files": {}}
        for name, file in files.items():
            with file.open("rb") as content:
                digest = file_digest(content, "sha256").hexdigest()
            manifest["files"][name] = {"size": file.stat().st_size, "sha256": digest}  # type: ignore[index]
        new = Path(staging) / "archive"
        with os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file_object:
            with zipfile.ZipFile(file_object, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
                for name, file in files.items():
                    archive.write(file, name)
            file_object.flush()
            os.fsync(file_object.fileno())
        new.replace(target)
    sync_folder(target.parent)
    return len(files)


def _files(data: Path, staging: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file's name in the archive, and a copy of it that does not change any more."""
    for name in JSON_FILES:
        if (data / name).exists():
            content = (data / name).read_bytes()  # replaced as a whole by the bot, so it is one state
            try:
                json.loads(content)
            except ValueError:
                raise BackupError(
                    f"'{data / name}' is damaged: start the bot, which repairs it from its copy"
                ) from None
            yield name, _written(staging / name, content)
    for file in [*data.glob("*.sqlite3"), *data.glob("classroom/*.sqlite3")]:
        if NAME.fullmatch(name := file.relative_to(data).as_posix()):
            yield name, _database(file, staging / name.replace("/", "-"))
    rosters = data / "rosters"
    for number, file in enumerate(sorted([*rosters.glob("*.*"), *rosters.glob("marks/*.csv")])):
        name = file.relative_to(data).as_posix()
        if file.is_file() and is_inside(file, rosters) and NAME.fullmatch(name) and name.isprintable():
            yield name, _written(staging / f"roster-{number}", file.read_bytes())


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _database(file: Path, copy: Path) -> Path:
    """Copy a database by SQLite's backup API: the state of one moment, whatever is written meanwhile."""
    read_only = f"{file.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        if wrong := damage(target):
            raise BackupError(f"'{file}' is damaged ({wrong}): keep the backups that you have")
    return copy
