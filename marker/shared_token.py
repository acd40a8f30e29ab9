"""Tells the admins that another program fetches the bot's updates with the same token."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marker.services import Services

SHARED_FOR = timedelta(minutes=1)  # a restart's old process may still be polling; a poll lasts half a minute


@dataclass(eq=False)
class SharedToken:
    """Counts polls that the other program ended: only a minute without one ends the conflict.

    A poll that waits for updates says nothing yet, and one that brings some ends the conflict for a moment at most.
    """

    _services: Services
    _counted: int = 0
    _seen: tuple[datetime, datetime] | None = None  # since when, and last

    async def check(self, conflicts: int) -> None:
        """Tell the admins, once a day. ``conflicts``: how many polls were ended so far."""
        if conflicts == self._counted:
            return
        self._counted = conflicts
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
