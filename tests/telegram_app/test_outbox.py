"""The outbox: every message arrives once and in order, within Telegram's limits, despite failures and restarts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TimedOut

from core.metrics import Metrics
from core.sqlite import Database
from telegram_app.files import SHIPPED, qr_picture
from telegram_app.metrics import BotMetrics
from telegram_app.outbox import ANSWER, BETWEEN_SENDS, LATER, NOTICE, Button, Item, Outbox
from telegram_app.outbox_table import Action, Outgoing
from telegram_app.people import People
from telegram_app.schema import SCHEMA
from tests.fakes import FakeBot, FakeClock, MovedTimeLoop, moved_time

pytestmark = [pytest.mark.unit, pytest.mark.moved_time]

AIDA, BEN = 501, 502
GO = [[Button("Go", "go")]]
BLOCKED = Forbidden("Forbidden: bot was blocked by the user")


class Post:
    """A bot, its database and its outbox."""

    def __init__(self, clock: FakeClock, database: Database | None = None) -> None:
        self.clock = clock
        self.bot = FakeBot(clock)
        self.database = database or Database(":memory:", [SCHEMA])
        self.queue = Outgoing(self.database, "marker")
        self.lost: list[int] = []
        self.missing: set[str] = set()
        self.metrics = Metrics()
        more: dict[str, Any] = {"make_file": self._make, "metrics": BotMetrics(self.metrics, "marker")}
        self.outbox = Outbox(self.bot.as_bot, self.database, "marker", self._lose, clock, **more)

    async def _make(self, reference: str) -> tuple[str, bytes] | None:
        name = reference.removeprefix(SHIPPED)
        return (name, name.encode()) if name not in self.missing else None

    async def _lose(self, person: int) -> None:
        self.lost.append(person)

    async def quiet(self) -> None:
        """Let time pass until the queue is empty."""
        while self.queue.chats():  # noqa: ASYNC110  # in moved time; the condition is in the database
            await asyncio.sleep(0.05)

    async def put(self, *items: Item) -> None:
        """Queue items and wait until they have left the queue."""
        await self.outbox.put(*items)
        await self.quiet()

    def restarted(self) -> "Post":
        """Return the state after a restart: a new outbox with the same database and chats."""
        post = Post(self.clock, self.database)
        post.bot.chats = self.bot.chats
        return post


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    post = Post(moved_time())
    await post.outbox.start()
    yield post
    await post.outbox.close()


def send(text: str, chat_id: int = AIDA, lane: int = NOTICE, slot: str | None = None) -> Item:
    return Item(chat_id, "send", text, slot=slot, lane=lane)


class TestSending:
    async def test_message(self, post: Post) -> None:
        """A message has its text and buttons."""
        await post.put(Item(AIDA, "send", "<b>Hello</b>", [[Button("Go", "go"), Button("Site", url="https://a.b")]]))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons) == ("<b>Hello</b>", (("Go", "Site"),))

    async def test_damaged_row(self, post: Post, caplog: pytest.LogCaptureFixture) -> None:
        """A row that can't be carried out is dropped after some tries, and the rows behind it are sent."""
        post.database.write("INSERT INTO outgoing VALUES (1, 'marker', ?, 0, 'send', NULL, 'damaged', 'x')", AIDA)
        await post.put(send("behind"))
        assert post.bot.texts(AIDA) == ["behind"]
        assert "it is dropped" in caplog.text
        assert post.clock.passed < 60

    async def test_read_only_disk(self, post: Post) -> None:
        """A message that was sent, but can't be removed from the queue, is not sent again."""
        await post.outbox.put(send("one"))
        post.database.read("PRAGMA query_only = ON")
        await asyncio.sleep(300)
        assert post.bot.texts(AIDA) == ["one"]
        post.database.read("PRAGMA query_only = OFF")
        await post.put(send("two"))
        assert post.bot.texts(AIDA) == ["one", "two"]

    async def test_delay(self, post: Post) -> None:
        """The time from queuing to sending is measured, waiting included; what waits is counted, and since when."""
        await post.outbox.put(send("one"), send("two"))
        assert post.outbox.oldest_waiting() == post.clock.now()
        registry = post.metrics.registry
        assert registry.get_sample_value("attendance_outbox_messages", {"bot": "marker"}) == 2
        await post.quiet()
        labels = {"bot": "marker", "lane": "notice"}
        assert registry.get_sample_value("attendance_outbox_delay_seconds_count", labels) == 2
        assert registry.get_sample_value("attendance_outbox_delay_seconds_sum", labels) == pytest.approx(BETWEEN_SENDS)
        assert post.outbox.oldest_waiting() is None
        assert registry.get_sample_value("attendance_outbox_messages", {"bot": "marker"}) == 0

    async def test_age_of_the_oldest(self, post: Post) -> None:
        """While Telegram can't be reached, the age of the oldest message grows."""
        post.bot.refuse(*([NetworkError("down")] * 3))
        await post.outbox.put(send("one"))
        await asyncio.sleep(2.5)
        post.outbox.oldest_waiting()
        age = post.metrics.registry.get_sample_value("attendance_outbox_oldest_age_seconds", {"bot": "marker"})
        assert age == pytest.approx(2.5)
        await post.quiet()

    async def test_order(self, post: Post) -> None:
        """Messages arrive in the order in which they were queued."""
        await post.put(*(send(str(number)) for number in range(5)))
        assert post.bot.texts(AIDA) == ["0", "1", "2", "3", "4"]

    async def test_answer_overtakes_waiting_notices(self, post: Post) -> None:
        """The answer to a tap is sent before notices that are still waiting."""
        await post.outbox.put(*(send(f"notice {number}") for number in range(3)))
        await asyncio.sleep(0.5)
        await post.put(send("answer", lane=ANSWER))
        assert post.bot.texts(AIDA) == ["notice 0", "answer", "notice 1", "notice 2"]
        assert post.bot.times(AIDA)[1] == pytest.approx(BETWEEN_SENDS, abs=0.01)

    async def test_edit_does_not_overtake_the_message_of_its_slot(self, post: Post) -> None:
        """An edit of a slot waits for the message that fills it, even in the lane of answers."""
        await post.put(
            send("notice"), send("offer", slot="offer:1"), Item(AIDA, "edit", "over", slot="offer:1", lane=ANSWER)
        )
        assert sorted(post.bot.texts(AIDA)) == ["notice", "over"]

    async def test_pace(self, post: Post) -> None:
        """A chat gets at most one message per second; other chats do not wait for it."""
        await post.put(*(send(str(number), chat) for number in range(4) for chat in (AIDA, BEN)))
        for chat in (AIDA, BEN):
            assert post.bot.times(chat) == pytest.approx([n * BETWEEN_SENDS for n in range(4)], abs=0.02)

    async def test_pause_that_rounding_leaves(self, post: Post) -> None:
        """A pause of which rounding leaves less than the clock's resolution ends, too."""
        post.clock.advance(23.134167)
        await post.put(send("one"), send("two"))
        assert post.bot.texts(AIDA) == ["one", "two"]

    async def test_edits_need_no_pace(self, post: Post) -> None:
        """Edits and deletions are not limited to one per second."""
        await post.put(send("menu", slot="menu"))
        await post.put(Item(AIDA, "edit", "menu 2", slot="menu"), Item(AIDA, "strip", slot="menu"))
        assert await post.outbox.delete(AIDA, 1, within=1)
        assert post.clock.passed < 1

    @given(
        st.lists(
            st.tuples(st.sampled_from([AIDA, BEN]), st.sampled_from([ANSWER, NOTICE]), st.floats(0, 2)), max_size=12
        ),
        st.lists(st.sampled_from([NetworkError("down"), TimedOut(), RetryAfter(3)]), max_size=5),
    )
    def test_any_traffic(self, items: list[tuple[int, int, float]], errors: list[Exception]) -> None:
        """With any traffic and failures, nothing is lost or sent twice; FIFO, answers first, one per second."""

        async def story() -> tuple[Post, dict[str, tuple[int, int, float]]]:
            post, queued = Post(moved_time()), dict[str, tuple[int, int, float]]()
            post.bot.refuse(*errors)
            await post.outbox.start()
            for number, (chat, lane, delay) in enumerate(items):
                await asyncio.sleep(delay)
                queued[str(number)] = (chat, lane, post.clock.passed)
                await post.outbox.put(send(str(number), chat, lane))
            await post.quiet()
            await post.outbox.close()
            return post, queued

        with asyncio.Runner(loop_factory=MovedTimeLoop) as runner:
            post, queued = runner.run(story())
        for chat in (AIDA, BEN):
            texts = post.bot.texts(chat)
            assert sorted(texts) == sorted(text for text, (to, _, _) in queued.items() if to == chat)
            for lane in (ANSWER, NOTICE):
                own = [text for text in texts if queued[text][1] == lane]
                assert own == sorted(own, key=int)
            times = post.bot.times(chat)
            arrived = [call for call in post.bot.calls if call.chat_id == chat]
            for position, text in enumerate(texts):
                tried = max(call.at for call in arrived if call.about == text)
                if queued[text][1] == NOTICE:
                    late = [t for t in texts[position + 1 :] if queued[t][1] == ANSWER and queued[t][2] < tried - 0.01]
                    assert late == []
            if not errors:
                assert all(b - a > 1 for a, b in pairwise(times))


