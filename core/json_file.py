"""A mapping of records in one JSON file that survives a crash at any moment and has a copy beside it.

A damaged file is set aside under another name and the copy is used; where that is damaged, too, nothing starts.

Source of the order write, sync, rename, sync the folder: Pillai et al., "All File Systems Are Not Created
Equal" (OSDI 2014).
"""

import json
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

# The version that each record carries; so the files stay plain mappings by Telegram ID and by code.
SCHEMA = 2

Record = TypeVar("Record")


class SchemaTooNew(Exception):
    """A newer version of this program wrote the data (permanent: run that version). Nothing was touched."""


class DataDamaged(Exception):
    """Neither a file nor its copy can be read (permanent: the operator has to look). Nothing was touched."""


class JsonFile(Generic[Record]):
    """One JSON object on disk, its values dataclasses, replaced as a whole."""

    def __init__(self, path: Path, read: Callable[[dict[str, Any]], Record]) -> None:
        """Take the file's path and what makes a record of a JSON object (KeyError, TypeError, ValueError: can't)."""
        self.path = path
        self._copy = path.with_name(path.name + ".copy")
        self._read = read

    def load(self) -> dict[str, Record]:
        """Return the records; make the file where there is none; use the copy where the file is damaged.

        Raises:
            SchemaTooNew: the file is newer than this program.
            DataDamaged: neither the file nor its copy can be read.
            OSError: it can't be read, set aside or made.
        """
        records, damaged = self._load(self.path)
        if records is None:
            copy, copy_damaged = self._load(self._copy)
            if copy is None and (damaged or copy_damaged):
                # nothing is moved or written: to begin empty is for a person to decide
                raise DataDamaged(f"'{self.path}' is damaged, and so is its copy: restore a backup, or move both away")
            if damaged:
                aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
                self.path.rename(aside)
                log.error(
                    "%s is damaged; set aside as %s; used the copy %s", self.path.name, aside.name, self._copy.name
                )
            records = copy or {}
            self.save(records)
        elif self._content(records) != self._text_of_copy():  # a crash came between file and copy
            self.save(records)
        self.path.chmod(0o600)
        return records

    def save(self, records: Mapping[str, Record]) -> None:
        """Write file and copy. Raises OSError where the file could not be replaced; a missed copy is logged."""
        content = self._content(records)
        replace_file(self.path, content)
        try:
            replace_file(self._copy, content)
        except OSError:
            log.exception("%s: the copy is one change behind", self.path.name)

    def _content(self, records: Mapping[str, Record]) -> str:
        plain = {key: asdict(record) for key, record in records.items()}  # type: ignore[call-overload]
        return json.dumps(plain, ensure_ascii=False, indent=2)

    def _text_of_copy(self) -> str | None:
        try:
            return self._copy.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _load(self, path: Path) -> tuple[dict[str, Record] | None, bool]:
        """Return the records of a file, None where there are none to have; and whether the file is damaged."""
        try:
            content = path.read_text(encoding="utf-8")
            return {key: self._read(migrate(record)) for key, record in json.loads(content).items()}, False
        except FileNotFoundError:
            return None, False
        except (ValueError, TypeError, AttributeError, KeyError):
            # no traceback: a decoder's error quotes the file, and with it what people typed
            return None, True


def migrate(record: dict[str, Any]) -> dict[str, Any]:
    """Bring a record of an older schema forward, one version at a time.

    Raises:
        SchemaTooNew: the record is newer than this program.
    """
    version = int(record.get("schema", 1))
    if version > SCHEMA:
        raise SchemaTooNew(f"the data has schema {version}; this version of the program knows up to {SCHEMA}")
    if version < 2 and "created_by" in record:  # an invitation: it can be for somebody, and be revoked
        record = {"note": "", "revoked_at": None, **record}
    return {**record, "schema": SCHEMA}


def replace_file(path: Path, content: str) -> None:
    """Replace a file as a whole, 0600: written beside, synced, renamed, and the folder synced.

    Raises:
        OSError: the file is as it was, or already the new one where only the folder's sync failed.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # one left by a crash, or made by hand, may have another mode
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the disk: a renamed file is found under its new name after a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
