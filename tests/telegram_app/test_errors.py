"""The error handler: it logs the error, but not what people typed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest
from telegram import Chat, Message, Update, User
from telegram.error import Conflict, NetworkError, TimedOut
from telegram.ext import ContextTypes

from telegram_app.factory import log_error

pytestmark = pytest.mark.unit


@dataclass
class Context:
    """The part of the context that the handler uses."""

    error: Exception
    bot: User


def context(error: Exception) -> ContextTypes.DEFAULT_TYPE:
    return cast(ContextTypes.DEFAULT_TYPE, Context(error, User(1, "Bot", is_bot=True, username="a_bot")))


async def test_failed_handler(caplog: pytest.LogCaptureFixture) -> None:
    """A failed update is logged with its number, its person and the error, and without its text."""
    message = Message(
        1,
        datetime(2026, 9, 7, 4, tzinfo=UTC),
        Chat(501, "private"),
        from_user=User(501, "Aida", is_bot=False),
        text="my password",
    )
    await log_error(Update(77, message=message), context(ZeroDivisionError("a mistake")))
    assert "update 77 of person 501 failed" in caplog.text
    assert "ZeroDivisionError: a mistake" in caplog.text
    assert "my password" not in caplog.text


async def test_second_process(caplog: pytest.LogCaptureFixture) -> None:
    """Another process that polls with the same token is logged as such, without a traceback."""
    await log_error(None, context(Conflict("terminated by other getUpdates request")))
    assert "two programs use @a_bot's token" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("error", [NetworkError("httpx.ConnectError"), TimedOut()])
async def test_network(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """A poll without an answer is logged in one line, without a traceback."""
    await log_error(None, context(error))
    assert caplog.messages == [f"Telegram can't be reached: {type(error).__name__}"]
    assert "Traceback" not in caplog.text


async def test_something_else(caplog: pytest.LogCaptureFixture) -> None:
    """Another error without an update is logged with its traceback."""
    await log_error(None, context(ZeroDivisionError("a mistake")))
    assert "ZeroDivisionError: a mistake" in caplog.text
