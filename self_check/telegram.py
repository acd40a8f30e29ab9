"""Checks of Telegram: the bots' tokens, and the admins' chats."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import Bot
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from core.settings import Settings
from self_check import FAILED, OK, WARNING, Result

TIMEOUT = 15.0  # seconds


def bot_name(setting: str) -> str:
    """Return the subject of a bot's check: "Telegram" for the marker's, else "teacher" or "student"."""
    return "Telegram" if setting == "telegram_bot_token" else setting.removesuffix("_bot_token")


def check_token(settings: Settings, setting: str) -> Result:
    """Call getMe with the token in a setting."""
    subject = bot_name(setting)
    try:
        me = _call(settings, setting, lambda bot: bot.get_me())
    except InvalidToken:
        return Result(subject, FAILED, f"{setting.upper()}: Telegram does not know it; copy it from @BotFather")
    except TelegramError as error:
        return Result(subject, FAILED, f"{settings.telegram_api_url} does not answer ({type(error).__name__})")
    return Result(subject, OK, f"@{me.username}")


def check_admins(settings: Settings) -> Result:
    """Check that each admin has a chat with the marker's bot."""
    unknown = []
    for admin in settings.admin_telegram_id:
        try:
            _call(settings, "telegram_bot_token", lambda bot, admin=admin: bot.get_chat(admin))  # type: ignore[misc]
        except (BadRequest, Forbidden):
            unknown.append(str(admin))
        except TelegramError as error:
            return Result("admin", FAILED, f"Telegram does not answer ({type(error).__name__})")
    if unknown:
        names = ", ".join(unknown)
        return Result("admin", WARNING, f"{names}: has not pressed Start in the bot, or is not a person's ID")
    return Result("admin", OK, ", ".join(map(str, settings.admin_telegram_id)))


def _call(settings: Settings, setting: str, method: Callable[[Bot], Awaitable[Any]]) -> Any:
    token = getattr(settings, setting)
    proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None

    async def call() -> Any:
        request = HTTPXRequest(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, proxy=proxy)
        bot = Bot(token.get_secret_value(), base_url=f"{settings.telegram_api_url}/bot", request=request)
        await request.initialize()
        try:
            return await method(bot)
        finally:
            await request.shutdown()

    return asyncio.run(call())
