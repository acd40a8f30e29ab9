"""Builds a bot's application, and runs it until it is told to end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from telegram import Update
from telegram.error import NetworkError, RetryAfter
from telegram.ext import Application, ApplicationBuilder
from telegram.request import HTTPXRequest

from telegram_app.errors import log_error
from telegram_app.per_person import PerPersonUpdateProcessor
from telegram_app.rate_limiter import PriorityRateLimiter

log = logging.getLogger(__name__)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

HTTP_TIMEOUT = 30.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, while Telegram can't be reached at the start
STOP_WITHIN = 3.0  # seconds for the poll under way
POLL_SECONDS = 25  # Telegram holds a poll so long when there is nothing
_UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER]


class TokenRefused(Exception):
    """Telegram does not know a bot's token (permanent). Its text is one line that names the setting."""

    def __init__(self, setting: str) -> None:
        """Take the setting's name."""
        super().__init__(f"{setting}: got a token that Telegram does not know, wants the one from @BotFather")
        self.setting = setting


class PollingRequest(HTTPXRequest):
    """The connection that polls for updates; remembers what Telegram answered last, for the health check."""

    def __init__(self, proxy: str | None) -> None:
        """Connect through ``proxy`` where one is given."""
        super().__init__(connection_pool_size=1, connect_timeout=HTTP_TIMEOUT, read_timeout=HTTP_TIMEOUT, proxy=proxy)
        self.answered_at: float | None = None
        self.refused = asyncio.Event()  # Telegram does not know the token any more
        self.conflict = False  # another program fetches this bot's updates

    def answered(self) -> None:
        """Note that Telegram has answered just now; the first poll may be held for half a minute."""
        self.answered_at = time.monotonic()

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Make the request; a status of 200 is a sign of life."""
        status, payload = await super().do_request(*args, **kwargs)
        if status == HTTPStatus.OK:
            self.answered()
            self.conflict = False
        elif status == HTTPStatus.CONFLICT:
            self.answered()
            self.conflict = True
        elif status == HTTPStatus.UNAUTHORIZED:
            self.refused.set()
        return status, payload


def build_application(
    token: str,
    api_url: str,
    proxy: str | None,
    polling_request: PollingRequest,
) -> AnyApplication:
    """Return an application that talks to ``api_url`` and handles one update a person at a time."""
    builder = (
        ApplicationBuilder()
        .token(token)
        .base_url(f"{api_url}/bot")
        .base_file_url(f"{api_url}/file/bot")
        .concurrent_updates(PerPersonUpdateProcessor())
        .rate_limiter(PriorityRateLimiter())
        .connect_timeout(HTTP_TIMEOUT)
        .read_timeout(HTTP_TIMEOUT)
        .write_timeout(HTTP_TIMEOUT)
        .pool_timeout(HTTP_TIMEOUT)
        .get_updates_request(polling_request)
        .connection_pool_size(64)
    )
    if proxy is not None:
        builder = builder.proxy(proxy)
    application = builder.build()
    application.add_error_handler(log_error)
    return application


@asynccontextmanager
async def running(application: AnyApplication) -> AsyncIterator[AnyApplication]:
    """Run an application: connect (trying again while Telegram can't be reached), handle updates, stop in order.

    Raises:
        telegram.error.InvalidToken: Telegram does not know the token (permanent).
    """
    pause = FIRST_PAUSE
    while True:
        try:
            await application.initialize()
            break
        except (NetworkError, RetryAfter) as error:
            log.warning("Telegram can't be reached: %s; again in %.0f s", type(error).__name__, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    try:
        await application.start()
        try:
            yield application
        finally:
            await application.stop()
    finally:
        await application.shutdown()


@asynccontextmanager
async def polling(application: AnyApplication) -> AsyncIterator[None]:
    """Fetch updates. What waits from before is handled, too: a typed password must not stay on a screen."""
    updater = application.updater
    if updater is None:
        raise RuntimeError("an application without an updater")

    def on_error(error: Exception) -> None:
        application.create_task(application.process_error(update=None, error=error))

    await updater.start_polling(
        timeout=POLL_SECONDS,
        bootstrap_retries=-1,
        allowed_updates=_UPDATES,
        drop_pending_updates=False,
        error_callback=on_error,
    )
    try:
        yield
    finally:
        try:
            # it waits for the poll under way, which a silent Telegram may hold
            await asyncio.wait_for(updater.stop(), STOP_WITHIN)
        except TimeoutError:
            log.warning("Telegram does not answer; the poll is given up")


__all__ = ["AnyApplication", "PollingRequest", "TokenRefused", "build_application", "polling", "running"]
