"""The rate limiter of outgoing Bot API calls: order, fairness, rate, and pauses after a 429."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from telegram import CallbackQuery, User
from telegram.error import NetworkError, RetryAfter
from telegram.ext import ExtBot
from telegram.request import BaseRequest, RequestData

from core.sqlite import Database
from sandbox.signal import Clock
from sandbox.telegram.arguments import Arguments
from sandbox.telegram.errors import ApiError
from sandbox.telegram.people import send
from sandbox.telegram.server import call_method
from sandbox.telegram.world import Person, TelegramWorld
from telegram_app.outbox import ANSWER, NOTICE, Item, Outbox
from telegram_app.rate_limiter import (
    LONGEST_PAUSE,
    PER_SECOND,
    REPEATS,
    CallOptions,
    Priority,
    PriorityRateLimiter,
    answer_tap,
)
from telegram_app.schema import SCHEMA
from tests.fakes import FakeClock, moved_time

pytestmark = pytest.mark.moved_time

AIDA, BEN, DANA = 501, 502, 503
TOKEN = f"7000000001:{'A' * 35}"
RESULT, PATIENT = CallOptions(Priority.RESULT), CallOptions(Priority.RESULT, longest_pause=1e6)


@dataclass(frozen=True)
class Sent:
    """One call that reached Telegram."""

    at: float
    name: str


class Calls:
    """Makes calls through a limiter to a fake Telegram."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self.clock = moved_time()
        self.limiter = PriorityRateLimiter(per_second)
        self.sent: list[Sent] = []
        self.refusals: dict[str, list[Exception]] = {}  # errors for the next calls, by name

    @property
    def names(self) -> list[str]:
        return [sent.name for sent in self.sent]

    def times(self, name: str) -> list[float]:
        return [sent.at for sent in self.sent if sent.name == name]

    async def call(
        self,
        name: str,
        chat_id: int | None = AIDA,
        options: CallOptions | None = None,
        endpoint: str = "sendMessage",
    ) -> str:
        data = {} if chat_id is None else {"chat_id": chat_id}
        result: str = await self.limiter.process_request(self._do, (name,), {}, endpoint, data, options)
        return result

    async def _do(self, name: str) -> str:
        self.sent.append(Sent(self.clock.passed, name))
        await asyncio.sleep(0.01)  # in moved time
        if self.refusals.get(name):
            raise self.refusals[name].pop(0)
        return f"{name} done"


class TestOrder:
    async def test_priorities(self) -> None:
        """The most urgent call is sent first, in whatever order they were made."""
        calls = Calls(per_second=1)
        await calls.call("before")
        order = [Priority.TIDYING, Priority.RESULT, Priority.TAP, Priority.CLEARING, Priority.ANSWER]
        await asyncio.gather(*(calls.call(each.name, each.value, CallOptions(each)) for each in order))
        assert calls.names == ["before", "TAP", "ANSWER", "CLEARING", "RESULT", "TIDYING"]

    async def test_without_options(self) -> None:
        """A call without options has the priority of its method."""
        calls = Calls(per_second=1)
        await calls.call("before")
        methods = ["deleteMessage", "sendMessage", "answerCallbackQuery"]
        await asyncio.gather(*(calls.call(each, endpoint=each) for each in methods))
        assert calls.names == ["before", "answerCallbackQuery", "sendMessage", "deleteMessage"]

    async def test_fair_between_people(self) -> None:
        """One person's many calls do not delay another's of equal priority, and each person's keep their order."""
        calls = Calls(per_second=1)
        await calls.call("before")
        crowd = [("a1", AIDA), ("a2", AIDA), ("a3", AIDA), ("b1", BEN), ("b2", BEN), ("d1", DANA)]
        await asyncio.gather(*(calls.call(name, chat) for name, chat in crowd))
        assert calls.names == ["before", "a1", "b1", "d1", "a2", "b2", "a3"]

    async def test_calls_without_a_chat(self) -> None:
        """Calls without a chat do not share a turn: each counts as a chat of its own."""
        calls = Calls(per_second=1)
        await calls.call("before")
        files = [calls.call(f"file {number}", None, RESULT, "uploadStickerFile") for number in range(3)]
        await asyncio.gather(*files, calls.call("a1", AIDA, RESULT), calls.call("a2", AIDA, RESULT))
        assert calls.names == ["before", "file 0", "file 1", "file 2", "a1", "a2"]

    async def test_cancelled(self) -> None:
        """A call that was cancelled while waiting does not use up a turn."""
        calls = Calls(per_second=1)
        await calls.call("before")
        gone = asyncio.create_task(calls.call("gone"))
        stays = asyncio.create_task(calls.call("stays"))
        await asyncio.sleep(0.1)
        gone.cancel()
        await stays
        assert gone.cancelled()
        assert calls.names == ["before", "stays"]
        assert calls.times("stays") == pytest.approx([1], abs=0.02)

    async def test_cancelled_at_its_turn(self) -> None:
        """A call that is cancelled at its turn does not block later calls."""
        calls = Calls(per_second=1)
        await calls.call("before")
        tasks = [asyncio.create_task(calls.call(name)) for name in ("gone", "stays")]
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_at(1000.0 + 1.0, tasks[0].cancel)
        await asyncio.wait(tasks)
        assert calls.names[-1] == "stays"

    async def test_shutdown(self) -> None:
        """Shutting down cancels waiting calls."""
        calls = Calls(per_second=1)
        await calls.limiter.initialize()
        await calls.call("before")
        waiting = asyncio.create_task(calls.call("waiting"))
        await asyncio.sleep(0.1)
        await calls.limiter.shutdown()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert calls.names == ["before"]


