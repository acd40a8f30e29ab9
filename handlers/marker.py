"""Puts the marker's handlers together, in the order in which they look at an update."""

from handlers.admin import AdminHandlers
from handlers.notices import Notices
from handlers.offers import Offers
from handlers.presence import Presence
from handlers.registration import Registration, StrayTexts
from handlers.services import Services
from handlers.student import StudentHandlers
from telegram_app.factory import AnyApplication


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
