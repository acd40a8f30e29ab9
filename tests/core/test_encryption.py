"""Encryption at rest: keys, key files, and errors for wrong ones."""

import base64
import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from core.encryption import DELETIONS, HASH_KEY, Cipher, EncryptionKeyError, open_cipher
from tests.fakes import Disk, PowerCut

pytestmark = pytest.mark.unit


# Fixed keys: parallel test processes must collect the same parameters.
OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@given(st.text())
def test_round_trip(text: str) -> None:
    """Decryption returns the encrypted text, and the token does not contain it."""
    cipher = Cipher(OLD)
    token = cipher.encrypt(text)
    assert cipher.decrypt(token) == text
    assert len(text) < 5 or text not in token


def test_tokens_differ() -> None:
    """Equal passwords have different tokens, so the data does not show that two students share one."""
    cipher = Cipher(OLD)
    assert cipher.encrypt("password") != cipher.encrypt("password")


def test_keys_in_rotation() -> None:
    """With two keys both decrypt and the first one encrypts, so the second can be removed later."""
    old, both = Cipher(OLD), Cipher(f" {NEW} , {OLD} ")
    assert both.decrypt(old.encrypt("password")) == "password"
    assert Cipher(NEW).decrypt(both.encrypt("password")) == "password"
    with pytest.raises(EncryptionKeyError):
        old.decrypt(both.encrypt("password"))


@pytest.mark.parametrize(
    "token",
    ["", "no token", "пароль", pytest.param(Fernet(NEW).encrypt(b"password").decode(), id="of another key")],
)
def test_wrong_key_or_no_token(token: str) -> None:
    """A token that none of the keys can decrypt raises a one-line error."""
    with pytest.raises(EncryptionKeyError, match=r"^the data was encrypted with a key that is not among .*$"):
        Cipher(OLD).decrypt(token)


@pytest.mark.parametrize("keys", ["", " , ", "secret", f"{OLD},secret", "секрет", OLD[:-1]])
def test_unusable_keys(keys: str) -> None:
    """An invalid Fernet key raises a one-line error that does not contain it."""
    with pytest.raises(EncryptionKeyError) as refused:
        Cipher(keys)
    assert str(refused.value).startswith("ENCRYPTION_KEY: got a value that is not shown here, wants ")
    assert refused.value.__cause__ is None
    assert "secret" not in str(refused.value)