class TestRate:
    async def test_in_any_second(self) -> None:
        """There are at most 29 calls in any second, and a long queue is sent at that rate."""
        calls = Calls()
        await asyncio.gather(*(calls.call(str(number), number) for number in range(200)))
        times = [sent.at for sent in calls.sent]
        for first, thirtieth in zip(times, times[PER_SECOND:], strict=False):
            assert thirtieth - first >= 1 - 1e-5
        assert times[-1] == pytest.approx(200 / PER_SECOND, abs=0.5)

    async def test_whenever_they_arrive(self) -> None:
        """However long calls take to reach Telegram, no more than 29 of them arrive there in any second."""
        calls, chance, arrived = Calls(), random.Random(7), list[float]()

        async def send() -> None:
            await asyncio.sleep(chance.uniform(0, 0.9))
            arrived.append(asyncio.get_running_loop().time())
            await asyncio.sleep(chance.uniform(0, 0.1))

        async def call(chat: int) -> None:
            await calls.limiter.process_request(send, (), {}, "sendMessage", {"chat_id": chat}, None)

        await asyncio.gather(*(call(number) for number in range(200)))
        arrived.sort()
        assert all(later - first >= 1 - 1e-5 for first, later in zip(arrived, arrived[PER_SECOND:], strict=False))

    async def test_small_burst(self) -> None:
        """A few calls after an idle time are sent at once."""
        calls = Calls()
        await asyncio.gather(*(calls.call(str(number), number) for number in range(5)))
        assert calls.sent[-1].at == 0

    async def test_taps_while_many_wait(self) -> None:
        """While hundreds of questions wait, 95 % of the taps are answered at once; the limit holds all the same."""
        calls, waited, chance = Calls(), list[float](), random.Random(7)

        async def tap(number: int) -> None:
            await asyncio.sleep(chance.uniform(0, 20))
            began = calls.clock.passed
            await calls.call(f"tap {number}", 1000 + number, CallOptions(Priority.TAP))
            waited.append(calls.times(f"tap {number}")[0] - began)

        questions = [calls.call(str(number), number) for number in range(500)]
        await asyncio.gather(*questions, *(tap(number) for number in range(160)))
        assert sorted(waited)[152] < 0.05
        times = [sent.at for sent in calls.sent]
        assert all(later - first >= 1 - 1e-5 for first, later in zip(times, times[PER_SECOND:], strict=False))
        assert times[-1] == pytest.approx(660 / PER_SECOND, rel=0.1)

    async def test_files(self) -> None:
        """getFile waits for no turn and takes none; a 429 to it pauses only itself, and its own pause holds it."""
        calls = Calls(per_second=1)
        messages = [asyncio.create_task(calls.call(str(number), number)) for number in range(3)]
        await asyncio.sleep(0.1)
        files = (calls.call(f"file {number}", None, endpoint="getFile") for number in range(20))
        await asyncio.gather(*files)
        assert {at for number in range(20) for at in calls.times(f"file {number}")} == {0.1}
        calls.refusals["paused"] = [RetryAfter(30)]
        paused = asyncio.create_task(calls.call("paused", None, endpoint="getFile"))
        await asyncio.sleep(0.1)
        await calls.call("later", None, endpoint="getFile")
        await asyncio.gather(paused, *messages)
        assert calls.times("paused") == pytest.approx([0.11, 30.12], abs=0.03)
        assert calls.times("later") == pytest.approx([30.12], abs=0.03)
        assert [calls.times(str(number))[0] for number in range(3)] == pytest.approx([0, 1, 2], abs=0.05)

    async def test_album(self) -> None:
        """An album takes as many turns as it has messages."""
        calls = Calls(per_second=1)
        data = {"chat_id": AIDA, "media": ["a", "b", "c"]}
        await calls.limiter.process_request(calls._do, ("album",), {}, "sendMediaGroup", data, None)
        await calls.call("next", BEN)
        assert calls.times("album") == pytest.approx([2], abs=0.02)
        assert calls.times("next") == pytest.approx([3], abs=0.02)

    async def test_not_limited(self) -> None:
        """getMe is never delayed, not even while all calls are paused."""
        calls = Calls(per_second=1)
        calls.refusals = {name: [RetryAfter(30)] for name in ("a", "b")}
        refused = [asyncio.create_task(calls.call(name, chat)) for name, chat in (("a", AIDA), ("b", BEN))]
        await asyncio.sleep(2)
        assert await calls.call("me", None, endpoint="getMe") == "me done"
        assert calls.times("me") == [2]
        await asyncio.gather(*refused)