class TestReactions:
    async def test_set(self, post: Post) -> None:
        """A reaction is no message: it needs no pause after one, and nothing is sent beside it."""
        await post.put(send("one"), Item(AIDA, "react", "\N{OK HAND SIGN}", message_id=7, fallback="accepted"))
        assert (post.bot.texts(AIDA), len(post.bot.times(AIDA, "react"))) == (["one"], 1)

    async def test_refused(self, post: Post) -> None:
        """If the message is gone, its text is sent instead."""
        post.bot.refuse(BadRequest("message to react not found"))
        await post.put(Item(AIDA, "react", "\N{OK HAND SIGN}", message_id=7, fallback="accepted"))
        assert post.bot.texts(AIDA) == ["accepted"]


class TestQuestions:
    @pytest.fixture
    def asked(self, post: Post) -> list[tuple[int, str, float]]:
        """Collect the questions whose delivery is reported."""
        found: list[tuple[int, str, float]] = []

        async def on_asked(person: int, question: str, waited: float) -> None:
            found.append((person, question, round(waited)))

        post.outbox.on_asked = on_asked
        return found

    async def test_delivered(self, post: Post, asked: list[tuple[int, str, float]]) -> None:
        """A question is reported once it was sent, with the seconds that it waited; other messages are not."""
        post.bot.refuse(RetryAfter(30))
        await post.put(Item(AIDA, "send", "where?", asks="place"), send("mark"))
        await asyncio.sleep(0.1)
        assert asked == [(AIDA, "place", 30)]

    @pytest.mark.parametrize("error", [BLOCKED, BadRequest("chat not found")])
    async def test_never(self, post: Post, asked: list[tuple[int, str, float]], error: Exception) -> None:
        """A question that Telegram refuses for good is reported as well: its time has an end."""
        post.bot.refuse(error)
        await post.put(Item(AIDA, "send", "where?", asks="place"))
        await asyncio.sleep(0.1)
        assert [question for _person, question, _waited in asked] == ["place"]

    async def test_after_a_restart(self, post: Post) -> None:
        """The next process reports what it sends."""
        await post.outbox.close()
        await post.outbox.put(Item(AIDA, "send", "where?", asks="place"))
        again, found = post.restarted(), []

        async def on_asked(_person: int, question: str, _waited: float) -> None:
            found.append(question)

        again.outbox.on_asked = on_asked
        await again.outbox.start()
        await again.quiet()
        await again.outbox.close()
        assert found == ["place"]

    async def test_results_before_the_rest(self, post: Post) -> None:
        """What nobody waits for comes after results, and results after questions."""
        lanes = [("later", LATER), ("result", NOTICE), ("question", ANSWER)]
        await post.put(*(send(text, lane=lane) for text, lane in lanes))
        assert post.bot.texts(AIDA) == ["question", "result", "later"]


