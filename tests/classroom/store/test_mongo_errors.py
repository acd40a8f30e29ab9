"""How MongoDB's errors are converted: temporary, damaged data, or a wrong setting."""

import pytest
from bson.errors import BSONError
from pymongo import errors

from classroom.store import StoreDamaged, StoreError, StoreRefused, StoreUnavailable
from classroom.store.mongo_connection import as_store_error

pytestmark = pytest.mark.unit


SECRET = "person:secret@mongo.example"


def refused(code: int, labels: list[str] | None = None) -> errors.OperationFailure:
    """Return the server's refusal with a code."""
    return errors.OperationFailure(SECRET, code, {"errorLabels": labels or []})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ServerSelectionTimeoutError(SECRET), StoreUnavailable),
        (errors.AutoReconnect(SECRET), StoreUnavailable),
        (errors.NotPrimaryError(SECRET), StoreUnavailable),
        (errors.NetworkTimeout(SECRET), StoreUnavailable),
        (errors.WaitQueueTimeoutError(SECRET), StoreUnavailable),
        (errors.ExecutionTimeout(SECRET, 50), StoreUnavailable),
        (errors.WTimeoutError(SECRET, 64), StoreUnavailable),
        (errors.WriteConcernError(SECRET, 100), StoreUnavailable),
        (refused(14031), StoreUnavailable),  # the disk is full
        (refused(91), StoreUnavailable),  # it shuts down
        (refused(1, ["RetryableWriteError"]), StoreUnavailable),
        (refused(18), StoreRefused),  # a wrong password
        (refused(13), StoreRefused),  # no right to do this
        (errors.ConfigurationError(SECRET), StoreRefused),  # too old
        (refused(85), StoreDamaged),  # an index of the same name is another one
        (errors.DocumentTooLarge(SECRET), StoreDamaged),
    ],
)
def test_kinds(error: errors.PyMongoError | BSONError, kind: type[StoreError]) -> None:
    """Each error is converted to its kind, with a text of one line that has nothing of MongoDB's or the driver's."""
    found = as_store_error(error)
    assert type(found) is kind
    assert "secret" not in str(found)
    assert len(str(found).splitlines()) == 1


def test_names_that_cant_be_looked_up() -> None:
    """A name server that is down is temporary; an unknown host name is a wrong setting."""

    class NoNameservers(Exception):
        """Stands for dnspython's."""

    for context, kind in ((NoNameservers(), StoreUnavailable), (None, StoreRefused)):
        error = errors.ConfigurationError(SECRET)
        error.__context__ = context
        assert type(as_store_error(error)) is kind