class TestTooManyRequests:
    async def test_chat(self) -> None:
        """After a 429 no call for that chat is sent until the pause ends; calls for other chats are."""
        calls = Calls()
        calls.refusals["a1"] = [RetryAfter(7)]
        refused = asyncio.create_task(calls.call("a1", AIDA, PATIENT))
        await asyncio.sleep(0.1)
        tap = CallOptions(Priority.TAP, AIDA, longest_pause=10)
        held = asyncio.gather(
            calls.call("tap", None, tap, "answerCallbackQuery"),
            calls.call("deletion", AIDA, endpoint="deleteMessage"),
            calls.call("typing", AIDA, endpoint="sendChatAction"),
        )
        assert await calls.call("b", BEN) == "b done"
        assert calls.times("b") == pytest.approx([0.1], abs=0.01)
        await asyncio.gather(refused, held)
        assert refused.result() == "a1 done"
        assert calls.times("a1") == pytest.approx([0, 7.01], abs=0.01)
        assert [sent.name for sent in calls.sent if sent.at > 1] == ["tap", "typing", "a1", "deletion"]
        assert min(sent.at for sent in calls.sent if sent.at > 1) >= 7

    async def test_order(self) -> None:
        """A call that is repeated after a 429 is sent before the newer calls of its chat that waited meanwhile."""
        calls = Calls(per_second=1)
        calls.refusals["a1"] = [RetryAfter(7)]
        await asyncio.gather(*(calls.call(name) for name in ("a1", "a2", "a3")))
        assert calls.names == ["a1", "a1", "a2", "a3"]

    async def test_second_chat(self) -> None:
        """If a second chat gets a 429 meanwhile, all calls pause for the time that both pauses cover."""
        calls = Calls()
        calls.refusals = {"a": [RetryAfter(30)], "b": [RetryAfter(5)]}
        tasks = [asyncio.create_task(calls.call("a", AIDA)), asyncio.create_task(calls.call("b", BEN))]
        await asyncio.sleep(1)
        tasks.append(asyncio.create_task(calls.call("d", DANA)))
        tasks.append(asyncio.create_task(calls.call("file", None, endpoint="getFile")))
        await asyncio.gather(*tasks)
        assert calls.times("b") == pytest.approx([0, 5.01], abs=0.02)
        assert calls.times("d") == pytest.approx([5.01], abs=0.02)
        assert calls.times("file") == pytest.approx([5.01], abs=0.05)
        assert calls.times("a") == pytest.approx([0, 30.01], abs=0.02)

    async def test_one_chat_twice(self) -> None:
        """A second 429 in the same chat, or in another one after the pause, does not pause all calls."""
        calls = Calls()
        calls.refusals = {"a": [RetryAfter(2), RetryAfter(2)], "b": [RetryAfter(2)]}
        await calls.call("a", AIDA)
        refused = asyncio.create_task(calls.call("b", BEN))
        await asyncio.sleep(0.1)
        before = calls.clock.passed
        await calls.call("d", DANA)
        assert calls.times("d") == [before]
        await refused

    async def test_method_without_a_chat(self) -> None:
        """A 429 to a method without a chat pauses only that method, which has a limit of its own."""
        calls = Calls()
        calls.refusals = {"commands": [RetryAfter(30)], "a": [RetryAfter(2)]}
        refused = asyncio.create_task(calls.call("commands", None, endpoint="setMyCommands"))
        await asyncio.sleep(0.1)
        await asyncio.gather(calls.call("a", AIDA), calls.call("b", BEN), calls.call("file", None, endpoint="getFile"))
        assert calls.times("b") == calls.times("file") == [0.1]
        await calls.call("more", None, endpoint="setMyCommands")
        assert calls.times("more") == pytest.approx([30.01], abs=0.05)
        await refused

    async def test_repeats(self) -> None:
        """After REPEATS repeated 429s the call raises RetryAfter."""
        calls = Calls()
        calls.refusals["a"] = [RetryAfter(2)] * 10
        with pytest.raises(RetryAfter):
            await calls.call("a")
        times = calls.times("a")
        assert len(times) == 1 + REPEATS
        assert [after - before for before, after in pairwise(times)] == pytest.approx([2.01] * REPEATS, abs=0.01)

    async def test_no_seconds(self) -> None:
        """A 429 with 0 seconds pauses for one second."""
        calls = Calls()
        calls.refusals["a"] = [RetryAfter(0)]
        await calls.call("a")
        assert calls.times("a") == pytest.approx([0, 1.01], abs=0.01)

    async def test_long_pause(self) -> None:
        """A call whose pause is longer than it may wait raises RetryAfter with the remaining time, unsent."""
        calls = Calls(per_second=1)
        calls.refusals["a"] = [RetryAfter(3600)]
        refused = asyncio.create_task(calls.call("a"))
        waiting = asyncio.create_task(calls.call("waiting"))
        other = asyncio.create_task(calls.call("other", BEN))
        await asyncio.wait([refused, waiting])
        assert isinstance(refused.exception(), RetryAfter)
        assert isinstance(waiting.exception(), RetryAfter)
        assert calls.clock.passed < 1
        with pytest.raises(RetryAfter) as caught:
            await calls.call("late", options=CallOptions(Priority.TAP, longest_pause=LONGEST_PAUSE))
        after = caught.value.retry_after
        assert isinstance(after, timedelta)
        assert after.total_seconds() == pytest.approx(3600, abs=0.1)
        await other
        assert calls.names == ["a", "other"]

    async def test_other_errors(self) -> None:
        """Other errors are passed on and pause nothing."""
        calls = Calls()
        calls.refusals["a"] = [NetworkError("down")]
        with pytest.raises(NetworkError):
            await calls.call("a")
        await calls.call("next")
        assert calls.times("next") == [0.01]


