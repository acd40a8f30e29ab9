"""Encryption keys of students' face templates: deleting a key makes every copy of the template unreadable.

The keys are in a folder outside the data, so a backup of the data can't decrypt its templates. Each key is a file of
its own (0600), encrypted with the classroom's key. File names are keyed hashes of student IDs, so the folder lists no
IDs. The key of the hash is an unencrypted file beside them: a student's key can be deleted even if the classroom's own
key is lost.
"""

import hashlib
import logging
import os
import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from classroom.domain.sessions import folded
from core.encryption import Cipher, EncryptionKeyError
from core.json_file import sync_folder

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
    PersonKeysUnavailable. Two processes may use one folder.
    """

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self._folder = folder
        self._cipher = cipher
        self._lock = threading.Lock()

    def seal(self, student_id: str, content: bytes) -> bytes:
        """Encrypt content with a student's key; a missing or unreadable key is replaced."""
        with self._held():
            return self._key(self._file_of(student_id)).encrypt(content)

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

    def forget(self, student_id: str) -> bool:
        """Delete a student's key; False if there was none. It does not create the folder."""
        with self._held(make=False):
            try:
                self._folder.stat()
            except FileNotFoundError:
                return False
            return self._delete([self._file_of(student_id)]) == 1

    def forget_all_but(self, student_ids: Collection[str]) -> int:
        """Delete all other students' keys, and unfinished files of a crash; return the number of keys."""
        with self._held():
            kept = {self._file_of(student_id) for student_id in student_ids}
            self._delete([file for file in self._folder.iterdir() if file.suffix == ".new"])
            return self._delete([file for file in self._keys() if file not in kept])

    @contextmanager
    def _held(self, *, make: bool = True) -> Iterator[None]:
        with self._lock:
            try:
                if make:
                    self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                yield
            except OSError as error:
                raise PersonKeysUnavailable(f"the folder of face keys: {error.strerror}") from error

    def _keys(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if file.suffix == ENDING]

    def _file_of(self, student_id: str) -> Path:
        name = hashlib.blake2b(folded(student_id).encode(), key=self._naming(), digest_size=20).hexdigest()
        return self._folder / f"{name}{ENDING}"

    def _naming(self) -> bytes:
        file = self._folder / NAMING
        while True:
            with_nothing = self._keys()  # without the hash key these can't be found again
            try:
                naming = file.read_bytes()
            except FileNotFoundError:
                if self._make(file, secrets.token_bytes(32)):
                    gone = self._delete(with_nothing)
                    log.info("face keys: created the hash key; deleted %d keys that can no longer be found", gone)
                continue
            if len(naming) == 32:
                return naming
            log.warning("face keys: the hash key is damaged; creating a new one")
            file.unlink(missing_ok=True)

    def _key(self, file: Path) -> Fernet:
        while True:
            if (key := self._kept(file)) is not None:
                return key
            self._delete([file])  # unreadable: its content is lost anyway
            self._make(file, self._cipher.encrypt(Fernet.generate_key().decode("ascii")).encode("ascii"))

    def _kept(self, file: Path) -> Fernet | None:
        try:
            return Fernet(self._cipher.decrypt(file.read_bytes().decode("ascii")))
        except (FileNotFoundError, EncryptionKeyError, ValueError):
            return None

    def _make(self, file: Path, content: bytes) -> bool:
        """Create a file atomically, 0600; False if another process has created it first."""
        temporary = self._folder / f"{secrets.token_hex(8)}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, file)  # unlike a rename it never replaces a file
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(self._folder)
        return True

    def _delete(self, files: list[Path]) -> int:
        count = 0
        for file in files:
            try:
                file.unlink()
            except FileNotFoundError:
                continue
            count += 1
        if count:
            sync_folder(self._folder)
        return count
