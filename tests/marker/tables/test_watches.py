"""What the ledger keeps of monitors and of what was told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.sqlite import Database
from marker.tables.watches import Watch, Watches
from telegram_app.claims import Told

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)


def test_over_a_restart(tmp_path: Path) -> None:
    """Last check, last trouble and a skipped day are there after a restart."""
    database = Database(tmp_path / "ledger.sqlite3")
    watches = Watches(database)
    watches.checked(7, NOW)
    watches.troubled(7, "trouble", "HTTP 503", NOW)
    watches.skip(7, "2026-09-07")
    database.close()
    again = Watches(Database(tmp_path / "ledger.sqlite3"))
    assert again.all() == {7: Watch(NOW, "trouble", "HTTP 503", NOW, None, "2026-09-07")}
    assert again.of(8) == Watch()


def test_told_of_trouble_once() -> None:
    """A trouble is claimed once, its end once, and only after it was claimed."""
    watches = Watches(Database(":memory:"))
    assert not watches.claim_relief(7)
    assert watches.claim_trouble(7, NOW)
    assert not watches.claim_trouble(7, NOW + timedelta(minutes=1))
    assert watches.of(7).told_since == NOW
    assert watches.claim_relief(7)
    assert not watches.claim_relief(7)
    assert watches.claim_trouble(7, NOW)


def test_forgotten() -> None:
    """Nothing is left of a student who is gone."""
    watches = Watches(Database(":memory:"))
    watches.checked(7, NOW)
    watches.forget(7)
    assert watches.all() == {}


def test_told_once() -> None:
    """A claim is given once, until it is cleaned away."""
    told = Told(Database(":memory:"))
    assert told.claim("page:abc", NOW)
    assert not told.claim("page:abc", NOW)
    assert told.clean(NOW + timedelta(days=1)) == 1
    assert told.claim("page:abc", NOW)


def test_taken_back() -> None:
    """What was told and is over is told anew the next time; meanwhile it is known since when."""
    told = Told(Database(":memory:"))
    assert not told.take_back("outage")
    assert told.at("outage") is None
    assert told.claim("outage", NOW)
    assert told.at("outage") == NOW
    assert told.take_back("outage")
    assert not told.take_back("outage")
    assert told.claim("outage", NOW)
