"""Shared fixtures: the simulators, a fake clock, and the settings of hypothesis."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping

import pytest
from aiohttp import web
from hypothesis import HealthCheck, settings

from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from tests.fakes import FakeClock, MovedTimeLoop
from tests.servers import in_thread, vaadin_portal
from tests.waiting import pause

# A shell that starts us in the background has SIGINT ignored, and our children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No limits on time, so that a slow machine is no failure; the number of examples is limited instead. They are the same
# in each run, so that a change lands or fails by itself; `--hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unit", settings.get_profile("search"), derandomize=True)
settings.load_profile("unit")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests marked ``moved_time`` on a loop whose time is moved."""
    return {"loop": MovedTimeLoop if item.get_closest_marker("moved_time") else asyncio.new_event_loop}


class Telegram(TelegramSimulator):
    """The simulator, whose answers to the bots are slow where TEST_PAUSES asks for it."""

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(_pausing)
        return app


@web.middleware
async def _pausing(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    is_call = request.path.startswith("/bot") and not request.path.lower().endswith("/getupdates")
    await asyncio.sleep(pause("bot") if is_call else 0)
    answer = await handler(request)
    await asyncio.sleep(pause("bot") if is_call else 0)
    return answer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def telegram_url() -> Iterator[str]:
    """The Telegram simulator, started once; each test resets it."""
    with in_thread(Telegram().serving()) as url:
        yield url


@pytest.fixture(scope="session")
def simulated_portal_url() -> Iterator[str]:
    """The portal simulator. A page without connection retries after 0.2 s, not after 5 s as on the real toolkit."""
    with in_thread(PortalSimulator(reconnect_seconds=0.2).serving()) as url:
        yield url


@pytest.fixture(scope="session")
def vaadin_portal_url() -> Iterator[str]:
    """The test portal on the real Vaadin."""
    with vaadin_portal() as url:
        yield url
