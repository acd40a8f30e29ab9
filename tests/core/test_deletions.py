"""The record of deletions that restoring a backup applies."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.deletions import Deletions
from core.encryption import Cipher, EncryptionKeyError
from tests.marker.running import KEY

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


def test_since(tmp_path: Path) -> None:
    """Who was deleted since a time is known, by half; the file holds no number and survives half a line."""
    now = [NOW]
    deletions = Deletions(tmp_path / "secrets" / "deletions", Cipher(KEY).digest, lambda: now[0])
    deletions.add("marker", 7_000_000_001)
    now[0] += timedelta(days=1)
    deletions.add("classroom", 7_000_000_001)
    file = tmp_path / "secrets" / "deletions"
    with file.open("a") as crashed:
        crashed.write("2026-09-03T06:00:00+00:00 12ab")
    gone = deletions.since(NOW + timedelta(hours=1))
    assert [gone("marker", 7_000_000_001), gone("classroom", 7_000_000_001)] == [False, True]
    assert deletions.since(NOW)("marker", 7_000_000_001)
    assert b"7000000001" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_after_half_a_line(tmp_path: Path) -> None:
    """A deletion after half a line, which a full disk or a crash left, is known too; a damaged file is refused."""
    file = tmp_path / "deletions"
    file.write_text("2026-08-01T06:00:00+00:00 12ab")
    deletions = Deletions(file, Cipher(KEY).digest, lambda: NOW)
    deletions.add("marker", 1)
    deletions.add("marker", 2)
    assert [deletions.since(NOW)("marker", person) for person in (1, 2, 3)] == [True, True, False]
    for damaged in (f"yesterday {'a' * 40}\n".encode(), f"2026-08-01T06:00:00 {'a' * 40}\n".encode(), b"\xff\n"):
        file.write_bytes(damaged)
        with pytest.raises(EncryptionKeyError, match="deletions' is damaged: restore it"):
            deletions.since(NOW)


def test_none_yet(tmp_path: Path) -> None:
    """Without a file nobody was deleted."""
    assert not Deletions(tmp_path / "deletions", Cipher(KEY).digest, lambda: NOW).since(NOW)("marker", 1)
