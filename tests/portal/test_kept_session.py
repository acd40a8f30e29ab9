"""The portal's session is kept over a restart of the bot, and deleted when the student stops."""

import json
import time
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.encryption import Cipher
from portal.kept_session import FILE, forget
from portal.session import OpenPortal, PortalClient, chrome_access
from portal.views import View
from tests.e2e.people import Portal
from tests.marker.running import KEY
from tests.portal.browsers import PASSWORD, USERNAME, chromes
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


@pytest.fixture
def opener(tmp_path: Path, portal: Portal) -> OpenPortal:
    """A function that opens the portal with a profile."""
    access = chrome_access(
        chromes(tmp_path), portal.address, clock=SystemClock(), cipher=Cipher(KEY), ready_within=PATIENCE
    )
    return access.open


def view_of(page: PortalClient, portal: Portal) -> View:
    page.load(portal.address)
    return page.settle().view


@pytest.mark.ordeal
def test_kept_and_deleted(tmp_path: Path, portal: Portal, opener: OpenPortal) -> None:
    """After an end or a kill the next Chrome is signed in, after leaving it is not; the file is encrypted."""
    first = opener("profile", time.sleep)
    assert view_of(first, portal) is View.LOGIN
    first.sign_in(USERNAME, PASSWORD)
    first.end()
    file = tmp_path / "profile" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    cookies = json.loads(Cipher(KEY).decrypt(file.read_text()))
    secret = next(cookie["value"] for cookie in cookies if cookie["name"] == "JSESSIONID")
    assert secret not in file.read_text()

    second = opener("profile", time.sleep)
    assert view_of(second, portal) is View.NOTHING
    second.kill()

    third = opener("profile", time.sleep)
    assert view_of(third, portal) is View.NOTHING
    third.leave()
    third.end()
    assert not file.exists()

    fourth = opener("profile", time.sleep)
    try:
        assert view_of(fourth, portal) is View.LOGIN
    finally:
        fourth.end()


@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
def test_signs_out_where_the_portal_offers_it(portal: Portal, opener: OpenPortal) -> None:
    """If the page has a control to sign out, leaving presses it, and the server's session ends at once."""
    portal.behaves(sign_out_button=True)
    page = opener("profile", time.sleep)
    try:
        page.load(portal.address)
        page.settle()
        page.sign_in(USERNAME, PASSWORD)
        page.leave()
        assert len(portal.events("signed_out")) == 1
    finally:
        page.end()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no cipher",
        pytest.param(Cipher(KEY).encrypt("no json"), id="no json"),
        pytest.param(Cipher(KEY).encrypt('[{"name": "JSESSIONID"}]'), id="no cookie"),
    ],
)
@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
def test_damaged(tmp_path: Path, portal: Portal, opener: OpenPortal, content: str) -> None:
    """A saved session that can't be read costs a sign-in, nothing else."""
    (tmp_path / "profile").mkdir(parents=True)
    (tmp_path / "profile" / FILE).write_text(content)
    page = opener("profile", time.sleep)
    try:
        page.load(portal.address)
        assert page.settle().view is View.LOGIN
    finally:
        page.end()


def test_forgotten_without_a_browser(tmp_path: Path) -> None:
    """A saved session can be deleted without a browser; deleting a missing one does nothing."""
    (tmp_path / FILE).write_text("kept")
    for _ in range(2):
        forget(tmp_path)
        assert not (tmp_path / FILE).exists()
    forget(tmp_path / "no profile")