class TestPhotos:
    """QR codes of links, with the text as the caption."""

    LINK = "https://t.me/a_bot?start=ABCD2345"
    PHOTO = Item(AIDA, "photo", "<code>ABCD2345</code>", qr=LINK)

    async def test_picture_is_made_when_it_is_sent(self, post: Post) -> None:
        """The QR code arrives with its text; the queue stores the link, not the picture."""
        await post.outbox.close()
        await post.outbox.put(self.PHOTO)
        row = post.queue.next(AIDA)
        assert row is not None
        assert row.payload["qr"] == self.LINK
        later = post.restarted()
        await later.outbox.start()
        await later.quiet()
        (message,) = later.bot.chats[AIDA]
        assert (message.text, message.photo) == ("<code>ABCD2345</code>", qr_picture(self.LINK))
        assert message.photo is not None
        assert message.photo.startswith(b"\x89PNG")
        await later.outbox.close()

    async def test_changed_in_its_slot(self, post: Post) -> None:
        """Amending replaces picture and text of the message in the slot; a text message becomes a picture."""
        other = "https://t.me/a_bot?start=OTHER234"
        for first in (Item(AIDA, "photo", "first", slot="code", qr=self.LINK), Item(AIDA, "send", "text", slot="code")):
            await post.put(first, Item(AIDA, "amend", "second", [[Button("Keep", "k")]], "code", NOTICE, qr=other))
            message = post.bot.chats[AIDA][-1]
            assert (message.text, message.photo) == ("second", qr_picture(other))
            assert message.buttons == (("Keep",),)
        assert len(post.bot.chats[AIDA]) == 2

    async def test_nothing_to_change(self, post: Post) -> None:
        """Amending does nothing if there is no message in the slot."""
        await post.put(Item(AIDA, "amend", "second", slot="code", qr=self.LINK))
        assert post.bot.chats.get(AIDA, []) == []

    async def test_tried_until_it_arrives(self, post: Post) -> None:
        """After network errors a picture arrives once, in its order among the messages."""
        post.bot.refuse(NetworkError("down"), TimedOut())
        await post.put(send("before"), Item(AIDA, "photo", "picture", qr=self.LINK, lane=NOTICE), send("after"))
        assert post.bot.texts(AIDA) == ["before", "picture", "after"]

    async def test_pace(self, post: Post) -> None:
        """Pictures count as messages: at most one per second in a chat."""
        await post.put(self.PHOTO, self.PHOTO, Item(AIDA, "send", "after"))
        times = [*post.bot.times(AIDA, "photo"), *post.bot.times(AIDA)]
        assert all(b - a > 1 for a, b in pairwise(times))

    async def test_without_the_picture(self, post: Post) -> None:
        """If Telegram refuses the picture, the text is sent without it."""
        post.bot.refuse(BadRequest("IMAGE_PROCESS_FAILED"))
        await post.put(self.PHOTO)
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.photo) == ("<code>ABCD2345</code>", None)

    async def test_unknown_chat(self, post: Post) -> None:
        """A picture to a chat that does not exist does not block the queue."""
        post.bot.refuse(BadRequest("Chat not found"), BadRequest("Chat not found"))
        await post.put(self.PHOTO)
        assert post.bot.chats == {}


