"""The time that a page may take grows with what the portal needs, and shrinks again."""

import pytest

from portal.errors import PortalSlow, PortalUnavailable
from portal.limits import LONGEST, READY_WITHIN, Patience

pytestmark = pytest.mark.unit


def test_slow_requests() -> None:
    """A page whose requests take 11 s may take 88 s at once; no page may take longer than the cap."""
    patience = Patience()
    assert patience.within(0.2) == READY_WITHIN
    assert patience.within(11) == 88
    assert patience.within(60) == LONGEST


def test_grows_and_shrinks() -> None:
    """Each page that is not ready in time doubles the limit up to the cap; quick pages bring it back."""
    patience = Patience()
    limits = []
    for _ in range(4):
        limits.append(patience.within(0))
        patience.gave_up(limits[-1], arrived=True)
    assert limits == [15, 30, 60, 90]
    patience.ready(50)
    assert patience.within(0) == 75
    for _ in range(3):
        patience.ready(1)
    assert patience.within(0) == READY_WITHIN


def test_slow_is_not_down() -> None:
    """A page that has begun to arrive is slow; without an answer, or at the cap, the portal is down."""
    assert type(Patience().gave_up(15, arrived=True)) is PortalSlow
    assert type(Patience().gave_up(15, arrived=False)) is PortalUnavailable
    assert type(Patience().gave_up(LONGEST, arrived=True)) is PortalUnavailable
