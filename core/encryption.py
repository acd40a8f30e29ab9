"""Encryption at rest with a Fernet key, or with several during a key rotation."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.json_file import replace_file

log = logging.getLogger(__name__)

Digest = Callable[[str], str]
HASH_KEY, DELETIONS = "hashing.key", "deletions"  # beside the encryption key; see core/deletions.py


class EncryptionKeyError(Exception):
    """The key is missing, unusable or not the one that encrypted the data (permanent). The text is one line."""


class Cipher:
    """Encrypts and decrypts short texts with comma-separated Fernet keys: the first one encrypts, all decrypt.

    ``hash_key`` is for ``digest``; without it the first of the keys is used.
    """

    def __init__(self, keys: str, hash_key: bytes = b"") -> None:
        first = keys.partition(",")[0].strip()
        self._hash_key = hash_key or hashlib.blake2b(first.encode(), person=b"hashing").digest()
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",") if key.strip()])
        except ValueError:
            # `from None`: the cause's text describes the key's bytes
            raise EncryptionKeyError(
                "ENCRYPTION_KEY: got a value that is not shown here, wants Fernet keys, comma-separated"
            ) from None

    def encrypt(self, text: str) -> str:
        """Encrypt ``text`` to a Fernet token (https://github.com/fernet/spec)."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Decrypt a Fernet token. Raises EncryptionKeyError: none of the keys can decrypt it."""
        try:
            return self._fernet.decrypt(token.encode("ascii")).decode()
        except (InvalidToken, UnicodeError):
            raise EncryptionKeyError("the data was encrypted with a key that is not among ENCRYPTION_KEY's") from None

    def digest(self, text: str) -> str:
        """Return a keyed hash: without the key nobody can find the text by trying all Telegram IDs."""
        return hashlib.blake2b(text.encode(), key=self._hash_key, digest_size=20).hexdigest()


def open_cipher(keys: str | None, key_file: Path, *, may_create: bool, hashes: bool = False) -> Cipher:
    """Return a cipher with the given keys, or with those in the key file.

    With ``may_create`` a missing key file is created (mode 0600). Callers pass False if encrypted data exists:
    a new key would hide that the old one is lost. With ``hashes`` the key of hashes is read from beside it, and
    created if it is missing. Raises EncryptionKeyError.
    """
    hash_file = key_file.with_name(HASH_KEY)
    if keys:
        try:
            return Cipher(keys, _hash_key(hash_file) if hashes else b"")
        except OSError as error:  # all secrets come from the environment
            log.info("hashes are keyed with ENCRYPTION_KEY: %s can't be created (%s)", hash_file, error.strerror)
            return Cipher(keys)
    try:
        if not key_file.exists():
            if not may_create:
                raise EncryptionKeyError(
                    f"ENCRYPTION_KEY_FILE: '{key_file}' is missing, but there are passwords encrypted with it; "
                    "restore the key"
                )
            key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(key_file, Fernet.generate_key().decode("ascii") + "\n")
        keys = key_file.read_text(encoding="ascii").strip()
        hash_key = _hash_key(hash_file) if hashes else b""
    except (OSError, UnicodeError) as error:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' can't be read or created ({error})") from error
    try:
        return Cipher(keys, hash_key)
    except EncryptionKeyError:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' does not contain Fernet keys") from None


def _hash_key(file: Path) -> bytes:
    """Return the key of hashes. Raises OSError, and EncryptionKeyError: the file is damaged or lost."""
    if not file.exists():
        if (deletions := file.with_name(DELETIONS)).exists():
            lost = f"'{file}' is missing, but '{deletions}' is written with it: restore it from where the keys are kept"
            raise EncryptionKeyError(f"{lost}; without it an old backup brings back who was deleted")
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(file, secrets.token_bytes(32))
    key = file.read_bytes()
    if len(key) != 32:
        raise EncryptionKeyError(f"'{file}' is damaged: restore it from where the encryption key is kept")
    return key