class SimulatedTelegram(BaseRequest):
    """A transport that calls the simulator in this process, where time can be moved."""

    def __init__(self, clock: FakeClock) -> None:
        self.world = TelegramWorld(Clock(clock.now, clock.monotonic), callback_lifetime=30)
        self.bot = self.world.add_bot(TOKEN, "marker", "SimulatedMarker")
        self.calls: list[tuple[float, str, int | None, int]] = []  # time, method, chat, status code
        self._clock = clock

    def join(self, person: int) -> None:
        """Press Start as a person."""
        send(self.world, self.bot, Person(person, "Student"), {"text": "/start"})

    @property
    def read_timeout(self) -> float | None:
        return 1.0

    async def initialize(self) -> None:
        """There is no connection."""

    async def shutdown(self) -> None:
        """There is no connection."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *args: Any, **kwargs: Any
    ) -> tuple[int, bytes]:
        endpoint = url.rpartition("/")[2]
        arguments = Arguments(request_data.json_parameters if request_data else {}, {})
        answer: dict[str, Any]
        try:
            result = await call_method(self.world, self.bot, endpoint.lower(), arguments)
            code, answer = 200, {"ok": True, "result": result}
        except ApiError as error:
            code, answer = error.code, {"ok": False, "error_code": error.code, "description": error.description}
            if error.retry_after is not None:
                answer["parameters"] = {"retry_after": error.retry_after}
        chat = arguments.integer("chat_id") if arguments.has("chat_id") else None
        self.calls.append((self._clock.passed, endpoint, chat, code))
        return code, json.dumps(answer).encode()


class SimulatedMarker:
    """A real bot object with its limiter and outbox, connected to the simulator."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self.clock = moved_time()
        self.telegram = SimulatedTelegram(self.clock)
        self.bot: ExtBot[CallOptions] = ExtBot(
            TOKEN, request=self.telegram, rate_limiter=PriorityRateLimiter(per_second)
        )
        self.database = Database(":memory:", [SCHEMA])
        self.outbox = Outbox(self.bot, self.database, "marker", self._lost, self.clock)

    async def _lost(self, person: int) -> None:
        raise AssertionError(f"person {person} has not blocked the bot")

    def waits_obeyed(self) -> bool:
        """Return whether no call for a chat was sent within one second after a 429 in it."""
        return all(
            later[0] - earlier[0] >= 1 - 1e-5
            for earlier, later in pairwise(call for call in self.telegram.calls if call[2] == AIDA)
            if earlier[3] == 429
        )


