"""What all tests share: the outside world served once for the run, a clock moved by hand, hypothesis' profile."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import settings

from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from tests.fakes import FakeClock, MovedTimeLoop
from tests.servers import in_thread, vaadin_portal

# A slow machine is no failure; the limits are on the number of examples.
settings.register_profile("unit", deadline=None, max_examples=50)
settings.load_profile("unit")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose an async test's loop."""
    return {"loop": MovedTimeLoop if item.get_closest_marker("moved_time") else asyncio.new_event_loop}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


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
