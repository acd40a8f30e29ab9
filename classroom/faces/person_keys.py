"""A key for each student, with which what is kept of their face is sealed: deleting it makes every copy unreadable.

The keys lie in a folder outside the data, so that a backup of the data holds templates that nothing in it can open.
Each key is a file of its own (0600), encrypted with the classroom's key. A file's name is a keyed hash of the student
ID: the folder lists no IDs. What hashes them is a file beside them, in plain: a key can be deleted for good also
where the classroom's own key is lost.
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

from core.encryption import Cipher, EncryptionKeyError
from core.json_file import sync_folder

log = logging.getLogger(__name__)

NAMING = "names"  # the file that holds what student IDs are hashed with
ENDING = ".key"


class PersonKeyError(Exception):
    """A person's key can't do what was asked. Its text is one line without a key, an ID or what was sealed."""


class PersonKeyGone(PersonKeyError):
    """What was sealed can't be opened any more (permanent): its key was deleted, or is another one by now."""


class PersonKeysUnavailable(PersonKeyError):
    """The folder can't be read or written now (try again)."""


class PersonKeys:
    """The keys of a folder. Student IDs are compared without case. Every method blocks: call it from a thread.

    Every method may raise PersonKeysUnavailable. Two processes may use one folder.
    """

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        """Take the folder, which is made (0700) at the first use, and what encrypts the keys in it."""
        self._folder = folder
        self._cipher = cipher
        self._lock = threading.Lock()

    def seal(self, student_id: str, content: bytes) -> bytes:
        """Return something encrypted with a student's key, which is made where there is none that can be read."""
        with self._held():
            return self._key(self._file_of(student_id)).encrypt(content)

    def open(self, student_id: str, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            PersonKeyGone: there is no such key, or it is not the one.
        """
        with self._held():
            key = self._kept(self._file_of(student_id))
        if key is None:
            raise PersonKeyGone("the person's key is gone, or was encrypted with another ENCRYPTION_KEY")
        try:
            return key.decrypt(sealed)
        except InvalidToken:
            raise PersonKeyGone("sealed with another key of the person's than the one that is there") from None

    def forget(self, student_id: str) -> bool:
        """Delete a student's key; False where there was none. Where no face was ever checked no folder is made."""
        with self._held(make=False):
            try:
                self._folder.stat()
            except FileNotFoundError:
                return False
            return self._delete([self._file_of(student_id)]) == 1

    def forget_all_but(self, student_ids: Collection[str]) -> int:
        """Delete all keys but those of these students, and what a crash left half made; return how many keys."""
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
                raise PersonKeysUnavailable(f"the folder of the faces' keys: {error.strerror}") from error

    def _keys(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if file.suffix == ENDING]

    def _file_of(self, student_id: str) -> Path:
        name = hashlib.blake2b(student_id.casefold().encode(), key=self._naming(), digest_size=20).hexdigest()
        return self._folder / f"{name}{ENDING}"

    def _naming(self) -> bytes:
        file = self._folder / NAMING
        while True:
            with_nothing = self._keys()  # without what names them nobody finds these again
            try:
                naming = file.read_bytes()
            except FileNotFoundError:
                if self._make(file, secrets.token_bytes(32)):
                    gone = self._delete(with_nothing)
                    log.info("faces' keys: made what names them; %d that nobody can find any more deleted", gone)
                continue
            if len(naming) == 32:
                return naming
            log.warning("faces' keys: what names them is damaged; made anew")
            file.unlink(missing_ok=True)

    def _key(self, file: Path) -> Fernet:
        while True:
            if (key := self._kept(file)) is not None:
                return key
            self._delete([file])  # unreadable: nothing that it sealed can be opened anyway
            self._make(file, self._cipher.encrypt(Fernet.generate_key().decode("ascii")).encode("ascii"))

    def _kept(self, file: Path) -> Fernet | None:
        try:
            return Fernet(self._cipher.decrypt(file.read_bytes().decode("ascii")))
        except (FileNotFoundError, EncryptionKeyError, ValueError):
            return None

    def _make(self, file: Path, content: bytes) -> bool:
        """Make a file as a whole, 0600; False where another has made it first: that one stays."""
        temporary = self._folder / f"{secrets.token_hex(8)}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, file)  # unlike a renaming it never takes the place of another
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
