"""The metrics of one bot: calls of the Bot API, updates, and the outgoing messages."""

from typing import Any

from telegram.request import HTTPXRequest

from core.metrics import CALL, LONG, Calls, Metrics


class BotMetrics:
    """``bot`` is "marker", "teacher" or "student"."""

    def __init__(self, metrics: Metrics | None = None, bot: str = "bot") -> None:
        declare = metrics or Metrics()
        self.bot = bot
        self.calls = Calls(declare, "telegram", "the Bot API", bot=(), method=())
        updates = declare.histogram("update_seconds", "Time to handle an update of Telegram's.", CALL, bot=())
        self.update_seconds = updates.labels(bot)
        dropped = "Updates of people who send too much, which were not handled."
        self.updates_dropped = declare.counter("updates_dropped", dropped, bot=()).labels(bot)
        self.queued = declare.gauge("outbox_messages", "Messages that wait to be sent.", bot=()).labels(bot)
        oldest = "For how long the oldest message has waited to be sent; 0: none waits."
        self.oldest = declare.gauge("outbox_oldest_age_seconds", oldest, bot=()).labels(bot)
        delay = "Time from queuing a message, or another change of a chat, until Telegram has it."
        self._delay = declare.histogram("outbox_delay_seconds", delay, LONG, bot=(), lane=())
        self.answers = self._delay.labels(bot, "answer")

    def sent(self, lane: str, seconds: float) -> None:
        self._delay.labels(self.bot, lane).observe(seconds)


class CountedRequest(HTTPXRequest):
    """Connections to the Bot API that count each call, with its own retries."""

    def __init__(self, metrics: BotMetrics, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.metrics = metrics

    async def do_request(self, url: str, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        # the rest of the URL of a file is Telegram's, that of a call is the name of a method; both hold the token
        method = "downloadFile" if "/file/bot" in url else url.rpartition("/")[2]
        with self.metrics.calls.counted(self.metrics.bot, method) as call:
            call.status, payload = await super().do_request(url, *args, **kwargs)
        return call.status, payload
