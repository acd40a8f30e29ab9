"""Passwords that are being tried on the portal, each in memory alone: after a crash they are asked for again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from marker.lockouts import Lockouts
from marker.monitors.password_check import Outcome, TrialResult
from marker.services import Services
from storage import account_key

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Trial:
    """A typed password that is being tried: for whom, at which step, for which account."""

    person: int
    step: str
    data: dict[str, Any]
    username: str
    password: str = field(repr=False)
    locked: str = ""  # the text for a person who has no tries left


UNTRIED = TrialResult(Outcome.NOT_TRIED)
Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class PasswordTrials:
    """At most one trial for each person, and one at a time for each portal account.

    ``conclude`` gets the result of a trial that nobody has taken back; ``tried`` holds the people with a trial until
    that is done.
    """

    def __init__(
        self,
        services: Services,
        lockouts: Lockouts,
        conclude: Callable[[Trial, TrialResult], Awaitable[None]],
        tried: set[int],
    ) -> None:
        self._services = services
        self._lockouts = lockouts
        self._conclude = conclude
        self._tried = tried
        self._running: dict[int, tuple[Trial, asyncio.Task[None]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}  # by account

    def begin(self, trial: Trial, start: Start) -> None:
        """Try a password in a task of its own, in place of an earlier one of this person's."""
        self.take_back(trial.person)
        self._tried.add(trial.person)
        self._running[trial.person] = trial, start(self._run(trial))

    def take_back(self, person: int) -> Trial | None:
        """End the trial under way and return it; None where there is none, or its outcome is being told already."""
        trial, task = self._running.pop(person, (None, None))
        if task is not None:
            self._tried.discard(person)
            task.cancel()
        return trial

    async def _run(self, trial: Trial) -> None:
        result = await self._try(trial)
        # no await in between: from here on nobody can take it back
        running, _task = self._running.get(trial.person, (None, None))
        if running is not trial:
            await asyncio.to_thread(self._services.sign_in_check.forget, result)
            return
        del self._running[trial.person]
        try:
            if result.outcome is not Outcome.CLOSING:  # else the question stands, and is asked again after the start
                await self._conclude(trial, result)
        finally:
            if trial.person not in self._running:  # else they have typed another password meanwhile
                self._tried.discard(trial.person)

    async def _try(self, trial: Trial) -> TrialResult:
        person, username = trial.person, trial.username
        async with self._locks.setdefault(account_key(username), asyncio.Lock()):
            # within the lock: many people at once must not get more tries than one
            trial.locked = await self._lockouts.passwords(person, username)
            if trial.locked:
                return TrialResult(Outcome.REFUSED)
            result = await self._services.sign_in_check.attempt(username, trial.password)
            log.info("person %d: password tried, %s", person, result.outcome.value)
            if result.outcome is Outcome.REFUSED:
                trial.locked = await self._lockouts.refused(person, username)
            elif result.outcome is Outcome.ACCEPTED:
                await self._lockouts.accepted(username)
            return result
