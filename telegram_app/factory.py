"""Builds and runs the python-telegram-bot application of a bot, and several bots in one process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from telegram import Update
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application, ApplicationBuilder, ContextTypes, DictPersistence, PersistenceInput

from core.backoff import Backoff
from core.health import HealthReports
from telegram_app.metrics import CountedRequest
from telegram_app.people import People
from telegram_app.rate_limiter import PriorityRateLimiter
from telegram_app.wire import HTTP_TIMEOUT, PollingRequest

log = logging.getLogger(__name__)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, while Telegram can't be reached
STOP_WITHIN = 3.0  # seconds for each step of the stop


class TokenRefused(Exception):
    """Telegram does not know a bot's token (permanent). The text is one line that names the setting."""

    def __init__(self, setting: str) -> None:
        super().__init__(f"{setting}: got a token that Telegram does not know, wants the one from @BotFather")


class StoredSteps(DictPersistence):
    """Restores a conversation's states after a restart: the steps in the database that are among ``steps``. Read-only.

    python-telegram-bot's persistence is a cache, written every minute: a crash would lose the step, and a typed
    password would be taken for a username. So the handlers write each step to the database before they answer.
    """

    def __init__(self, people: People, steps: Collection[str]) -> None:
        super().__init__(PersistenceInput(bot_data=False, chat_data=False, user_data=False, callback_data=False))
        self._people = people
        self._steps = frozenset(steps)

    async def get_conversations(self, name: str) -> dict[Any, Any]:
        """Return each person's state by (chat, person), which are the same in a private chat."""
        return {(who, who): step.name for who, step in self._people.steps().items() if step.name in self._steps}

    async def update_conversation(self, name: str, key: Any, new_state: object | None) -> None:
        """Do nothing: the handler wrote the step before it answered."""

    async def update_user_data(self, user_id: int, data: dict[Any, Any]) -> None:
        """Store nothing: a person's data is in the stores."""


def build_application(
    token: str,
    api_url: str,
    proxy: str | None,
    polling_request: PollingRequest,
    persistence: StoredSteps | None = None,
) -> AnyApplication:
    """Return an application for the Bot API at ``api_url``; intake.py gives it its updates.

    ``persistence`` has the states of the application's conversations; None: it has none.
    """
    timeouts: dict[str, Any] = {f"{of}_timeout": HTTP_TIMEOUT for of in ("connect", "read", "write", "pool")}
    builder = (
        ApplicationBuilder()
        .token(token)
        .base_url(f"{api_url}/bot")
        .base_file_url(f"{api_url}/file/bot")
        .rate_limiter(PriorityRateLimiter())
        .request(CountedRequest(polling_request.metrics, 64, proxy=proxy, **timeouts))
        .get_updates_request(polling_request)
        .updater(None)  # intake.py fetches and handles updates
    )
    if persistence is not None:
        builder = builder.persistence(persistence)
    application = builder.build()
    application.add_error_handler(log_error)
    return application


async def until_reached(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call again until Telegram can be reached. Raises InvalidToken."""
    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            await call()
            return
        except (NetworkError, RetryAfter) as error:
            pause = backoff.next()
            log.warning("Telegram can't be reached: %s; again in %.0f s", type(error).__name__, pause)
            await asyncio.sleep(pause)


@asynccontextmanager
async def running(application: AnyApplication) -> AsyncIterator[AnyApplication]:
    """Run an application during the block. Connecting is retried while Telegram can't be reached.

    Raises:
        telegram.error.InvalidToken: Telegram does not know the token (permanent).
    """
    await until_reached(application.initialize)
    try:
        await application.start()
        try:
            yield application
        finally:
            with suppress(TimeoutError):  # its tasks are cancelled then
                async with asyncio.timeout(STOP_WITHIN):
                    await application.stop()
    finally:
        await application.shutdown()


async def run_side_by_side(bots: Iterable[Coroutine[Any, Any, None]], reports: HealthReports) -> None:
    """Run bots until cancelled. A refused token is logged and reported as degraded; any other error ends all bots.

    Raises:
        TokenRefused: the last bot's token was refused.
    """
    running = {asyncio.create_task(bot) for bot in bots}
    try:
        while running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for error in filter(None, [task.exception() for task in ended]):
                if not (running and isinstance(error, TokenRefused)):
                    raise error
                log.error("%s", error)
                reports.add_permanent(str(error))
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task


async def log_error(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """The error handler of all bots. It logs ids and the error, never the update, which may contain a password."""
    error = context.error
    if update is None and isinstance(error, Conflict):
        remedy = "end the other one, or revoke the token at @BotFather and set the new one"
        log.error("two programs use @%s's token: %s", context.bot.username, remedy, extra={"trouble": "token"})
        return
    if isinstance(error, InvalidToken):
        log.error("Telegram does not accept the bot's token any more")  # the error's text contains the token
        return
    if update is None and isinstance(error, NetworkError):
        log.warning("Telegram can't be reached: %s", type(error).__name__)
        return
    person = update.effective_user.id if isinstance(update, Update) and update.effective_user else None
    number = update.update_id if isinstance(update, Update) else None
    log.error("update %s of person %s failed", number, person, exc_info=error)
