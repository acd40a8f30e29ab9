"""A fixture of the classroom's tests; those of the marker define a Telegram of their own."""

from collections.abc import Iterator

import pytest

from tests.classroom.running import its_telegram
from tests.e2e.people import Telegram


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with both bots registered."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()
