"""Tries a password on the portal before it is stored, in a Chrome with a new profile.

With a profile that holds a session the portal would accept any password. Where the portal accepts the password, the
profile, with the id by which the portal knows the device, can become the student's own.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from dataclasses import dataclass, field
from enum import Enum

from monitor import profile_name
from portal import errors
from portal.browser import Chromes
from portal.limits import PortalLimits
from portal.session import OpenPortal, PortalClient
from portal.views import Reading, View

log = logging.getLogger(__name__)

TRIED_WITHIN = 45.0  # seconds; a person is waiting
CLOSE_WITHIN = 4.0
TRIES = 3  # where the page changed meanwhile
PARALLEL = 8  # threads; how many sign in at once is the portal's limit
TRIAL = "trial-"
_INSIDE = (View.OPEN, View.MARKED, View.NOTHING)


class Outcome(Enum):
    """How a trial ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    BLOCKED = "blocked"  # or locked for a while, or expired: the result's ``code``
    PASSWORD_EXPIRED = "password expired"  # noqa: S105  # right or not, the portal wants a new one
    NOT_TRIED = "not tried"  # the portal is down or slow, or there is no room for another Chrome
    CLOSING = "closing"  # this process ends; the trial says nothing about the password


@dataclass(frozen=True)
class TrialResult:
    """A trial's outcome: the portal's message if any, the profile of an accepted password, and the error's type."""

    outcome: Outcome
    words: str = ""
    profile: str | None = None
    code: str = ""


_ENDS = {
    errors.SignInRefused: Outcome.REFUSED,
    errors.AccountBlocked: Outcome.BLOCKED,
    errors.PasswordExpired: Outcome.PASSWORD_EXPIRED,
}


class _Abandoned(Exception):  # no error: it ends a trial out of any wait
    pass


@dataclass(eq=False)
class SignInCheck:
    """All trials of this process. The methods run on the loop and don't block it, except ``adopt`` and ``forget``.

    Trials keep to the monitors' ``limits``; ``take_place`` reserves a place for another Chrome.
    """

    _open_portal: OpenPortal
    _chromes: Chromes
    _limits: PortalLimits
    _portal_url: str
    _take_place: Callable[[], bool]
    _give_place_back: Callable[[], None]
    _within: float = TRIED_WITHIN
    _running: dict[str, tuple[threading.Event, Future[TrialResult]]] = field(default_factory=dict)
    _ending: set[asyncio.Future[None]] = field(default_factory=set)
    _closing: bool = False

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="sign-in-check")

    async def attempt(self, username: str, password: str) -> TrialResult:
        """Try a password; if the caller is cancelled, the Chrome is ended, too."""
        if self._closing:
            return TrialResult(Outcome.CLOSING)
        if not self._take_place():
            log.warning("no room for another password check")
            return TrialResult(Outcome.NOT_TRIED)
        profile = f"{TRIAL}{secrets.token_hex(8)}"
        stop = threading.Event()
        try:
            trying = self._threads.submit(self._try, profile, username, password, stop)
        except RuntimeError as error:  # no thread; the work stays queued, and ends at once when its turn comes
            stop.set()
            self._give_place_back()
            log.warning("trial of a password: %s", error)
            return TrialResult(Outcome.NOT_TRIED)
        self._running[profile] = stop, trying
        kept = False
        try:
            verdict = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(trying)), self._within)
            if self._closing:
                return TrialResult(Outcome.CLOSING)
            kept = verdict.outcome is Outcome.ACCEPTED
            return verdict
        except TimeoutError:
            log.warning("trial of a password: no outcome within %.0f s", self._within)
            return TrialResult(Outcome.NOT_TRIED, code="PortalSlow")
        finally:
            if kept:
                self._over(profile)
            else:
                stop.set()
                self._end(profile, trying)

    def adopt(self, profile: str, username: str) -> None:
        """Make an accepted trial's profile the student's own. Blocks; no monitor may be using the old one."""
        self._chromes.adopt(profile, profile_name(username))

    def forget(self, verdict: TrialResult) -> None:
        """Delete the profile of a trial that is not used. Blocks."""
        if verdict.profile is not None:
            self._chromes.forget(verdict.profile)

    async def close(self) -> None:
        """Refuse new trials and end the Chromes of the running ones."""
        self._closing = True
        running = dict(self._running)
        for stop, _ in running.values():
            stop.set()
        await asyncio.gather(*(asyncio.to_thread(self._chromes.kill, profile) for profile in running))
        await asyncio.to_thread(wait_for_all, [trying for _, trying in running.values()], CLOSE_WITHIN)
        if self._ending:
            await asyncio.wait(set(self._ending), timeout=CLOSE_WITHIN)
        self._threads.shutdown(wait=False)

    def _end(self, profile: str, trying: "Future[TrialResult]") -> None:
        """End a trial in the background, and give its place back afterwards."""
        loop = asyncio.get_running_loop()
        try:
            ending = loop.run_in_executor(None, self._abandon, profile, trying)
        except RuntimeError:  # no thread: the trial ends by itself
            trying.add_done_callback(lambda _: loop.call_soon_threadsafe(self._over, profile))
            return
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        ending.add_done_callback(lambda _: self._over(profile))

    def _over(self, profile: str) -> None:
        if self._running.pop(profile, None) is not None:
            self._give_place_back()

    def _abandon(self, profile: str, trying: "Future[TrialResult]") -> None:
        """End a trial's Chrome, wait for its thread, and delete the profile."""
        if not trying.done():
            self._chromes.kill(profile)
            wait_for_all([trying], self._within)
        self._chromes.forget(profile)

    def _try(self, profile: str, username: str, password: str, stop: threading.Event) -> TrialResult:
        def pause(seconds: float) -> None:
            if stop.wait(max(seconds, 0)):
                raise _Abandoned

        portal: PortalClient | None = None
        try:
            pause(0)
            portal = self._open_portal(profile, pause)
            reading = self._sign_in(portal, username, password, pause)
        except errors.PortalError as error:
            log.warning("trial of a password: %s: %s", type(error).__name__, "" if error.permanent else error)
            outcome = next((each for kind, each in _ENDS.items() if isinstance(error, kind)), Outcome.NOT_TRIED)
            return TrialResult(outcome, str(error), code=type(error).__name__)
        except _Abandoned:
            return TrialResult(Outcome.NOT_TRIED)
        finally:
            if portal is not None:
                portal.end()
        if reading.view not in _INSIDE:
            log.warning("trial of a password: the portal shows %s", reading.view.value)
            return TrialResult(Outcome.NOT_TRIED, code="UnknownView")
        return TrialResult(Outcome.ACCEPTED, profile=profile)

    def _sign_in(self, portal: PortalClient, username: str, password: str, pause: Callable[[float], None]) -> Reading:
        for left in reversed(range(TRIES)):
            try:
                self._limits.wait_for_load(pause)
                portal.load(self._portal_url)
                reading = portal.settle()
                if (refusal := reading.refusal()) is not None:
                    raise refusal
                if reading.view is not View.LOGIN:
                    raise errors.UnknownView(reading.text or reading.view.value)
                with self._limits.sign_in(pause):
                    return portal.sign_in(username, password)
            except (errors.PageChanged, errors.SessionLost):
                if not left:
                    raise
                pause(1.0)
        raise AssertionError("not reached")
