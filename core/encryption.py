"""Encryption at rest: one Fernet key, or several while one replaces another."""

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.json_file import replace_file


class EncryptionKeyError(Exception):
    """No usable key, or not the one that the data was written with (permanent). Its text is one line."""


class Cipher:
    """Encrypts and decrypts short texts. The first key writes; every key reads."""

    def __init__(self, keys: str) -> None:
        """Take comma-separated Fernet keys.

        Raises:
            EncryptionKeyError: one of them is not a Fernet key.
        """
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",") if key.strip()])
        except ValueError:
            # `from None`: the cause's text is about the key's bytes
            raise EncryptionKeyError(
                "ENCRYPTION_KEY: got a value that is not shown here, wants Fernet keys, comma-separated"
            ) from None

    def encrypt(self, text: str) -> str:
        """Return ``text`` as a Fernet token (https://github.com/fernet/spec)."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Return the text of a token.

        Raises:
            EncryptionKeyError: none of the keys fits.
        """
        try:
            return self._fernet.decrypt(token.encode("ascii")).decode()
        except (InvalidToken, UnicodeError):
            raise EncryptionKeyError("the data was encrypted with a key that is not among ENCRYPTION_KEY's") from None


def open_cipher(keys: str | None, key_file: Path, *, may_create: bool) -> Cipher:
    """Return the cipher of the given keys, else of the key file.

    A missing key file is made (0600) where ``may_create`` says that nothing is encrypted yet: a new key beside
    old ciphertext would only hide that the old key is lost.

    Raises:
        EncryptionKeyError: the keys are unusable, or the file can't be read or made.
    """
    if keys:
        return Cipher(keys)
    try:
        if not key_file.exists():
            if not may_create:
                raise EncryptionKeyError(
                    f"ENCRYPTION_KEY_FILE: '{key_file}' is not there, but there are passwords encrypted with it; "
                    "put the key back"
                )
            _make_key(key_file)
        keys = key_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' can't be read or made ({error})") from error
    try:
        return Cipher(keys)
    except EncryptionKeyError:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' holds something else than Fernet keys") from None


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, Fernet.generate_key().decode("ascii") + "\n")
