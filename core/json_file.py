"""A crash-safe JSON file that maps keys to records, with a backup copy beside it.

A damaged file is renamed and replaced by the copy. If the copy is damaged as well, loading fails. The order
write, fsync, rename, fsync of the folder follows Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
"""

import json
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

# The schema version is stored in each record, so that the files stay plain mappings by Telegram ID and by code.
SCHEMA = 2

Record = TypeVar("Record")


class SchemaTooNew(Exception):
    """The data was written by a newer version of this program (permanent: run that version). Nothing was changed."""


class DataDamaged(Exception):
    """A file and its copy are both damaged (permanent: the operator must restore one). Nothing was changed."""


class JsonFile(Generic[Record]):
    """One JSON object on disk whose values are dataclasses; every save replaces the whole file.

    ``read`` makes a record from a JSON object; it raises KeyError, TypeError or ValueError for a malformed one.
    """

    def __init__(self, path: Path, read: Callable[[dict[str, Any]], Record]) -> None:
        self.path = path
        self._copy = path.with_name(path.name + ".copy")
        self._read = read
        self.copy_is_old = False  # the copy could not be written: it may hold what was deleted

    def load(self) -> dict[str, Record]:
        """Return the records. A missing file is created; a damaged one is replaced by the copy.

        Raises SchemaTooNew, DataDamaged, and OSError where the file can't be read, renamed or created.
        """
        records, damaged = self._load(self.path)
        if records is None:
            copy, copy_damaged = self._load(self._copy)
            if copy is None and (damaged or copy_damaged):
                # nothing is moved or written: only the operator may decide to start without data
                raise DataDamaged(f"'{self.path}' and its copy are damaged: restore a backup, or move both away")
            if damaged:
                name, aside = self.path.name, self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
                self.path.rename(aside)
                log.error("%s is damaged: renamed to %s, loaded the copy %s", name, aside.name, self._copy.name)
            records = copy or {}
            self.save(records)
        elif self._content(records) != self._text_of_copy():  # a crash between writing the file and the copy
            self.save(records)
        self.path.chmod(0o600)
        return records

    def save(self, records: Mapping[str, Record]) -> None:
        """Write the file and the copy. Raises OSError if the file can't be replaced; a failed copy is only logged."""
        content = self._content(records)
        replace_file(self.path, content)
        self.copy_is_old = True
        try:
            replace_file(self._copy, content)
            self.copy_is_old = False
        except OSError:
            log.exception("%s: the copy is one change behind", self.path.name)

    def forget(self, *texts: str) -> None:
        """Delete damaged files that were set aside and contain one of these texts. Raises OSError."""
        for aside in self.path.parent.glob(f"{self.path.name}.damaged-*"):
            content = aside.read_bytes()
            if any(text.encode() in content for text in texts):
                aside.unlink()

    def _content(self, records: Mapping[str, Record]) -> str:
        plain = {key: asdict(record) for key, record in records.items()}  # type: ignore[call-overload]
        return json.dumps(plain, ensure_ascii=False, indent=2)

    def _text_of_copy(self) -> str | None:
        try:
            return self._copy.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _load(self, path: Path) -> tuple[dict[str, Record] | None, bool]:
        """Return the records of a file, None if it is missing or damaged; and whether it is damaged."""
        try:
            content = path.read_text(encoding="utf-8")
            return {key: self._read(migrate(record)) for key, record in json.loads(content).items()}, False
        except FileNotFoundError:
            return None, False
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            # no traceback: a decoder's error quotes the file, which holds people's data
            return None, True


def migrate(record: dict[str, Any]) -> dict[str, Any]:
    """Migrate a record of an older schema to the current one. Raises SchemaTooNew."""
    version = int(record.get("schema", 1))
    if version > SCHEMA:
        raise SchemaTooNew(f"the data has schema {version}; this version of the program knows up to {SCHEMA}")
    if version < 2 and "created_by" in record:  # an invitation: version 2 added a note and revoking
        record = {"note": "", "revoked_at": None, **record}
    return {**record, "schema": SCHEMA}


def is_inside(path: Path, folder: Path) -> bool:
    """Say whether a path is in a folder also after its links are followed. The folder itself may be a link."""
    return path.resolve().is_relative_to(folder.resolve())


def delete_older(folder: Path, before: datetime) -> int:
    """Delete the files in a folder, and in folders in it, that were written before a moment; return how many.

    Folders that are old and empty go, too. Raises OSError.
    """
    count = 0
    for each in folder.iterdir() if folder.is_dir() else []:
        with suppress(FileNotFoundError):  # deleted meanwhile
            is_old = each.stat().st_mtime < before.timestamp()
            if each.is_dir():
                count += delete_older(each, before)
                if is_old and not any(each.iterdir()):
                    each.rmdir()
            elif is_old:
                each.unlink()
                count += 1
    return count


def replace_file(path: Path, content: str | bytes) -> None:
    """Replace a file atomically, mode 0600: write a temporary file, fsync, rename, fsync the folder.

    After an OSError the file is unchanged, or already replaced if only the folder's fsync failed.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # one that a crash left may have another mode
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Fsync a folder, so that a renamed file keeps its new name after a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
