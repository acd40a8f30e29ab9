"""What the metrics make of the results of sign-ins."""

import pytest

from core.metrics import Metrics
from portal import errors
from portal.metrics import PortalMetrics

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (errors.SignInRefused("wrong"), "refused"),
        (errors.AccountBlocked("blocked"), "blocked"),
        (errors.AccountLocked("for a while"), "blocked"),
        (errors.PasswordExpired("old"), "password expired"),
        (errors.SignInFailed("nothing happened"), "failed"),
        (errors.SessionLost("meanwhile"), "failed"),
        (errors.BrowserFailed("gone"), "failed"),
    ],
)
def test_sign_ins(error: errors.PortalError | None, result: str) -> None:
    """Each sign-in counts under one of five results, which are there from the start."""
    metrics = Metrics()
    PortalMetrics(metrics).signed_in(error)
    results = ("ok", "refused", "blocked", "password expired", "failed")
    series = "attendance_portal_sign_ins_total"
    counted = {each: metrics.registry.get_sample_value(series, {"result": each}) for each in results}
    assert counted == {each: float(each == result) for each in results}
