"""Encryption at rest with a Fernet key, or with several during a key rotation."""

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.json_file import replace_file


class EncryptionKeyError(Exception):
    """The key is missing, unusable or not the one that encrypted the data (permanent). The text is one line."""


class Cipher:
    """Encrypts and decrypts short texts with comma-separated Fernet keys: the first one encrypts, all decrypt."""

    def __init__(self, keys: str) -> None:
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


def open_cipher(keys: str | None, key_file: Path, *, may_create: bool) -> Cipher:
    """Return a cipher with the given keys, or with those in the key file.

    With ``may_create`` a missing key file is created (mode 0600). Callers pass False if encrypted data exists:
    a new key would hide that the old one is lost. Raises EncryptionKeyError.
    """
    if keys:
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
    except (OSError, UnicodeError) as error:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' can't be read or created ({error})") from error
    try:
        return Cipher(keys)
    except EncryptionKeyError:
        raise EncryptionKeyError(f"ENCRYPTION_KEY_FILE: '{key_file}' does not contain Fernet keys") from None