class TestShipped:
    """Pictures that are part of the program, and captions."""

    ASK = Item(AIDA, "photo", "how", GO, slot="ask", file=f"{SHIPPED}how.png")

    async def test_uploaded_once(self, post: Post) -> None:
        """A shipped picture is uploaded once for all chats, then sent by its file_id."""
        for chat in (AIDA, BEN, AIDA):
            await post.put(replace(self.ASK, chat_id=chat))
        assert post.bot.uploads == 1
        assert [message.photo for chat in (AIDA, BEN) for message in post.bot.chats[chat]] == [b"how.png"] * 3

    async def test_unknown_file_id(self, post: Post) -> None:
        """If Telegram does not know the file_id any more, the picture is uploaded again."""
        await post.put(self.ASK)
        post.bot.pictures.clear()
        await post.put(replace(self.ASK, chat_id=BEN))
        assert post.bot.uploads == 2
        assert post.bot.chats[BEN][0].photo == b"how.png"

    async def test_caption(self, post: Post) -> None:
        """An edit with the file changes the caption in one call and keeps the picture."""
        await post.put(self.ASK, replace(self.ASK, action="edit", text="now", buttons=None))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons, message.photo) == ("now", (), b"how.png")
        assert [call.method for call in post.bot.calls] == ["photo", "caption"]

    @pytest.mark.parametrize("action", ["edit", "amend"])
    async def test_message_of_the_other_kind(self, post: Post, action: Action) -> None:
        """An edit of a picture changes a text message in the slot, and an edit of a text changes a caption."""
        await post.put(send("text", slot="ask"), replace(self.ASK, action=action, text="new"))
        assert post.bot.texts(AIDA) == ["new"]
        await post.put(replace(self.ASK, chat_id=BEN), Item(BEN, action, "new", slot="ask"))
        assert post.bot.texts(BEN) == ["new"]

    async def test_empty_slot(self, post: Post) -> None:
        """If there is no message to edit, the picture is sent with the text."""
        await post.put(replace(self.ASK, action="edit"))
        assert [(m.text, m.photo) for m in post.bot.chats[AIDA]] == [("how", b"how.png")]


class TestQuiet:
    async def test_silent(self, post: Post) -> None:
        """A quiet message does not ring, others do; also where an edit becomes a new message."""
        await post.put(send("rings"), Item(AIDA, "send", "quiet", slot="board", lane=NOTICE, quiet=True))
        post.bot.chats[AIDA].pop()
        await post.put(Item(AIDA, "edit", "again", slot="board", quiet=True))
        assert [(each.text, each.quiet) for each in post.bot.chats[AIDA]] == [("rings", None), ("again", True)]


class TestAlbums:
    """Several files in one message, with the text below them."""

    ALBUM = Item(AIDA, "album", "report", lane=NOTICE, files=("a.png", "b.csv", "c.xlsx"))

    def shown(self, post: Post) -> list[tuple[str, str]]:
        """Return name and caption of each document."""
        return [(each.document, each.text) for each in post.bot.chats[AIDA]]

    async def test_one_call(self, post: Post) -> None:
        """All files arrive with one call, the text below the last one."""
        await post.put(self.ALBUM)
        assert self.shown(post) == [("a.png", ""), ("b.csv", ""), ("c.xlsx", "report")]
        assert [call.method for call in post.bot.calls] == ["album"]

    async def test_pace(self, post: Post) -> None:
        """Each file counts as a message: the next message waits for all of them."""
        await post.put(self.ALBUM, send("next"))
        assert post.bot.times(AIDA, "album") == pytest.approx([0], abs=0.02)
        assert post.bot.times(AIDA) == pytest.approx([3 * BETWEEN_SENDS], abs=0.05)

    async def test_tried_until_it_arrives(self, post: Post) -> None:
        """After failures an album arrives once; twice, whole, only where the answer was lost."""
        post.bot.refuse(NetworkError("down"), TimedOut(), RetryAfter(3))
        await post.put(self.ALBUM)
        assert len(self.shown(post)) == 3
        post.bot.lose_answer(TimedOut())
        await post.put(self.ALBUM)
        assert len(self.shown(post)) == 9

    async def test_after_a_restart(self, post: Post) -> None:
        """An album that was not sent is sent whole after a restart."""
        post.bot.refuse(*([NetworkError("down")] * 100))
        await post.outbox.put(self.ALBUM)
        await asyncio.sleep(20)
        await post.outbox.close()
        after = post.restarted()
        await after.outbox.start()
        await after.quiet()
        assert [name for name, _text in self.shown(after)] == ["a.png", "b.csv", "c.xlsx"]
        await after.outbox.close()

    async def test_missing_files(self, post: Post) -> None:
        """Files that do not exist any more are left out; the text arrives, also without any file."""
        for missing in (("a.png",), ("a.png", "b.csv"), ("a.png", "b.csv", "c.xlsx")):
            post.missing = set(missing)
            await post.put(self.ALBUM)
        assert self.shown(post) == [("b.csv", ""), ("c.xlsx", "report"), ("c.xlsx", "report"), ("", "report")]

    async def test_refused(self, post: Post) -> None:
        """If Telegram refuses the files, the text is sent without them."""
        post.bot.refuse(BadRequest("File must be non-empty"))
        await post.put(self.ALBUM)
        assert self.shown(post) == [("", "report")]

    async def test_document_of_an_earlier_version(self, post: Post) -> None:
        """A single document that an earlier version queued is sent."""
        await post.put(Item(AIDA, "document", file="b.csv", lane=NOTICE))
        assert self.shown(post) == [("b.csv", "")]


