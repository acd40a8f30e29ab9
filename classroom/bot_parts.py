"""Builds and runs one of the classroom's two bots: its database, message queue and Telegram application."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from pydantic import SecretStr
from telegram.error import InvalidToken

from classroom.profiles import STUDENT, TEACHER
from classroom.services import apology
from core.clock import Clock
from core.metrics import Metrics
from core.settings import Settings
from core.sqlite import Database
from telegram_app.claims import Claims
from telegram_app.factory import AnyApplication, TokenRefused, build_application, running
from telegram_app.files import MakeFile
from telegram_app.intake import polling
from telegram_app.metrics import BotMetrics
from telegram_app.outbox import Outbox
from telegram_app.people import People
from telegram_app.profile import publishing
from telegram_app.side import Side
from telegram_app.wire import PollingRequest

log = logging.getLogger(__name__)


@dataclass
class BotParts:
    """The parts of one bot, before and while it runs."""

    setting: str  # name of the setting that holds its token
    application: AnyApplication
    poll: PollingRequest
    side: Side
    is_running: asyncio.Event = field(default_factory=asyncio.Event)


async def build_bot(
    database: Database,
    settings: Settings,
    clock: Clock,
    name: str,
    make_file: MakeFile,
    between_sends: float,
    metrics: Metrics,
) -> BotParts:
    """Build one bot; its queue still holds the messages that the previous process had not sent."""
    setting = f"{name.upper()}_BOT_TOKEN"
    token: SecretStr | None = getattr(settings, setting.lower())
    proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None
    people, own = People(database, name), BotMetrics(metrics, name)
    poll = PollingRequest(proxy, own)
    secret = token.get_secret_value() if token is not None else ""
    application = build_application(secret, settings.telegram_api_url, proxy, poll)

    async def on_blocked(person: int) -> None:
        log.info("person %d has blocked the %s bot", person, name)

    outbox = Outbox(application.bot, database, name, on_blocked, clock, between_sends, make_file, own)
    languages = await asyncio.to_thread(people.languages)
    side = Side(people, outbox, Claims(database, name), languages=languages, apology=apology)
    return BotParts(setting, application, poll, side)


async def run_bot(bot: BotParts) -> None:
    """Run one bot until cancelled. Raises TokenRefused when Telegram refuses its token."""
    try:
        async with running(bot.application), AsyncExitStack() as stack:
            bot.poll.answered()
            bot.side.username = bot.application.bot.username
            stack.push_async_callback(bot.side.outbox.close)
            await bot.side.outbox.start()
            await stack.enter_async_context(polling(bot.application, bot.poll, bot.side))
            profile = TEACHER if bot.setting == "TEACHER_BOT_TOKEN" else STUDENT
            await stack.enter_async_context(publishing(bot.application.bot, profile))
            log.info("@%s is ready", bot.side.username)
            bot.is_running.set()
            await bot.poll.refused.wait()
    except InvalidToken:
        bot.poll.refused.set()  # so that the health report skips this bot: it reports a refused token by itself
    raise TokenRefused(bot.setting)
