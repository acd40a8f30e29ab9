"""Puts the marker's handlers together, in the order in which they look at an update."""

import logging

from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from handlers.admin import AdminHandlers
from handlers.notices import Notices
from handlers.offers import Offers
from handlers.presence import Presence
from handlers.registration import Registration, StrayTexts
from handlers.services import Services
from handlers.student import StudentHandlers
from telegram_app.factory import AnyApplication
from telegram_app.i18n import LANGUAGES, Texts, texts

log = logging.getLogger(__name__)


class Marker:
    """The marker bot's conversations over one application."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        """Build the handlers and let them listen to the registry."""
        self._services = services
        self.offers = Offers(services)
        self.notices = Notices(services, self.offers)
        self.presence = Presence(services, unreachable)
        self._registration = Registration(services)
        services.registry.listen(self.notices.on_lesson, self.notices.on_status)

    def add_to(self, application: AnyApplication) -> None:
        """Add the handlers. Within a group the first that fits takes the update: the order is part of the rules."""
        application.add_handler(self.presence.handler(), group=-1)
        application.add_handler(self._registration.handler())
        application.add_handler(self.offers.handler())
        application.add_handlers(AdminHandlers(self._services).handlers())
        application.add_handlers(StudentHandlers(self._services, self.notices, self.offers).handlers())
        application.add_handlers(StrayTexts(self._services, self._registration).handlers())
        application.add_handler(self.presence.catch_all())


async def publish_commands(bot: ExtBot[None], admins: tuple[int, ...]) -> None:
    """Tell Telegram the commands of each language, and the admins' own. What fails is logged: nothing depends on it."""
    for language in LANGUAGES:
        _ = texts(language)
        code = None if language == "en" else language
        try:
            await bot.set_my_commands(_commands(_), language_code=code)
            for admin in admins:
                scope = BotCommandScopeChat(admin)
                own = [*_commands(_), BotCommand("admin", _("Admin Panel"))]
                await bot.set_my_commands(own, scope=scope, language_code=code)
        except TelegramError as error:  # an admin's scope fails until that admin has pressed Start
            log.info("commands (%s) not published: %s", language, error.message)


def _commands(_: Texts) -> list[BotCommand]:
    return [
        BotCommand("start", _("Menu")),
        BotCommand("language", _("Language")),
        BotCommand("cancel", _("Stop a question")),
        BotCommand("help", _("Help")),
    ]
