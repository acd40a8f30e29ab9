"""The tables of monitoring states and of claims."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.sqlite import Database
from marker.tables.schema import SCHEMAS
from marker.tables.students import Watch, Watches
from telegram_app.claims import Claims

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)


def test_over_a_restart(tmp_path: Path) -> None:
    """Last check, last trouble and a skipped day survive a restart."""
    database = Database(tmp_path / "ledger.sqlite3", SCHEMAS)
    watches = Watches(database)
    watches.set(7, last_check=NOW)
    watches.set(7, trouble="trouble", trouble_text="HTTP 503", trouble_at=NOW)
    watches.set(7, skip_date="2026-09-07")
    database.close()
    again = Watches(Database(tmp_path / "ledger.sqlite3", SCHEMAS))
    assert again.all() == {7: Watch(NOW, "trouble", "HTTP 503", NOW, None, "2026-09-07")}
    assert again.all().get(8) is None


def test_trouble_is_claimed_once() -> None:
    """The notice of a trouble is claimed once; the notice of its end once, and only after the first."""
    watches = Watches(Database(":memory:", SCHEMAS))
    assert not watches.claim_relief(7)
    assert watches.claim_trouble(7, NOW)
    assert not watches.claim_trouble(7, NOW + timedelta(minutes=1))
    assert watches.all()[7].told_since == NOW
    assert watches.claim_relief(7)
    assert not watches.claim_relief(7)
    assert watches.claim_trouble(7, NOW)


def test_forgotten() -> None:
    """Nothing is left of a student who was forgotten."""
    watches = Watches(Database(":memory:", SCHEMAS))
    watches.set(7, last_check=NOW)
    watches.forget(7)
    assert watches.all() == {}


def test_claimed_once() -> None:
    """A claim succeeds once, until it is cleaned away."""
    claims = Claims(Database(":memory:", SCHEMAS), "marker")
    assert claims.claim("page:abc", NOW)
    assert not claims.claim("page:abc", NOW)
    assert claims.clean(NOW + timedelta(days=1)) == 1
    assert claims.claim("page:abc", NOW)


def test_taken_back() -> None:
    """A claim that was taken back can be made again; the time of a claim is known."""
    claims = Claims(Database(":memory:", SCHEMAS), "marker")
    assert not claims.take_back("outage")
    assert claims.at("outage") is None
    assert claims.claim("outage", NOW)
    assert claims.at("outage") == NOW
    assert claims.take_back("outage")
    assert not claims.take_back("outage")
    assert claims.claim("outage", NOW)