class TestKeyFile:
    def test_is_made_once(self, tmp_path: Path) -> None:
        """A missing key file is created, readable only by its owner, and the next start uses the same key."""
        path = tmp_path / "secrets" / "encryption.key"
        token = open_cipher(None, path, may_create=True).encrypt("password")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert open_cipher(None, path, may_create=True).decrypt(token) == "password"
        assert open_cipher(None, path, may_create=False).decrypt(token) == "password"

    def test_given_keys_go_first(self, tmp_path: Path) -> None:
        """With ENCRYPTION_KEY the file is neither read nor created."""
        path = tmp_path / "encryption.key"
        assert open_cipher(OLD, path, may_create=True).decrypt(Cipher(OLD).encrypt("password")) == "password"
        assert not path.exists()

    def test_is_not_made_beside_ciphertext(self, tmp_path: Path) -> None:
        """If encrypted passwords exist, a missing key file is an error and no new key is created."""
        path = tmp_path / "encryption.key"
        with pytest.raises(EncryptionKeyError, match=r"^ENCRYPTION_KEY_FILE: .* is missing, .* restore the key$"):
            open_cipher(None, path, may_create=False)
        assert not path.exists()

    @pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe"])
    def test_invalid_content(self, tmp_path: Path, content: bytes) -> None:
        """A file without a key raises a one-line error with its name, and is not changed."""
        path = tmp_path / "encryption.key"
        path.write_bytes(content)
        with pytest.raises(EncryptionKeyError) as refused:
            open_cipher(None, path, may_create=True)
        assert str(refused.value).startswith("ENCRYPTION_KEY_FILE: ")
        assert "\n" not in str(refused.value)
        assert path.read_bytes() == content

    def test_can_not_be_read_or_created(self, tmp_path: Path) -> None:
        """A folder in place of the file, or a file in place of its folder, raises a one-line error."""
        (tmp_path / "file").touch()
        for path in (tmp_path, tmp_path / "file" / "encryption.key"):
            with pytest.raises(EncryptionKeyError, match=r"^ENCRYPTION_KEY_FILE: .* can't be read or created"):
                open_cipher(None, path, may_create=True)

    def test_survives_a_power_cut(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The key is fsynced before the rename and the folder after it, so no ciphertext survives without its key."""
        disk = Disk(monkeypatch)
        open_cipher(None, tmp_path / "encryption.key", may_create=True)
        assert disk.steps == ["write", "sync file", "rename to encryption.key", "sync folder"]

    @pytest.mark.parametrize("at", range(3))
    def test_interrupted_creation(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """After a power cut while the key is created, the next start creates a complete one."""
        path = tmp_path / "encryption.key"
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)
            with pytest.raises(PowerCut):
                open_cipher(None, path, may_create=True)
        assert not path.exists()
        cipher = open_cipher(None, path, may_create=True)
        assert cipher.decrypt(cipher.encrypt("password")) == "password"

    def test_mode_does_not_depend_on_the_umask(self, tmp_path: Path) -> None:
        """The key is never readable by others, whatever the process's umask."""
        before = os.umask(0)
        try:
            open_cipher(None, tmp_path / "secrets" / "encryption.key", may_create=True)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "secrets" / "encryption.key").stat().st_mode) == 0o600


class TestDigest:
    """Keyed hashes."""

    def test_key(self, tmp_path: Path) -> None:
        """The key is created once beside the encryption key, 0600, and stays when the encryption key is replaced."""
        file = tmp_path / "secrets" / "encryption.key"
        first = open_cipher(None, file, may_create=True, hashes=True).digest("2001")
        assert stat.S_IMODE(file.with_name(HASH_KEY).stat().st_mode) == 0o600
        assert open_cipher(NEW, file, may_create=False, hashes=True).digest("2001") == first
        assert (
            open_cipher(None, tmp_path / "other" / "encryption.key", may_create=True, hashes=True).digest("2001")
            != first
        )

    def test_without_a_folder(self, tmp_path: Path) -> None:
        """Where all secrets come from the environment and no file can be written, ENCRYPTION_KEY keys the hashes."""
        (tmp_path / "secrets").touch()
        cipher = open_cipher(OLD, tmp_path / "secrets" / "encryption.key", may_create=False, hashes=True)
        assert cipher.digest("2001") == Cipher(OLD).digest("2001") != Cipher(NEW).digest("2001")

    def test_damaged(self, tmp_path: Path) -> None:
        """A damaged key is refused in one line: with another one the hashes would be lost."""
        (tmp_path / HASH_KEY).write_bytes(b"short")
        with pytest.raises(EncryptionKeyError, match=r"hashing\.key' is damaged"):
            open_cipher(OLD, tmp_path / "encryption.key", may_create=False, hashes=True)

    def test_lost(self, tmp_path: Path) -> None:
        """A lost key is not replaced where deletions are recorded with it: they would hold no more."""
        (tmp_path / DELETIONS).touch()
        for keys in (OLD, None):
            with pytest.raises(EncryptionKeyError, match=r"hashing\.key' is missing, .*restore it"):
                open_cipher(keys, tmp_path / "encryption.key", may_create=True, hashes=True)
        assert not (tmp_path / HASH_KEY).exists()

    def test_not_for_a_check(self, tmp_path: Path) -> None:
        """A check creates no key."""
        open_cipher(OLD, tmp_path / "encryption.key", may_create=False)
        assert list(tmp_path.iterdir()) == []