@pytest.fixture
async def marker() -> AsyncIterator[SimulatedMarker]:
    marker = SimulatedMarker()
    for person in (AIDA, BEN, DANA):
        marker.telegram.join(person)
    await marker.bot.initialize()
    await marker.outbox.start()
    yield marker
    await marker.outbox.close()
    await marker.bot.shutdown()


class TestDeletions:
    """200 deletions in a chat that allows one call per second: none is sent while the chat is paused."""

    async def _messages(self, marker: SimulatedMarker) -> list[int]:
        chat = marker.telegram.bot.chats[AIDA]
        marker.telegram.world.limits.every_call = True
        person = chat.person
        return [send(marker.telegram.world, marker.telegram.bot, person, {"text": "a"}).message_id for _ in range(200)]

    async def test_queued(self, marker: SimulatedMarker) -> None:
        """Queued deletions, urgent ones as well, are all carried out."""
        numbers = await self._messages(marker)
        items = [
            Item(AIDA, "delete", message_id=number, lane=lane)
            for number, lane in zip(numbers, [-1, ANSWER, NOTICE, NOTICE] * 50, strict=True)
        ]
        await marker.outbox.put(*items, Item(BEN, "send", "to Ben"))
        await asyncio.sleep(600)
        assert len(marker.telegram.bot.chats[AIDA].messages) == 1
        assert marker.outbox.oldest_waiting() is None
        assert marker.waits_obeyed()
        assert [call[0] for call in marker.telegram.calls if call[2] == BEN] == pytest.approx([0], abs=0.1)

    async def test_direct_calls(self, marker: SimulatedMarker) -> None:
        """Direct deletions, all started together and each repeated by its caller, are all carried out."""
        numbers = await self._messages(marker)

        async def delete(number: int) -> None:
            while True:
                try:
                    await marker.bot.delete_message(AIDA, number)
                    return
                except RetryAfter:
                    continue

        await asyncio.gather(*(delete(number) for number in numbers))
        assert marker.waits_obeyed()
        assert len(marker.telegram.bot.chats[AIDA].messages) == 1


class TestOutbox:
    async def test_priorities(self) -> None:
        """Deletions of passwords go first, then answers, tidying before an answer, results, and other tidying."""
        marker = SimulatedMarker(per_second=1)
        people = range(1, 7)
        for person in people:
            marker.telegram.join(person)
            await marker.outbox.fill(person, "menu", 1)
        items = [
            Item(1, "send", "takes the first turn"),
            Item(2, "delete", slot="menu", lane=NOTICE),
            Item(3, "send", "result", lane=NOTICE),
            Item(4, "strip", slot="menu"),
            Item(5, "send", "answer"),
            Item(6, "delete", message_id=6, lane=-1),
        ]
        await marker.outbox.put(*items)
        await marker.outbox.start()
        await asyncio.sleep(20)
        assert [call[2] for call in marker.telegram.calls] == [1, 6, 5, 4, 3, 2]
        await marker.outbox.close()

    async def test_tap(self, marker: SimulatedMarker) -> None:
        """The answer to a tap waits while the person's chat is paused, but not for long."""
        marker.telegram.world.limits.per_chat_per_second = 0.1
        await marker.bot.send_message(AIDA, "one")
        refused = asyncio.create_task(marker.bot.send_message(AIDA, "two"))
        await asyncio.sleep(0.1)
        query = CallbackQuery("1", User(AIDA, "Aida", is_bot=False), "x")
        query.set_bot(marker.bot)
        with pytest.raises(RetryAfter):
            await answer_tap(query, None)
        assert await refused
        assert "answerCallbackQuery" not in [call[1] for call in marker.telegram.calls]