class TestLivingQr:
    """A QR code whose caption changes."""

    LINK = "https://t.me/a_bot?start=482913"
    BOARD = Item(AIDA, "photo", "1", GO, "board", NOTICE, qr=LINK)

    async def test_uploaded_once(self, post: Post) -> None:
        """The picture is uploaded again only if its link changes; other edits change the caption, in one call."""
        await post.put(self.BOARD, replace(self.BOARD, action="edit", text="2"))
        other = replace(self.BOARD, action="edit", qr=f"{self.LINK}0")
        await post.put(replace(other, text="3"), replace(other, text="4"), replace(other, text="5", qr=None, file=""))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.photo) == ("5", qr_picture(f"{self.LINK}0"))
        assert [call.method for call in post.bot.calls] == ["photo", "caption", "edit", "caption", "caption"]

    async def test_after_a_restart(self, post: Post) -> None:
        """After a restart one edit uploads the picture again, the next ones change the caption."""
        await post.put(self.BOARD)
        await post.outbox.close()
        after = post.restarted()
        await after.outbox.start()
        await after.put(*(replace(self.BOARD, action="edit", text=text) for text in "23"))
        assert [call.method for call in after.bot.calls] == ["edit", "caption"]
        await after.outbox.close()

    async def test_deleted(self, post: Post) -> None:
        """A deleted picture is sent anew with its text; without a link the text alone, and then edited as a text."""
        await post.put(self.BOARD)
        post.bot.forget(AIDA)
        await post.put(replace(self.BOARD, action="edit", text="2"))
        assert [(each.text, each.photo) for each in post.bot.chats[AIDA]] == [("2", qr_picture(self.LINK))]
        post.bot.forget(AIDA)
        plain = replace(self.BOARD, action="edit", qr=None)
        await post.put(*(replace(plain, text=text) for text in "345"))
        assert [(each.text, each.photo) for each in post.bot.chats[AIDA]] == [("5", None)]
        assert [call.method for call in post.bot.calls][-2:] == ["edit", "edit"]


