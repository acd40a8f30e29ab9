"""The record of who was deleted when, which restoring a backup applies.

It lies beside the encryption key, outside of the data and so of every backup. Each line is a time and a keyed hash.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from core.encryption import Digest, EncryptionKeyError
from core.json_file import sync_folder


class Deletions:
    """The file of deletions: of "marker", "classroom", or "teachers" (sign-ins). Blocks, and may raise OSError."""

    def __init__(self, file: Path, digest: Digest, now: Callable[[], datetime]) -> None:
        self._file, self._digest, self._now = file, digest, now

    def add(self, of: str, person: int) -> None:
        """Record a deletion, before it is carried out."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as file:
            # a new line first: a full disk or a crash may have left half of one
            file.write(f"\n{self._now().astimezone(UTC).isoformat()} {self._hash(of, person)}\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._file.parent)

    def since(self, at: datetime) -> Callable[[str, int], bool]:
        """Return a function that says whether somebody was deleted at that time or later. Raises EncryptionKeyError."""
        try:
            lines = self._file.read_text(encoding="ascii").splitlines() if self._file.exists() else []
            found = [line.split(" ") for line in lines if line.count(" ") == 1]
            gone = {each for time, each in found if len(each) == 40 and datetime.fromisoformat(time) >= at}
        except (ValueError, TypeError):  # TypeError: a time without a zone
            raise EncryptionKeyError(f"'{self._file}' is damaged: restore it from where the keys are kept") from None
        return lambda of, person: self._hash(of, person) in gone

    def _hash(self, of: str, person: int) -> str:
        return self._digest(f"deleted of {of}: {person}")
