"""Tells the admins that another program fetches the bot's updates with the same token."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marker.services import Services

SHARED_FOR = timedelta(minutes=1)  # a restart's old process may still be polling; a poll lasts half a minute


@dataclass(eq=False)
class SharedToken:
    """Each update that comes to this program ends the conflict for a moment: only a minute without one ends it."""

    _services: Services
    _seen: tuple[datetime, datetime] | None = None  # since when, and last

    async def check(self, is_shared: bool) -> None:
        """Tell the admins, once a day."""
        if not is_shared:
            return
        now = self._services.clock.now()
        since, last = self._seen or (now, now)
        since = since if now - last <= SHARED_FOR else now
        is_told = now - since >= SHARED_FOR
        self._seen = (now if is_told else since), now
        if not is_told:
            return
        items = self._services.to_admins(
            lambda _: _(
                "Two programs use this bot's token, and each gets only a part of what people send. End the other one; "
                "if you don't know it, revoke the token at @BotFather and set the new one."
            )
        )
        await self._services.outbox.put(*items, when=lambda: self._services.claims.claim(f"token:{now:%F}", now))
