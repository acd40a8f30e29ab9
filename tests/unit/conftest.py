"""What the unit tests share."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from tests.fakes import FakeClock, MovedTimeLoop

# A slow machine is no failure; the limits are on the number of examples.
settings.register_profile("unit", deadline=None, max_examples=50)
settings.load_profile("unit")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "moved_time: runs on a loop whose time moves instead of being waited for")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose an async test's loop."""
    return {"loop": MovedTimeLoop if item.get_closest_marker("moved_time") else asyncio.new_event_loop}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
