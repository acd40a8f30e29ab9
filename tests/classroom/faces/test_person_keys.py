"""Keys of face templates: one for each person, outside the data, deleted permanently."""

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from classroom.faces.person_keys import PersonKeyGone, PersonKeys, PersonKeysUnavailable
from core.encryption import Cipher

pytestmark = pytest.mark.unit


KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
OTHER_KEY = "YW5vdGhlci1rZXktb2YtMzItYnl0ZXMtZm9yLXRlc3Q="
TEMPLATE = b"template-canary" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that does not exist yet."""
    return tmp_path / "secrets" / "faces"


@pytest.fixture
def keys(folder: Path) -> PersonKeys:
    """Return the keys of an empty folder."""
    return PersonKeys(folder, Cipher(KEY))


def key_files(folder: Path) -> list[Path]:
    """Return the files of personal keys."""
    return sorted(folder.glob("*.key"))


class TestSealing:
    def test_sealed(self, keys: PersonKeys, folder: Path) -> None:
        """Encrypted content is unreadable, and is decrypted after a restart and for the ID in any case."""
        sealed = keys.seal("S-001", TEMPLATE)
        assert b"canary" not in sealed
        assert keys.open("S-001", sealed) == TEMPLATE
        assert PersonKeys(folder, Cipher(KEY)).open("s-001", sealed) == TEMPLATE
        assert keys.open("S-001", keys.seal("S-001", b"")) == b""

    def test_files(self, keys: PersonKeys, folder: Path) -> None:
        """Each person has one file with mode 0600, a meaningless name and an encrypted key."""
        for _ in range(2):
            for name in ("S-001", "S-002"):
                keys.seal(name, TEMPLATE)
        assert len(key_files(folder)) == 2
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
        assert not [file for file in folder.iterdir() if "S-00" in file.name or file.suffix == ".new"]
        for file in key_files(folder):
            Cipher(KEY).decrypt(file.read_text(encoding="ascii"))

    def test_names_are_this_folders_own(self, tmp_path: Path) -> None:
        """The file name of a known ID depends on the folder's own secret: two folders have different names."""
        for name in ("one", "two"):
            PersonKeys(tmp_path / name, Cipher(KEY)).seal("S-001", b"")
        (one,), (two,) = key_files(tmp_path / "one"), key_files(tmp_path / "two")
        assert one.name != two.name

    def test_at_once(self, folder: Path) -> None:
        """Many simultaneous calls through two instances create one key for a person."""
        both = [PersonKeys(folder, Cipher(KEY)) for _ in range(2)]
        with ThreadPoolExecutor(8) as pool:
            sealed = list(pool.map(lambda number: both[number % 2].seal("S-001", TEMPLATE), range(32)))
        assert len(key_files(folder)) == 1
        assert {both[0].open("S-001", each) for each in sealed} == {TEMPLATE}

    def test_new_key_of_the_classroom(self, keys: PersonKeys, folder: Path) -> None:
        """With the old encryption key after the new one, everything can still be decrypted."""
        sealed = keys.seal("S-001", TEMPLATE)
        assert PersonKeys(folder, Cipher(f"{OTHER_KEY},{KEY}")).open("S-001", sealed) == TEMPLATE


class TestGone:
    def test_forgotten(self, keys: PersonKeys, folder: Path) -> None:
        """After the deletion of a key no copy can be decrypted, even with a new key; those of others can."""
        sealed, other = keys.seal("S-001", TEMPLATE), keys.seal("S-002", TEMPLATE)
        assert keys.forget("s-001")
        assert not keys.forget("S-001")
        with pytest.raises(PersonKeyGone):
            keys.open("S-001", sealed)
        again = keys.seal("S-001", TEMPLATE)
        with pytest.raises(PersonKeyGone):
            keys.open("S-001", sealed)
        assert keys.open("S-001", again) == TEMPLATE
        assert keys.open("S-002", other) == TEMPLATE

    def test_never_checked(self, keys: PersonKeys, folder: Path) -> None:
        """Without any face check there is nothing to delete, and no folder is created."""
        assert not keys.forget("S-001")
        assert not folder.parent.exists()

    def test_another_person(self, keys: PersonKeys) -> None:
        """One person's key does not decrypt another person's content."""
        keys.seal("S-002", TEMPLATE)
        with pytest.raises(PersonKeyGone):
            keys.open("S-002", keys.seal("S-001", TEMPLATE))

    @pytest.mark.parametrize("content", [b"", b"\xff\x00nothing", b"gAAAAA"], ids=["empty", "binary", "cut"])
    def test_damaged(self, keys: PersonKeys, folder: Path, content: bytes) -> None:
        """A damaged key decrypts nothing, and the next encryption replaces it."""
        sealed = keys.seal("S-001", TEMPLATE)
        key_files(folder)[0].write_bytes(content)
        with pytest.raises(PersonKeyGone):
            keys.open("S-001", sealed)
        assert keys.open("S-001", keys.seal("S-001", TEMPLATE)) == TEMPLATE
        assert len(key_files(folder)) == 1

    def test_another_key_of_the_classroom(self, keys: PersonKeys, folder: Path) -> None:
        """Without the classroom's key nothing can be decrypted, but a person's key can still be deleted."""
        sealed = keys.seal("S-001", TEMPLATE)
        stranger = PersonKeys(folder, Cipher(OTHER_KEY))
        with pytest.raises(PersonKeyGone):
            stranger.open("S-001", sealed)
        assert stranger.forget("S-001")
        with pytest.raises(PersonKeyGone):
            keys.open("S-001", sealed)

    def test_what_names_them_is_lost(self, keys: PersonKeys, folder: Path) -> None:
        """Keys that can no longer be found are deleted."""
        sealed = keys.seal("S-001", TEMPLATE)
        (folder / "names").unlink()
        with pytest.raises(PersonKeyGone):
            keys.open("S-001", sealed)
        assert key_files(folder) == []
        assert keys.open("S-001", keys.seal("S-001", TEMPLATE)) == TEMPLATE


def test_no_folder(tmp_path: Path) -> None:
    """If the folder can't be created or written, the error says to try again."""
    (tmp_path / "file").write_bytes(b"")
    keys = PersonKeys(tmp_path / "file" / "faces", Cipher(KEY))
    with pytest.raises(PersonKeysUnavailable):
        keys.seal("S-001", TEMPLATE)
    with pytest.raises(PersonKeysUnavailable):
        keys.forget("S-001")


def test_silence(keys: PersonKeys, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither errors nor the log contain a person, a key or the content."""
    caplog.set_level(logging.DEBUG)
    sealed = keys.seal("S-001", TEMPLATE)
    plain = Cipher(KEY).decrypt(key_files(folder)[0].read_text(encoding="ascii"))
    texts = []
    for damaged in (True, False):
        if damaged:
            (folder / "names").write_bytes(b"short")
        else:
            keys.forget("S-001")
        with pytest.raises(PersonKeyGone) as gone:
            keys.open("S-001", sealed)
        texts.append(str(gone.value))
    output = "\n".join([*texts, caplog.text])
    for secret in ("S-001", "canary", plain, sealed.decode("ascii")):
        assert secret not in output
    assert caplog.records
