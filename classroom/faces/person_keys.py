"""Encryption keys of students' face templates: deleting a key makes every copy of the template unreadable.

The keys are in a folder outside the data, so a backup of the data can't decrypt its templates. Each key is a file of
its own (0600), encrypted with the classroom's key. File names are keyed hashes of student IDs, so the folder lists no
IDs. The key of the hash is an unencrypted file beside them: a student's key can be deleted even if the classroom's own
key is lost.
"""

import hashlib
import logging
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from filelock import FileLock

from classroom.domain.sessions import folded
from core.encryption import Cipher, EncryptionKeyError
from core.json_file import replace_file, sync_folder

log = logging.getLogger(__name__)

NAMING = "names"  # the file with the key for hashing student IDs
ENDING = ".key"


class PersonKeyError(Exception):
    """A key operation failed. Its text is one line without keys, IDs or content."""


class PersonKeyGone(PersonKeyError):
    """The content can't be decrypted any more (permanent): its key was deleted or replaced."""


class PersonKeysUnavailable(PersonKeyError):
    """The folder can't be read or written (try again)."""


class PersonKeys:
    """The keys in a folder, which is created (0700) at first use; ``cipher`` encrypts them.

    Student IDs are compared without case. Every method blocks (call it from a thread) and may raise
    PersonKeysUnavailable. A lock on the folder lets one thread of one process at it.
    """

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self._folder = folder
        self._cipher = cipher

    def seal(self, student_id: str, content: bytes) -> bytes:
        """Encrypt content with a student's key; a missing or unreadable key is replaced."""
        with self._held():
            file = self._file_of(student_id)
            key = self._kept(file)
            if key is None:
                new = Fernet.generate_key()
                replace_file(file, self._cipher.encrypt(new.decode("ascii")))
                key = Fernet(new)
            return key.encrypt(content)

    def open(self, student_id: str, sealed: bytes) -> bytes:
        """Decrypt content with a student's key. Raises PersonKeyGone: there is no key, or another one."""
        with self._held():
            key = self._kept(self._file_of(student_id))
        if key is None:
            raise PersonKeyGone("the person's key is gone, or was encrypted with another ENCRYPTION_KEY")
        try:
            return key.decrypt(sealed)
        except InvalidToken:
            raise PersonKeyGone("encrypted with an earlier key of this person") from None

    def there(self, student_ids: Collection[str]) -> set[str]:
        """Return those of some students who have a key."""
        with self._held():
            return {each for each in student_ids if self._file_of(each).exists()}

    def forget(self, student_id: str) -> bool:
        """Delete a student's key; False if there was none. It does not create the folder."""
        with self._held(make=False) as is_there:
            return is_there and self._delete([self._file_of(student_id)]) == 1

    @contextmanager
    def _held(self, *, make: bool = True) -> Iterator[bool]:
        """Hold the folder's lock; with ``make=False`` a missing folder is not created, but False yielded."""
        try:
            try:
                self._folder.stat()
            except FileNotFoundError:
                if not make:
                    yield False
                    return
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._folder / "lock", mode=0o600, poll_interval=0.01):
                yield True
        except OSError as error:
            raise PersonKeysUnavailable(f"the folder of face keys: {error.strerror}") from error

    def _file_of(self, student_id: str) -> Path:
        name = hashlib.blake2b(folded(student_id).encode(), key=self._naming(), digest_size=20).hexdigest()
        return self._folder / f"{name}{ENDING}"

    def _naming(self) -> bytes:
        """Return the key for hashing IDs; a missing or damaged one is replaced."""
        file = self._folder / NAMING
        naming = file.read_bytes() if file.exists() else b""
        if len(naming) != 32:
            naming = secrets.token_bytes(32)
            replace_file(file, naming)
            gone = self._delete(list(self._folder.glob(f"*{ENDING}")))
            log.info("face keys: created the hash key; deleted %d keys that can no longer be found", gone)
        return naming

    def _kept(self, file: Path) -> Fernet | None:
        try:
            return Fernet(self._cipher.decrypt(file.read_bytes().decode("ascii")))
        except (FileNotFoundError, EncryptionKeyError, ValueError):
            return None

    def _delete(self, files: list[Path]) -> int:
        found = [file for file in files if file.exists()]
        for file in found:
            file.unlink()
        if found:
            sync_folder(self._folder)
        return len(found)
