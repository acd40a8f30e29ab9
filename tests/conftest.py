"""The outside world, served once for the whole run: a Telegram, the simulated portal, the portal on Vaadin."""

from collections.abc import Iterator

import pytest

from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from tests.servers import in_thread, vaadin_portal


@pytest.fixture(scope="session")
def telegram_url() -> Iterator[str]:
    """Serve one Telegram; each test forgets what was in it."""
    with in_thread(TelegramSimulator().serving()) as url:
        yield url


@pytest.fixture(scope="session")
def simulated_portal_url() -> Iterator[str]:
    """Serve the portal simulator; a page that lost it tries again soon, not every 5 s as on the real toolkit."""
    with in_thread(PortalSimulator(reconnect_seconds=0.2).serving()) as url:
        yield url


@pytest.fixture(scope="session")
def vaadin_portal_url() -> Iterator[str]:
    """Serve the portal on the real Vaadin."""
    with vaadin_portal() as url:
        yield url
