"""SignInCheck with a real Chrome at the simulated portal."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.encryption import Cipher
from marker.monitors.password_check import Outcome, SignInCheck
from monitor import profile_name
from portal.browser import Chromes
from portal.limits import PortalLimits
from portal.session import chrome_access
from portal.views import View
from tests import children
from tests.e2e.people import Portal, empty_portal
from tests.marker.running import KEY
from tests.portal.browsers import PASSWORD, USERNAME, chromes
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.browser]


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """Return a portal with one student."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


class Places:
    """Counts the places taken."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self) -> bool:
        self.taken += 1
        return True

    def give_back(self) -> None:
        self.taken -= 1


def check(browsers: Chromes, portal: Portal, places: Places, within: float = PATIENCE) -> SignInCheck:
    """Give the trial over real Chromes."""
    opener = chrome_access(
        browsers, portal.address, clock=SystemClock(), cipher=Cipher(KEY), ready_within=PATIENCE
    ).open
    return SignInCheck(opener, browsers, PortalLimits(), portal.address, places.take, places.give_back, within)


def test_right_and_refused(portal: Portal, tmp_path: Path) -> None:
    """The right password leaves its profile; a wrong one returns the portal's message and leaves none."""
    browsers, places = chromes(tmp_path), Places()

    async def both() -> None:
        trials = check(browsers, portal, places)
        refused = await trials.attempt(USERNAME, "wrong")
        assert refused.outcome is Outcome.REFUSED
        assert refused.words
        accepted = await trials.attempt(USERNAME, PASSWORD)
        assert accepted.outcome is Outcome.ACCEPTED
        trials.adopt(accepted.profile or "", USERNAME)
        await trials.close()

    asyncio.run(both())
    assert [path.name for path in tmp_path.iterdir()] == [profile_name(USERNAME)]
    assert places.taken == 0
    assert children.browsers(tmp_path) == []


def test_a_session_adopted_after_a_trial(portal: Portal, tmp_path: Path) -> None:
    """The student's first Chrome after an accepted trial is signed in already: the portal sees one sign-in, not two."""
    browsers, places = chromes(tmp_path), Places()
    before = browsers.profiles / profile_name(USERNAME)
    before.mkdir()
    (before / "of an earlier account").touch()

    async def accepted() -> None:
        trials = check(browsers, portal, places)
        verdict = await trials.attempt(USERNAME, PASSWORD)
        assert verdict.profile is not None
        await asyncio.to_thread(trials.adopt, verdict.profile, USERNAME)
        await trials.close()

    asyncio.run(accepted())
    assert not (before / "of an earlier account").exists()
    opener = chrome_access(
        browsers, portal.address, clock=SystemClock(), cipher=Cipher(KEY), ready_within=PATIENCE
    ).open
    page = opener(profile_name(USERNAME), time.sleep)
    try:
        page.load(portal.address)
        assert page.settle().view is View.NOTHING
    finally:
        page.end()
    assert len(portal.events("signed_in")) == 1
    assert children.browsers(tmp_path) == []


def test_a_trial_that_is_given_up_leaves_nothing(portal: Portal, tmp_path: Path) -> None:
    """A portal that is too slow says nothing about the password; Chrome, profile and place are gone after the close."""
    browsers, places = chromes(tmp_path), Places()

    async def give_up() -> None:
        trials = check(browsers, portal, places, within=0.5)
        assert (await trials.attempt(USERNAME, PASSWORD)).outcome is Outcome.NOT_TRIED
        trying = asyncio.create_task(trials.attempt(USERNAME, PASSWORD))
        await asyncio.sleep(0)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        await trials.close()
        assert (await trials.attempt(USERNAME, PASSWORD)).outcome is Outcome.CLOSING

    asyncio.run(give_up())
    assert places.taken == 0
    assert children.browsers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