class TestFailures:
    async def test_network(self, post: Post) -> None:
        """While Telegram does not answer, the pauses grow to one minute; then the message arrives once."""
        post.bot.refuse(*([NetworkError("down"), TimedOut()] * 5))
        await post.put(send("hello"))
        times = post.bot.times(AIDA)
        gaps = [after - before for before, after in pairwise(times)]
        assert gaps == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60, 60], abs=0.1)
        assert post.bot.texts(AIDA) == ["hello"]

    async def test_days_without_network(self, post: Post) -> None:
        """A message arrives even after two days without Telegram."""
        post.bot.refuse(*([NetworkError("down")] * 3000))
        await post.outbox.put(send("hello"))
        await asyncio.sleep(3000 * 60 + 100)
        assert post.bot.texts(AIDA) == ["hello"]

    async def test_pauses_restart_after_success(self, post: Post) -> None:
        """After a success the next failure begins with a short pause again."""
        post.bot.refuse(*([NetworkError("down")] * 4))
        await post.put(send("one"))
        before = post.clock.passed
        post.bot.refuse(NetworkError("down"))
        await post.put(send("two"))
        assert post.clock.passed - before < 3

    async def test_lost_answer(self, post: Post) -> None:
        """If Telegram's answer was lost, a new message may arrive twice, but not an edit or a deletion."""
        post.bot.lose_answer(TimedOut())
        await post.put(send("hello", slot="menu"))
        assert post.bot.texts(AIDA) == ["hello", "hello"]
        post.bot.lose_answer(TimedOut())
        await post.put(Item(AIDA, "edit", "changed", slot="menu"))
        assert post.bot.texts(AIDA) == ["hello", "changed"]
        post.bot.lose_answer(TimedOut())
        assert await post.outbox.delete(AIDA, 1, within=60)
        assert post.bot.texts(AIDA) == ["changed"]

    async def test_too_many_requests(self, post: Post) -> None:
        """After a 429 the chat waits for ``retry_after``, and other chats do not wait."""
        post.bot.refuse(RetryAfter(7))
        await post.put(send("to Aida"), send("to Ben", BEN))
        assert post.bot.times(AIDA) == pytest.approx([0, 7], abs=0.05)
        assert post.bot.times(BEN) == pytest.approx([0], abs=0.05)
        assert (post.bot.texts(AIDA), post.bot.texts(BEN)) == (["to Aida"], ["to Ben"])

    async def test_too_many_deletions(self, post: Post) -> None:
        """After a 429 a deletion waits for ``retry_after``, even that of a typed password."""
        await post.put(send("a password"))
        post.bot.refuse(RetryAfter(7))
        assert await post.outbox.delete(AIDA, 1, within=60) is True
        first, second = post.bot.times(AIDA, "delete")
        assert second - first == pytest.approx(7, abs=0.05)

    async def test_blocked_bot(self, post: Post) -> None:
        """If a person has blocked the bot, the rest is dropped and they are reported once; others get theirs."""
        post.bot.refuse(BLOCKED)
        await post.put(send("one"), send("two"), send("to Ben", BEN))
        assert len(post.bot.times(AIDA)) == 1
        assert (post.lost, People(post.database, "marker").unreachable()) == ([AIDA], {AIDA})
        assert post.bot.texts(BEN) == ["to Ben"]

    async def test_unblocked_bot(self, post: Post) -> None:
        """A message queued after a block is sent, since the person may have unblocked the bot."""
        post.bot.refuse(BLOCKED)
        await post.put(send("one"))
        await post.put(send("two"))
        assert post.bot.texts(AIDA) == ["two"]

    async def test_listener_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        """An error of ``on_unreachable`` is logged, and later messages to the chat are sent."""

        async def fail(_person: int) -> None:
            raise ZeroDivisionError

        post = Post(moved_time())
        outbox = Outbox(post.bot.as_bot, post.database, "marker", fail, post.clock)
        await outbox.start()
        post.bot.refuse(BLOCKED)
        await outbox.put(send("one"))
        await post.quiet()
        await outbox.put(send("two"))
        await post.quiet()
        assert post.bot.texts(AIDA) == ["two"]
        assert "outgoing: chat 501 stopped" in caplog.text
        await outbox.close()

    async def test_refused_permanently(self, post: Post, caplog: pytest.LogCaptureFixture) -> None:
        """A message with a permanent error is not repeated, delays nothing, and is not quoted in the log."""
        caplog.set_level("INFO")
        post.bot.refuse(BadRequest("Can't parse entities"))
        await post.put(send("what a person may read"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]
        assert "Can't parse entities" in caplog.text
        assert "what a person may read" not in caplog.text


class TestEditing:
    async def test_changes_the_message(self, post: Post) -> None:
        """An edit changes text and buttons of the message in the slot and sends no new one."""
        await post.put(send("menu", slot="menu"), Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons) == ("menu 2", (("Go",),))

    async def test_nothing_in_the_slot(self, post: Post) -> None:
        """If the slot is empty, an edit sends a message, and the next edit changes it."""
        await post.put(Item(AIDA, "edit", "one", slot="menu"), Item(AIDA, "edit", "two", slot="menu"))
        assert post.bot.texts(AIDA) == ["two"]

    async def test_not_modified(self, post: Post) -> None:
        """An edit that changes nothing counts as done and sends no new message."""
        await post.put(send("menu", slot="menu"), Item(AIDA, "edit", "menu", slot="menu"))
        assert post.bot.texts(AIDA) == ["menu"]
        assert len(post.bot.times(AIDA, "edit")) == 1

    async def test_lost_message(self, post: Post) -> None:
        """If the person has deleted the message, an edit sends a new one, and later edits change that one."""
        await post.put(send("menu", slot="menu"))
        post.bot.forget(AIDA)
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu 2"]
        await post.put(Item(AIDA, "edit", "menu 3", slot="menu"))
        assert post.bot.texts(AIDA) == ["menu 3"]

    @pytest.mark.parametrize("error", ["Message to edit not found", "Message can't be edited"])
    async def test_resent_at_most_three_times(self, post: Post, error: str) -> None:
        """A notice that can never be edited is sent anew three times in ten minutes, an answer to a tap always."""
        await post.put(send("board", slot="board"))
        for number in range(9):
            post.bot.refuse(BadRequest(error))
            await post.put(Item(AIDA, "edit", f"board {number}", slot="board", lane=NOTICE))
        assert len(post.bot.texts(AIDA)) == 4
        post.bot.refuse(BadRequest(error))
        await post.put(Item(AIDA, "edit", "answer", slot="board"))
        assert post.bot.texts(AIDA)[4:] == ["answer"]
        await asyncio.sleep(601)
        post.bot.refuse(BadRequest(error))
        await post.put(Item(AIDA, "edit", "later", slot="board", lane=NOTICE))
        assert post.bot.texts(AIDA)[5:] == ["later"]

    async def test_resent_message_is_paced(self, post: Post) -> None:
        """An edit that becomes a new message obeys the limit of one per second."""
        await post.put(send("menu", slot="menu"))
        post.bot.forget(AIDA)
        await post.put(send("notice"), Item(AIDA, "edit", "menu 2", slot="menu", lane=NOTICE))
        times = post.bot.times(AIDA)
        assert len(times) == 3
        assert all(after - before >= 1 for before, after in pairwise(times))

    async def test_tapped_message(self, post: Post) -> None:
        """After a tap on an older message puts it into the slot, edits change that message."""
        await post.put(send("old menu", slot="menu"), send("new menu", slot="menu"))
        await post.outbox.fill(AIDA, "menu", 1)
        await post.put(Item(AIDA, "edit", "tapped", slot="menu"))
        assert post.bot.texts(AIDA) == ["tapped", "new menu"]

    async def test_amend(self, post: Post) -> None:
        """Amending changes the message in the slot and does nothing if there is none or it was deleted."""
        await post.put(Item(AIDA, "amend", "nothing to amend", slot="offer:1"))
        await post.put(send("offer", slot="offer:1"), Item(AIDA, "amend", "over", slot="offer:1"))
        assert post.bot.texts(AIDA) == ["over"]
        post.bot.forget(AIDA)
        await post.put(Item(AIDA, "amend", "over again", slot="offer:1"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]


class TestStripping:
    async def test_buttons_are_removed(self, post: Post) -> None:
        """Stripping removes the message's buttons and clears the slot, so the next edit sends a new message."""
        await post.put(Item(AIDA, "send", "menu", GO, slot="menu"), Item(AIDA, "strip", slot="menu"))
        assert [message.buttons for message in post.bot.chats[AIDA]] == [()]
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu", "menu 2"]

    @pytest.mark.parametrize("case", ["never there", "deleted"])
    async def test_nothing_to_strip(self, post: Post, case: str) -> None:
        """Stripping without a message does nothing and delays nothing."""
        if case == "deleted":
            await post.put(Item(AIDA, "send", "menu", GO, slot="menu"))
            post.bot.forget(AIDA)
        await post.put(Item(AIDA, "strip", slot="menu"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]

    async def test_answer_is_lost(self, post: Post) -> None:
        """A strip whose answer was lost clears the slot as well."""
        await post.put(Item(AIDA, "send", "menu", GO, slot="menu"))
        post.bot.lose_answer(TimedOut())
        await post.put(Item(AIDA, "strip", slot="menu"))
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu", "menu 2"]


class TestDeleting:
    """Typed passwords are deleted this way, so the outcome must be known."""

    async def test_slot(self, post: Post) -> None:
        """Deleting a slot waits for the message that fills it, also after network errors, then clears the slot."""
        await post.put(send("before"))
        post.bot.refuse(NetworkError("down"), TimedOut())
        await post.put(send("shown", slot="place"), Item(AIDA, "delete", slot="place", lane=NOTICE))
        assert post.bot.texts(AIDA) == ["before"]
        await post.put(Item(AIDA, "delete", slot="place"), Item(AIDA, "amend", "nothing there", slot="place"))
        assert post.bot.texts(AIDA) == ["before"]

    async def test_too_old(self, post: Post) -> None:
        """Of a screen that is too old to be deleted the buttons go, and the next one is a new message."""
        await post.put(Item(AIDA, "send", "menu", GO, slot="menu"))
        post.bot.undeletable.add(post.bot.chats[AIDA][0].message_id)
        await post.put(Item(AIDA, "delete", slot="menu"), Item(AIDA, "edit", "next", GO, slot="menu"))
        assert [(each.text, bool(each.buttons)) for each in post.bot.chats[AIDA]] == [("menu", False), ("next", True)]

    async def test_deleted(self, post: Post) -> None:
        """The result is True for a deleted message, and for one that did not exist any more."""
        await post.put(send("a password"))
        assert await post.outbox.delete(AIDA, 1, within=5) is True
        assert post.bot.texts(AIDA) == []
        assert await post.outbox.delete(AIDA, 1, within=5) is True

    async def test_refused(self, post: Post) -> None:
        """If Telegram refuses a deletion, the result is False, and it is not repeated."""
        await post.put(send("a password"))
        post.bot.undeletable.add(1)
        assert await post.outbox.delete(AIDA, 1, within=5) is False
        await asyncio.sleep(100)
        assert len(post.bot.times(AIDA, "delete")) == 1

    async def test_not_known_in_time(self, post: Post) -> None:
        """While Telegram does not answer, the result is None, and the deletion is repeated until it is done."""
        await post.put(send("a password"))
        post.bot.refuse(*([NetworkError("down")] * 4))
        before = post.clock.passed
        assert await post.outbox.delete(AIDA, 1, within=5) is None
        assert post.clock.passed - before == pytest.approx(5, abs=0.01)
        await post.quiet()
        assert post.bot.texts(AIDA) == []

    async def test_after_a_restart(self, post: Post) -> None:
        """A pending deletion is carried out after a restart."""
        await post.put(send("a password"))
        post.bot.refuse(*([NetworkError("down")] * 100))
        assert await post.outbox.delete(AIDA, 1, within=5) is None
        await post.outbox.close()
        after = post.restarted()
        await after.outbox.start()
        await after.quiet()
        assert after.bot.texts(AIDA) == []
        await after.outbox.close()


class TestQueueing:
    async def test_called_off(self, post: Post) -> None:
        """If ``when`` returns False, nothing is queued or sent."""
        assert not await post.outbox.put(send("hello"), when=lambda: False)
        assert post.queue.chats() == []
        await asyncio.sleep(10)
        assert post.bot.calls == []

    async def test_one_transaction(self, post: Post) -> None:
        """What ``when`` writes and the queued items are committed together or not at all."""
        people, languages = People(post.database, "marker"), iter(("kk", "ru"))

        def claim() -> bool:
            people.set_language(AIDA, next(languages))
            return True

        def fail() -> bool:
            people.set_language(AIDA, "en")
            raise ZeroDivisionError

        assert await post.outbox.put(send("hello"), when=claim)
        with pytest.raises(ZeroDivisionError):
            await post.outbox.put(send("again"), when=fail)
        unwritable = Item(AIDA, "send", "x", [[Button("x", data=object())]])  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await post.outbox.put(send("again"), unwritable, when=claim)
        await post.quiet()
        assert people.languages() == {AIDA: "kk"}
        assert post.bot.texts(AIDA) == ["hello"]

    async def test_before_the_start(self) -> None:
        """Items queued before the start are sent after it."""
        post = Post(moved_time())
        await post.outbox.put(send("early"))
        await asyncio.sleep(10)
        assert post.bot.calls == []
        await post.outbox.start()
        await post.quiet()
        assert post.bot.texts(AIDA) == ["early"]
        await post.outbox.close()

    async def test_restart(self, tmp_path: Path) -> None:
        """Unsent items are sent after a restart, in the same order, answers first."""
        post = Post(moved_time(), Database(tmp_path / "ledger.sqlite3", [SCHEMA]))
        await post.outbox.start()
        post.bot.refuse(*([NetworkError("down")] * 100))
        await post.outbox.put(send("notice 1"), send("notice 2"), send("answer", lane=ANSWER), send("to Ben", BEN))
        await asyncio.sleep(20)
        await post.outbox.close()
        post.database.close()
        after = Post(post.clock, Database(tmp_path / "ledger.sqlite3", [SCHEMA]))
        await after.outbox.start()
        await after.quiet()
        assert after.bot.texts(AIDA) == ["answer", "notice 1", "notice 2"]
        assert after.bot.texts(BEN) == ["to Ben"]
        await after.outbox.close()
        after.database.close()


class TestClosing:
    async def test_current_call_is_finished(self, post: Post) -> None:
        """The current call is finished when the outbox closes; waiting items are kept."""
        post.bot.takes = 3
        await post.outbox.put(send("one"), send("two"))
        await asyncio.sleep(1)
        await post.outbox.close()
        assert post.bot.texts(AIDA) == ["one"]
        row = post.queue.next(AIDA)
        assert row is not None
        assert row.payload["text"] == "two"

    async def test_hung_call(self, post: Post) -> None:
        """A hanging call delays closing by a few seconds only, and its message is kept for the next start."""
        post.bot.takes = 3600
        await post.outbox.put(send("one"))
        await asyncio.sleep(1)
        before = post.clock.passed
        await post.outbox.close()
        assert post.clock.passed - before <= 6
        assert post.queue.chats() == [AIDA]

    @pytest.mark.parametrize("error", [NetworkError("down"), RetryAfter(300)])
    async def test_while_waiting(self, post: Post, error: Exception) -> None:
        """Closing ends a pause after a failure."""
        post.bot.refuse(*([error] * 9))
        await post.outbox.put(send("one"))
        await asyncio.sleep(100)
        before = post.clock.passed
        await post.outbox.close()
        assert post.clock.passed - before < 0.1
        assert post.queue.chats() == [AIDA]

    async def test_afterwards(self, post: Post) -> None:
        """Items queued after closing are kept for the next start."""
        await post.outbox.close()
        await post.outbox.put(send("late"))
        await asyncio.sleep(10)
        assert post.bot.calls == []
        assert post.queue.chats() == [AIDA]
