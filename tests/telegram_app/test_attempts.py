"""The table of wrong answers: counted within a time, locked for a time, deleted after a right one."""

import hashlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.encryption import Cipher
from core.sqlite import Database
from marker.tables.schema import SCHEMAS
from telegram_app.attempts import Attempts, Rule
from tests.marker.running import KEY

pytestmark = pytest.mark.unit


NOW = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
RULE = Rule("code", 3, HOUR, timedelta(minutes=15))
WHO = 2001


@pytest.fixture
def attempts() -> Attempts:
    return Attempts(Database(":memory:", SCHEMAS), Cipher(KEY).digest)


def lock(attempts: Attempts, at: datetime = NOW) -> datetime:
    """Give the number of wrong answers that locks, all at one moment."""
    assert [attempts.wrong(RULE, WHO, at) for _ in range(RULE.most - 1)] == [None] * (RULE.most - 1)
    until = attempts.wrong(RULE, WHO, at)
    assert until is not None
    return until


def test_the_last_one_locks(attempts: Attempts) -> None:
    """The third wrong answer locks for a quarter of an hour, to the second."""
    assert attempts.locked_until(RULE, WHO, NOW) is None
    until = lock(attempts)
    assert until == NOW + RULE.locks
    assert attempts.locked_until(RULE, WHO, until - SECOND) == until
    assert attempts.locked_until(RULE, WHO, until) is None


def test_wrong_while_locked(attempts: Attempts) -> None:
    """Wrong answers during a lock do not extend it, and do not count afterwards."""
    until = lock(attempts)
    for _ in range(RULE.most):
        assert attempts.wrong(RULE, WHO, NOW + timedelta(minutes=14)) == until
    assert attempts.wrong(RULE, WHO, until) is None
    assert attempts.wrong(RULE, WHO, until) is None
    assert attempts.wrong(RULE, WHO, until) == until + RULE.locks


@pytest.mark.parametrize(("after", "locks"), [(HOUR - SECOND, True), (HOUR, False)])
def test_counted_within_an_hour(attempts: Attempts, after: timedelta, locks: bool) -> None:
    """Wrong answers within an hour of the first count together; then a new count begins."""
    attempts.wrong(RULE, WHO, NOW)
    attempts.wrong(RULE, WHO, NOW)
    assert (attempts.wrong(RULE, WHO, NOW + after) is not None) is locks


def test_forgotten_after_a_right_one(attempts: Attempts) -> None:
    """A right answer deletes the count of wrong ones, and a lock."""
    attempts.wrong(RULE, WHO, NOW)
    attempts.wrong(RULE, WHO, NOW)
    attempts.right(RULE, WHO)
    lock(attempts)
    attempts.right(RULE, WHO)
    assert attempts.locked_until(RULE, WHO, NOW) is None


def test_counts_apart(attempts: Attempts) -> None:
    """Wrong answers are counted separately for each person and each rule."""
    lock(attempts)
    other = Rule("person", RULE.most, RULE.within, RULE.locks)
    assert attempts.locked_until(RULE, 2002, NOW) is None
    assert attempts.wrong(RULE, 2002, NOW) is None
    assert attempts.locked_until(other, WHO, NOW) is None
    assert attempts.wrong(other, WHO, NOW) is None
    attempts.right(other, WHO)
    assert attempts.locked_until(RULE, WHO, NOW) is not None


def test_over_a_restart(tmp_path: Path) -> None:
    """Count and lock survive a restart; the file does not contain the name of the account that was tried."""
    file = tmp_path / "ledger.sqlite3"
    database = Database(file, SCHEMAS)
    for _ in range(2):
        assert Attempts(database, Cipher(KEY).digest).wrong(RULE, "a_student", NOW) is None
    database.close()
    database = Database(file, SCHEMAS)
    until = Attempts(database, Cipher(KEY).digest).wrong(RULE, "a_student", NOW)
    assert until == NOW + RULE.locks
    database.close()
    database = Database(file, SCHEMAS)
    assert Attempts(database, Cipher(KEY).digest).locked_until(RULE, "a_student", NOW) == until
    database.close()
    assert not any(b"a_student" in path.read_bytes() for path in tmp_path.iterdir())


def test_cleaned() -> None:
    """After a day the next wrong answer of anybody deletes the count."""
    database = Database(":memory:", SCHEMAS)
    attempts = Attempts(database, Cipher(KEY).digest)
    lock(attempts)
    attempts.wrong(RULE, 2002, NOW + timedelta(days=1))
    assert len(database.read("SELECT * FROM attempts")) == 2
    attempts.wrong(RULE, 2003, NOW + timedelta(days=1, seconds=1))
    assert len(database.read("SELECT * FROM attempts")) == 2


def test_of_an_older_version(tmp_path: Path) -> None:
    """A lock that an older version stored under an unkeyed hash holds, and the hash gets the key."""
    with closing(Database(tmp_path / "ledger.sqlite3", SCHEMAS)) as database:
        old = hashlib.blake2b(f"{RULE.kind}:{WHO}".encode(), digest_size=16).hexdigest()
        row = RULE.kind, old, NOW.isoformat(), 3, (NOW + HOUR).isoformat()
        database.write("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", *row)
        assert Attempts(database, Cipher(KEY).digest).locked_until(RULE, WHO, NOW) == NOW + HOUR
        assert [each["who"] for each in database.read("SELECT who FROM attempts")] == [Cipher(KEY).digest(old)]
