"""A priority rate limiter for outgoing Bot API calls. Its contract:

- **Order.** Answers to taps and deletions of typed passwords first, then questions and acknowledgements, then results,
  tidying last (``Priority``). Tidying that delays the next answer in its own chat goes before results.
- **Fairness.** Calls of equal priority go round robin, one per chat, so one person's many calls delay nobody else's.
  Calls of one chat and priority keep their order, also after a 429.
- **Rate.** At most 29 calls in any second, one below Telegram's limit for a bot; an album counts as its messages. A
  call counts until a second after its answer: nobody knows when it has reached Telegram. Taps need not wait until the
  next call is due: as many calls as there were taps in the last second, at most ``KEPT``, are kept free for them.
- **429.** While a chat is paused, no call for it is sent, whatever its priority or method. The call that got the 429 is
  repeated after the pause, at most ``REPEATS`` times.
- **Bounded waiting.** A call that faces a pause longer than its ``longest_pause`` raises ``RetryAfter`` without being
  sent, at once: an acknowledgement does not block a handler for an hour. The outbox uses 0 and repeats calls itself,
  because its queue is durable and the most urgent row may have changed.
- ``getUpdates`` and ``getMe`` are never held. ``getFile`` sends no message: it is not counted, and only pauses hold it,
  so that videos of a class are downloaded while many messages wait.

What a 429 pauses: Telegram limits chats and bots, and its answer does not say which limit was exceeded. The chat of the
refused call pauses for ``retry_after``, since one busy chat is the usual cause and must not stop everybody. If a second
chat is refused meanwhile, the bot's own limit is the likely cause: all calls pause for the time that both answers
cover, and the rest of the longer pause holds for its own chat only. A method without a chat (``setMyCommands`` has a
limit of its own, with waits of hours) pauses only itself. Time is the running event loop's.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from itertools import chain, count
from typing import Any, cast

from telegram import CallbackQuery
from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter, ExtBot

log = logging.getLogger(__name__)

PER_SECOND = 29
SLOW = 1.0  # seconds for an answer; a call without one counts no longer
SMALL_BURST = 0.25  # seconds of the rate that may be used at once; the rest of a second's calls are spread evenly
KEPT = 2  # calls a second, at most
REPEATS = 3  # of one call, after a 429
LONGEST_PAUSE = 60.0  # seconds
LONGEST_TAP_PAUSE = 5.0  # the button's handler must not wait long for the acknowledgement of the tap


class Priority(IntEnum):
    """The order in which waiting calls are sent; a lower number goes first."""

    TAP = 0  # answerCallbackQuery, and deletion of a typed password
    ANSWER = 1  # questions and acknowledgements
    CLEARING = 2  # tidying that the chat's next answer is queued behind
    RESULT = 3
    TIDYING = 4


_TAPS, _OTHERS = (Priority.TAP,), tuple(Priority)[1:]


@dataclass(frozen=True)
class CallOptions:
    """The ``rate_limit_args`` of a call.

    ``chat_id`` is for methods without such a parameter. ``longest_pause``: seconds; see "Bounded waiting" above.
    """

    priority: Priority
    chat_id: int | None = None
    longest_pause: float = LONGEST_PAUSE


_DEFAULTS = {
    "answerCallbackQuery": CallOptions(Priority.TAP, longest_pause=LONGEST_TAP_PAUSE),
    **dict.fromkeys(("deleteMessage", "editMessageReplyMarkup"), CallOptions(Priority.TIDYING)),
}


@dataclass(eq=False)
class _Waiting:
    number: int  # of the call, in the order in which they were made
    limit: int | str  # what a 429 to this call pauses: the chat, or the method of a call without a chat
    options: CallOptions
    turn: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def queue(self) -> object:
        """Return the key of its queue in the round robin; a call without a chat has a queue of its own."""
        return self.limit if isinstance(self.limit, int) else self


class PriorityRateLimiter(BaseRateLimiter[CallOptions]):
    """Limits the calls of one bot according to the contract above."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._interval = 1.0 / per_second
        self._per_second = per_second
        self._counted: dict[_Waiting, float] = {}  # until when each sent call counts
        self._due = 0.0  # when the next call would be sent at an even rate
        # Insertion order is the round robin: a queue that had its turn is moved to the end.
        self._queues: dict[Priority, dict[object, deque[_Waiting]]] = {priority: {} for priority in Priority}
        self._paused_until: dict[int | str, float] = {}  # by chat or method
        self._all_paused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = count()

    async def initialize(self) -> None: ...

    async def shutdown(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for waiting in chain.from_iterable(self._queues_of(tuple(Priority))):
            waiting.turn.cancel()

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: CallOptions | None,
    ) -> Any:
        """Send a call at its turn, and again after a 429; RetryAfter is raised as the contract says."""
        if endpoint == "getMe":  # PTB does not pass getUpdates to a limiter at all
            return await callback(*args, **kwargs)
        options = rate_limit_args or _DEFAULTS.get(endpoint) or CallOptions(Priority.ANSWER)
        chat_id = data.get("chat_id", options.chat_id)
        limit = endpoint if chat_id is None else chat_id
        number, repeats = next(self._numbers), 0
        if endpoint == "sendMediaGroup":  # one turn for each message, the last one below
            for _message in data["media"][1:]:
                await self._turn(each := _Waiting(number, limit, options))
                self._answered(each)
        while True:
            waiting = _Waiting(number, limit, options)
            await (self._pause_over(waiting) if endpoint == "getFile" else self._turn(waiting))
            if self._free_at(limit) > _now():  # another call got a 429 since
                continue
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as refused:
                self._pause(limit, seconds_of(refused), endpoint)
                if repeats == REPEATS:
                    raise
                repeats += 1
            finally:
                self._answered(waiting)

    def _answered(self, waiting: _Waiting) -> None:
        self._counted[waiting] = min(self._counted.get(waiting, 0.0), _now() + 1.0)
        self._release()

    async def _turn(self, waiting: _Waiting) -> None:
        if (refusal := self._refusal(waiting)) is not None:
            raise refusal
        queues = self._queues[waiting.options.priority]
        queue = queues.setdefault(waiting.queue, deque())
        at = len(queue)
        while at > 0 and queue[at - 1].number > waiting.number:  # a call that is repeated goes before newer ones
            at -= 1
        queue.insert(at, waiting)
        self._release()
        try:
            await waiting.turn
        finally:
            self._remove(waiting)  # if it was cancelled

    async def _pause_over(self, waiting: _Waiting) -> None:
        if (refusal := self._refusal(waiting)) is not None:
            raise refusal
        await asyncio.sleep(max(0.0, self._free_at(waiting.limit) - _now()))

    def _refusal(self, waiting: _Waiting) -> RetryAfter | None:
        """Return the error of a call whose pause is longer than it may wait; None for others."""
        left = self._free_at(waiting.limit) - _now()
        if left <= waiting.options.longest_pause:
            return None
        return RetryAfter(timedelta(milliseconds=math.ceil(left * 1000)))

    def _pause(self, limit: int | str, seconds: float, endpoint: str) -> None:
        """Pause a limit after a 429; waiting calls for which the pause is too long get their error."""
        now = _now()
        self._paused_until = {paused: until for paused, until in self._paused_until.items() if until > now}
        until = max(now + max(seconds, 1.0), self._paused_until.get(limit, 0.0))
        self._paused_until[limit] = until
        others = [end for paused, end in self._paused_until.items() if isinstance(paused, int) and paused != limit]
        log.warning("429 to %s (%s): paused for %.0f s", endpoint, limit, until - now)
        if isinstance(limit, int) and others:
            self._all_paused_until = max(self._all_paused_until, min(until, max(others)))
            log.warning("429 in a second chat: all calls paused for %.0f s", self._all_paused_until - now)
        for waiting in list(chain.from_iterable(self._queues_of(tuple(Priority)))):
            if (refusal := self._refusal(waiting)) is not None:
                self._remove(waiting)
                if not waiting.turn.done():
                    waiting.turn.set_exception(refusal)

    def _release(self) -> None:
        """Let the calls that may be sent now continue, and set a timer for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (found := self._next_at()) is not None:
            (at, priorities), now = found, _now()
            if at > now:
                self._timer = asyncio.get_running_loop().call_later(at - now, self._release)
                return
            waiting = self._next(now, priorities)
            if waiting is not None and not waiting.turn.done():  # done: its task was cancelled
                self._counted = {each: until for each, until in self._counted.items() if until > now}
                self._counted[waiting] = now + 1.0 + SLOW
                self._due = max(self._due, now) + self._interval
                waiting.turn.set_result(None)

    def _next_at(self) -> tuple[float, Sequence[Priority]] | None:
        """Return when the next call may be sent, and of which priorities it may be; None if none waits."""
        counted, found = sorted(self._counted.values()), []
        taps = sum(each.options.priority is Priority.TAP for each in self._counted)
        kept = min(taps, KEPT, self._per_second - 1)
        for priorities, most, due in (
            (_TAPS, self._per_second, 0.0),
            (_OTHERS, self._per_second - kept, self._due - SMALL_BURST),
        ):
            full = counted[-most] if len(counted) >= most else 0.0
            heads = [self._free_at(queue[0].limit) for queue in self._queues_of(priorities)]
            found += [(max(min(heads), full, due), priorities)] if heads else []
        return min(found, default=None)

    def _next(self, now: float, priorities: Sequence[Priority]) -> _Waiting | None:
        """Remove and return the most urgent call that is not paused, from the chat with the oldest last turn."""
        for queue in self._queues_of(priorities):
            waiting = queue[0]
            if self._free_at(waiting.limit) <= now:
                self._remove(waiting)
                if queue:
                    queues = self._queues[waiting.options.priority]
                    queues[waiting.queue] = queues.pop(waiting.queue)
                return waiting
        return None

    def _free_at(self, limit: int | str) -> float:
        return max(self._paused_until.get(limit, 0.0), self._all_paused_until)

    def _queues_of(self, priorities: Sequence[Priority]) -> Iterator[deque[_Waiting]]:
        return chain.from_iterable(self._queues[each].values() for each in priorities)

    def _remove(self, waiting: _Waiting) -> None:
        queues = self._queues[waiting.options.priority]
        if waiting in (queue := queues.get(waiting.queue, deque())):
            queue.remove(waiting)
            if not queue:
                del queues[waiting.queue]


async def answer_tap(query: CallbackQuery, text: str | None) -> None:
    """Acknowledge a tap, limited with the calls to that person's chat; a private chat has its person's id."""
    options = CallOptions(Priority.TAP, query.from_user.id, LONGEST_TAP_PAUSE)
    await cast(ExtBot[CallOptions], query.get_bot()).answer_callback_query(query.id, text, rate_limit_args=options)


def seconds_of(refused: RetryAfter) -> float:
    """Return ``retry_after`` in seconds; PTB has it as a number or as a timedelta."""
    after = refused.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


def _now() -> float:
    return asyncio.get_running_loop().time()
