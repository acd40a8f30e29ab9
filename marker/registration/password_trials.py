"""Passwords that are being tried on the portal, each in memory alone: after a crash they are asked for again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from marker.lockouts import Lockouts
from marker.monitors.password_check import Outcome, Verdict
from marker.services import Services
from storage import account_key

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Trial:
    """A typed password on its way: who, at which step, for which account."""

    person: int
    step: str
    data: dict[str, Any]
    username: str
    password: str = field(repr=False)
    note: str = ""  # what the person must hear of their deleted message
    locked_until: datetime | None = None


UNTRIED = Verdict(Outcome.NOT_TRIED)
Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class PasswordTrials:
    """At most one trial a person, and one at a time for a portal account."""

    def __init__(
        self, services: Services, lockouts: Lockouts, conclude: Callable[[Trial, Verdict], Awaitable[None]]
    ) -> None:
        """Take who is told the outcome of a trial that nobody has taken back."""
        self._services = services
        self._lockouts = lockouts
        self._conclude = conclude
        self._running: dict[int, tuple[Trial, asyncio.Task[None]]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def begin(self, trial: Trial, start: Start) -> None:
        """Try a password in a task of its own, in place of an earlier one of this person's."""
        self.take(trial.person)
        self._running[trial.person] = trial, start(self._run(trial))

    def take(self, person: int) -> Trial | None:
        """End the trial under way and return it; None where there is none, or its outcome is being told already."""
        trial, task = self._running.pop(person, (None, None))
        if task is not None:
            task.cancel()
        return trial

    async def _run(self, trial: Trial) -> None:
        verdict = await self._try(trial)
        # no await in between: from here on nobody can take it back
        running, _task = self._running.get(trial.person, (None, None))
        if running is not trial:
            await asyncio.to_thread(self._services.sign_in_check.forget, verdict)
            return
        del self._running[trial.person]
        if verdict.outcome is not Outcome.CLOSING:  # else the question stands, and is asked again after the start
            await self._conclude(trial, verdict)

    async def _try(self, trial: Trial) -> Verdict:
        person, username = trial.person, trial.username
        async with self._turns.setdefault(account_key(username), asyncio.Lock()):
            # within the turn: many people at once must not get more tries than one
            trial.locked_until = await asyncio.to_thread(self._lockouts.passwords_until, person, username)
            if trial.locked_until is not None:
                return Verdict(Outcome.REFUSED)
            verdict = await self._services.sign_in_check.attempt(username, trial.password)
            log.info("person %d: password tried, %s", person, verdict.outcome.value)
            if verdict.outcome is Outcome.REFUSED:
                trial.locked_until = await asyncio.to_thread(self._lockouts.refused, person, username)
            elif verdict.outcome is Outcome.ACCEPTED:
                await asyncio.to_thread(self._lockouts.accepted, username)
            return verdict
