"""The outbox: everything arrives once, in order, at Telegram's pace, through failures and restarts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TimedOut

from core.sqlite import Database
from telegram_app.files import SHIPPED
from telegram_app.outbox import ANSWER, BETWEEN_SENDS, NOTICE, Button, Item, Outbox
from telegram_app.outbox_table import Action, Outgoing
from telegram_app.people import People
from telegram_app.qr import qr_picture
from tests.fakes import FakeBot, FakeClock, MovedTimeLoop, moved_time

pytestmark = [pytest.mark.unit, pytest.mark.moved_time]

AIDA, BEN = 501, 502
GO = [[Button("Go", "go")]]
BLOCKED = Forbidden("Forbidden: bot was blocked by the user")


class Post:
    """A bot, its ledger and its outbox."""

    def __init__(self, clock: FakeClock, database: Database | None = None) -> None:
        self.clock = clock
        self.bot = FakeBot(clock)
        self.database = database or Database(":memory:")
        self.queue = Outgoing(self.database, "marker")
        self.lost: list[int] = []
        self.sent: list[str] = []
        self.outbox = Outbox(
            self.bot.as_bot, self.database, "marker", self._lose, clock, make_file=self._make, on_sent=self._on_sent
        )

    async def _make(self, reference: str) -> tuple[str, bytes]:
        name = reference.removeprefix(SHIPPED)
        return name, name.encode()

    async def _on_sent(self, reference: str) -> None:
        self.sent.append(reference)

    async def _lose(self, person: int) -> None:
        self.lost.append(person)

    async def quiet(self) -> None:
        """Let time pass until nothing waits in the queue."""
        while self.queue.chats():  # noqa: ASYNC110  # in moved time; the condition is in the database
            await asyncio.sleep(0.05)

    async def put(self, *items: Item) -> None:
        """Queue items and wait until they have left the queue."""
        await self.outbox.put(*items)
        await self.quiet()

    def restarted(self) -> "Post":
        """Return what a new process finds: another outbox, the same ledger and the same chats."""
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
        """A message arrives with its text and its buttons."""
        await post.put(Item(AIDA, "send", "<b>Hello</b>", [[Button("Go", "go"), Button("Site", url="https://a.b")]]))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons) == ("<b>Hello</b>", (("Go", "Site"),))

    async def test_seconds(self, post: Post) -> None:
        """How long each call took is kept, of the newest ones."""
        await post.put(send("one"), send("two"))
        assert len(post.outbox.seconds) == 2
        assert post.outbox.seconds.maxlen == 500

    async def test_order(self, post: Post) -> None:
        """Messages arrive in the order in which they were queued."""
        await post.put(*(send(str(number)) for number in range(5)))
        assert post.bot.texts(AIDA) == ["0", "1", "2", "3", "4"]

    async def test_answer_overtakes_waiting_notices(self, post: Post) -> None:
        """The answer to a tap goes ahead of notices that still wait for their turn."""
        await post.outbox.put(*(send(f"notice {number}") for number in range(3)))
        await asyncio.sleep(0.5)
        await post.put(send("answer", lane=ANSWER))
        assert post.bot.texts(AIDA) == ["notice 0", "answer", "notice 1", "notice 2"]
        assert post.bot.times(AIDA)[1] == pytest.approx(BETWEEN_SENDS, abs=0.01)

    async def test_edit_overtakes_no_message_of_its_slot(self, post: Post) -> None:
        """What edits a place on the screen waits for the message that fills it, also as an answer."""
        await post.put(
            send("notice"), send("offer", slot="offer:1"), Item(AIDA, "edit", "over", slot="offer:1", lane=ANSWER)
        )
        assert sorted(post.bot.texts(AIDA)) == ["notice", "over"]

    async def test_pace(self, post: Post) -> None:
        """A chat gets no more than a message a second; other chats do not wait for it."""
        await post.put(*(send(str(number), chat) for number in range(4) for chat in (AIDA, BEN)))
        for chat in (AIDA, BEN):
            assert post.bot.times(chat) == pytest.approx([n * BETWEEN_SENDS for n in range(4)], abs=0.02)

    async def test_edits_need_no_pace(self, post: Post) -> None:
        """Edits and deletions do not wait for their turn as new messages do."""
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
        """Whatever comes when, and whatever fails: nothing lost, nothing doubled, FIFO, answers first, paced."""

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


class TestPhotos:
    """A link as a QR picture, with the text as its caption."""

    LINK = "https://t.me/a_bot?start=ABCD2345"
    PHOTO = Item(AIDA, "photo", "<code>ABCD2345</code>", qr=LINK)

    async def test_drawn_when_its_turn_comes(self, post: Post) -> None:
        """The picture of the link arrives with its text, and the queue keeps the link, not the picture."""
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

    async def test_changed_in_its_place(self, post: Post) -> None:
        """An amended picture is another one with another text in the same message; a text there becomes a picture."""
        other = "https://t.me/a_bot?start=OTHER234"
        for first in (Item(AIDA, "photo", "first", slot="code", qr=self.LINK), Item(AIDA, "send", "text", slot="code")):
            await post.put(first, Item(AIDA, "amend", "second", [[Button("Keep", "k")]], "code", NOTICE, qr=other))
            message = post.bot.chats[AIDA][-1]
            assert (message.text, message.photo) == ("second", qr_picture(other))
            assert message.buttons == (("Keep",),)
        assert len(post.bot.chats[AIDA]) == 2

    async def test_nothing_to_change(self, post: Post) -> None:
        """Where no message is in the slot an amended picture is none."""
        await post.put(Item(AIDA, "amend", "second", slot="code", qr=self.LINK))
        assert post.bot.chats.get(AIDA, []) == []

    async def test_tried_until_it_arrives(self, post: Post) -> None:
        """A picture is sent again after trouble, once in all, and keeps its place among the messages."""
        post.bot.refuse(NetworkError("down"), TimedOut())
        await post.put(send("before"), Item(AIDA, "photo", "picture", qr=self.LINK, lane=NOTICE), send("after"))
        assert post.bot.texts(AIDA) == ["before", "picture", "after"]

    async def test_pace(self, post: Post) -> None:
        """Pictures are messages: one a second in a chat."""
        await post.put(self.PHOTO, self.PHOTO, Item(AIDA, "send", "after"))
        times = [*post.bot.times(AIDA, "photo"), *post.bot.times(AIDA)]
        assert all(b - a > 1 for a, b in pairwise(times))

    async def test_without_the_picture(self, post: Post) -> None:
        """Where Telegram does not take the picture, the text comes without it."""
        post.bot.refuse(BadRequest("IMAGE_PROCESS_FAILED"))
        await post.put(self.PHOTO)
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.photo) == ("<code>ABCD2345</code>", None)

    async def test_nobody_there(self, post: Post) -> None:
        """Where Telegram knows no such chat, a picture does not block the queue."""
        post.bot.refuse(BadRequest("Chat not found"), BadRequest("Chat not found"))
        await post.put(self.PHOTO)
        assert post.bot.chats == {}


class TestShipped:
    """Pictures that come with the program, and the captions of messages that have one."""

    ASK = Item(AIDA, "photo", "how", GO, slot="ask", file=f"{SHIPPED}how.png")

    async def test_uploaded_once(self, post: Post) -> None:
        """Telegram gets such a picture once, whoever it is sent to, and by its number from then on."""
        for chat in (AIDA, BEN, AIDA):
            await post.put(replace(self.ASK, chat_id=chat))
        assert post.bot.uploads == 1
        assert [message.photo for chat in (AIDA, BEN) for message in post.bot.chats[chat]] == [b"how.png"] * 3

    async def test_forgotten_by_telegram(self, post: Post) -> None:
        """Where Telegram does not know the number any more, the picture is uploaded again."""
        await post.put(self.ASK)
        post.bot.pictures.clear()
        await post.put(replace(self.ASK, chat_id=BEN))
        assert post.bot.uploads == 2
        assert post.bot.chats[BEN][0].photo == b"how.png"

    async def test_caption(self, post: Post) -> None:
        """An edit that names the file changes the caption in one call, and leaves the picture."""
        await post.put(self.ASK, replace(self.ASK, action="edit", text="now", buttons=None))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons, message.photo) == ("now", (), b"how.png")
        assert [call.method for call in post.bot.calls] == ["photo", "caption"]

    @pytest.mark.parametrize("action", ["edit", "amend"])
    async def test_the_other_kind(self, post: Post, action: Action) -> None:
        """Where a text stands in the place of the picture, or a picture in that of a text, it is changed as well."""
        await post.put(send("text", slot="ask"), replace(self.ASK, action=action, text="new"))
        assert post.bot.texts(AIDA) == ["new"]
        await post.put(replace(self.ASK, chat_id=BEN), Item(BEN, action, "new", slot="ask"))
        assert post.bot.texts(BEN) == ["new"]

    async def test_nothing_there(self, post: Post) -> None:
        """Where there is nothing to edit, the picture is sent with the text."""
        await post.put(replace(self.ASK, action="edit"))
        assert [(m.text, m.photo) for m in post.bot.chats[AIDA]] == [("how", b"how.png")]

    async def test_sent(self, post: Post) -> None:
        """Of a file that is not shipped it is said that Telegram has it, once it has, and not before."""
        post.bot.refuse(NetworkError("down"))
        await post.outbox.put(replace(self.ASK, file="once.jpg"))
        await asyncio.sleep(0.5)
        assert post.sent == []
        await post.quiet()
        assert post.sent == ["once.jpg"]


class TestFailures:
    async def test_network(self, post: Post) -> None:
        """While Telegram does not answer, the pauses grow up to a minute; then the message arrives, once."""
        post.bot.refuse(*([NetworkError("down"), TimedOut()] * 5))
        await post.put(send("hello"))
        times = post.bot.times(AIDA)
        gaps = [after - before for before, after in pairwise(times)]
        assert gaps == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60, 60], abs=0.1)
        assert post.bot.texts(AIDA) == ["hello"]

    async def test_days_without_network(self, post: Post) -> None:
        """Two days without Telegram are waited out, and the message still arrives."""
        post.bot.refuse(*([NetworkError("down")] * 3000))
        await post.outbox.put(send("hello"))
        await asyncio.sleep(3000 * 60 + 100)
        assert post.bot.texts(AIDA) == ["hello"]

    async def test_pauses_begin_anew(self, post: Post) -> None:
        """After a success the next failure costs a short pause again."""
        post.bot.refuse(*([NetworkError("down")] * 4))
        await post.put(send("one"))
        before = post.clock.passed
        post.bot.refuse(NetworkError("down"))
        await post.put(send("two"))
        assert post.clock.passed - before < 3

    async def test_lost_answer(self, post: Post) -> None:
        """Only a message whose answer was lost may come twice; an edit or a deletion is done once all the same."""
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
        """After a 429 the chat waits as long as Telegram says, and other chats do not."""
        post.bot.refuse(RetryAfter(7))
        await post.put(send("to Aida"), send("to Ben", BEN))
        assert post.bot.times(AIDA) == pytest.approx([0, 7], abs=0.05)
        assert post.bot.times(BEN) == pytest.approx([0], abs=0.05)
        assert (post.bot.texts(AIDA), post.bot.texts(BEN)) == (["to Aida"], ["to Ben"])

    async def test_deletion_refused(self, post: Post) -> None:
        """A deletion that got a 429 waits as long as Telegram says, a typed password's too."""
        await post.put(send("a password"))
        post.bot.refuse(RetryAfter(7))
        assert await post.outbox.delete(AIDA, 1, within=60) is True
        first, second = post.bot.times(AIDA, "delete")
        assert second - first == pytest.approx(7, abs=0.05)

    async def test_blocked_bot(self, post: Post) -> None:
        """A person who has blocked the bot: the rest is dropped, they are noted and told of once; others get theirs."""
        post.bot.refuse(BLOCKED)
        await post.put(send("one"), send("two"), send("to Ben", BEN))
        assert len(post.bot.times(AIDA)) == 1
        assert (post.lost, People(post.database).unreachable()) == ([AIDA], {AIDA})
        assert post.bot.texts(BEN) == ["to Ben"]

    async def test_unblocked_bot(self, post: Post) -> None:
        """What is queued after a block is tried again: the person may be back."""
        post.bot.refuse(BLOCKED)
        await post.put(send("one"))
        await post.put(send("two"))
        assert post.bot.texts(AIDA) == ["two"]

    async def test_listener_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        """Where hearing of a block fails, the log has it and the chat is served again later."""

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

    async def test_refused_for_good(self, post: Post, caplog: pytest.LogCaptureFixture) -> None:
        """What Telegram refuses as such is not tried again and holds nothing up; the log does not quote it."""
        caplog.set_level("INFO")
        post.bot.refuse(BadRequest("Can't parse entities"))
        await post.put(send("what a person may read"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]
        assert "Can't parse entities" in caplog.text
        assert "what a person may read" not in caplog.text


class TestEditing:
    async def test_changes_the_message(self, post: Post) -> None:
        """An edit changes text and buttons of the message that fills the slot; nothing new rings."""
        await post.put(send("menu", slot="menu"), Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        (message,) = post.bot.chats[AIDA]
        assert (message.text, message.buttons) == ("menu 2", (("Go",),))

    async def test_nothing_in_the_slot(self, post: Post) -> None:
        """Where the slot is empty an edit sends, and the next one edits that."""
        await post.put(Item(AIDA, "edit", "one", slot="menu"), Item(AIDA, "edit", "two", slot="menu"))
        assert post.bot.texts(AIDA) == ["two"]

    async def test_not_modified(self, post: Post) -> None:
        """An edit that changes nothing is done, and sends nothing anew."""
        await post.put(send("menu", slot="menu"), Item(AIDA, "edit", "menu", slot="menu"))
        assert post.bot.texts(AIDA) == ["menu"]
        assert len(post.bot.times(AIDA, "edit")) == 1

    async def test_lost_message(self, post: Post) -> None:
        """Where the person has deleted the message it is sent anew, and that one is edited from then on."""
        await post.put(send("menu", slot="menu"))
        post.bot.forget(AIDA)
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu 2"]
        await post.put(Item(AIDA, "edit", "menu 3", slot="menu"))
        assert post.bot.texts(AIDA) == ["menu 3"]

    async def test_sent_anew_at_the_pace(self, post: Post) -> None:
        """An edit that has to be sent keeps the pace of new messages."""
        await post.put(send("menu", slot="menu"))
        post.bot.forget(AIDA)
        await post.put(send("notice"), Item(AIDA, "edit", "menu 2", slot="menu", lane=NOTICE))
        times = post.bot.times(AIDA)
        assert len(times) == 3
        assert all(after - before >= 1 for before, after in pairwise(times))

    async def test_tapped_message(self, post: Post) -> None:
        """A message that was filled in as the slot's, since its button was tapped, is what the edit changes."""
        await post.put(send("old menu", slot="menu"), send("new menu", slot="menu"))
        await post.outbox.fill(AIDA, "menu", 1)
        await post.put(Item(AIDA, "edit", "tapped", slot="menu"))
        assert post.bot.texts(AIDA) == ["tapped", "new menu"]

    async def test_amend(self, post: Post) -> None:
        """An amendment changes the message in the slot, and where there is none, or no more, does nothing."""
        await post.put(Item(AIDA, "amend", "nothing to amend", slot="offer:1"))
        await post.put(send("offer", slot="offer:1"), Item(AIDA, "amend", "over", slot="offer:1"))
        assert post.bot.texts(AIDA) == ["over"]
        post.bot.forget(AIDA)
        await post.put(Item(AIDA, "amend", "over again", slot="offer:1"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]


class TestStripping:
    async def test_buttons_go(self, post: Post) -> None:
        """Stripping takes the buttons off the message and lets the slot go: the next edit sends anew."""
        await post.put(Item(AIDA, "send", "menu", GO, slot="menu"), Item(AIDA, "strip", slot="menu"))
        assert [message.buttons for message in post.bot.chats[AIDA]] == [()]
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu", "menu 2"]

    @pytest.mark.parametrize("happened", ["never there", "deleted"])
    async def test_nothing_to_strip(self, post: Post, happened: str) -> None:
        """Without a message to strip nothing happens and nothing is held up."""
        if happened == "deleted":
            await post.put(Item(AIDA, "send", "menu", GO, slot="menu"))
            post.bot.forget(AIDA)
        await post.put(Item(AIDA, "strip", slot="menu"), send("next"))
        assert post.bot.texts(AIDA) == ["next"]

    async def test_answer_is_lost(self, post: Post) -> None:
        """A strip that was done though its answer was lost has let the slot go as well."""
        await post.put(Item(AIDA, "send", "menu", GO, slot="menu"))
        post.bot.lose_answer(TimedOut())
        await post.put(Item(AIDA, "strip", slot="menu"))
        await post.put(Item(AIDA, "edit", "menu 2", GO, slot="menu"))
        assert post.bot.texts(AIDA) == ["menu", "menu 2"]


class TestDeleting:
    """Typed passwords are deleted this way, so the outcome has to be known."""

    async def test_what_is_in_a_place(self, post: Post) -> None:
        """A place on the screen is emptied, after what was to fill it has come, also over trouble; then it is free."""
        await post.put(send("before"))
        post.bot.refuse(NetworkError("down"), TimedOut())
        await post.put(send("shown", slot="place"), Item(AIDA, "delete", slot="place", lane=NOTICE))
        assert post.bot.texts(AIDA) == ["before"]
        await post.put(Item(AIDA, "delete", slot="place"), Item(AIDA, "amend", "nothing there", slot="place"))
        assert post.bot.texts(AIDA) == ["before"]

    async def test_gone(self, post: Post) -> None:
        """A deleted message is gone, and so is one that was not there any more."""
        await post.put(send("a password"))
        assert await post.outbox.delete(AIDA, 1, within=5) is True
        assert post.bot.texts(AIDA) == []
        assert await post.outbox.delete(AIDA, 1, within=5) is True

    async def test_refused(self, post: Post) -> None:
        """Where Telegram refuses to delete, that is told at once and not tried again."""
        await post.put(send("a password"))
        post.bot.undeletable.add(1)
        assert await post.outbox.delete(AIDA, 1, within=5) is False
        await asyncio.sleep(100)
        assert len(post.bot.times(AIDA, "delete")) == 1

    async def test_not_known_in_time(self, post: Post) -> None:
        """While Telegram does not answer nothing is known in time; the deletion is tried until it is done."""
        await post.put(send("a password"))
        post.bot.refuse(*([NetworkError("down")] * 4))
        before = post.clock.passed
        assert await post.outbox.delete(AIDA, 1, within=5) is None
        assert post.clock.passed - before == pytest.approx(5, abs=0.01)
        await post.quiet()
        assert post.bot.texts(AIDA) == []

    async def test_after_a_restart(self, post: Post) -> None:
        """A deletion that the last process owed is done by the next one."""
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
        """Where ``when`` says no, nothing is queued or sent."""
        assert not await post.outbox.put(send("hello"), when=lambda: False)
        assert post.queue.chats() == []
        await asyncio.sleep(10)
        assert post.bot.calls == []

    async def test_together_with_the_ledger(self, post: Post) -> None:
        """What ``when`` writes and what is queued are one transaction: both are there, or neither."""
        people, languages = People(post.database), iter(("kk", "ru"))

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
        """What is queued before the outbox starts is sent when it does."""
        post = Post(moved_time())
        await post.outbox.put(send("early"))
        await asyncio.sleep(10)
        assert post.bot.calls == []
        await post.outbox.start()
        await post.quiet()
        assert post.bot.texts(AIDA) == ["early"]
        await post.outbox.close()

    async def test_restart(self, tmp_path: Path) -> None:
        """What one process could not send the next one does, in the same order, answers first."""
        post = Post(moved_time(), Database(tmp_path / "ledger.sqlite3"))
        await post.outbox.start()
        post.bot.refuse(*([NetworkError("down")] * 100))
        await post.outbox.put(send("notice 1"), send("notice 2"), send("answer", lane=ANSWER), send("to Ben", BEN))
        await asyncio.sleep(20)
        await post.outbox.close()
        post.database.close()
        after = Post(post.clock, Database(tmp_path / "ledger.sqlite3"))
        await after.outbox.start()
        await after.quiet()
        assert after.bot.texts(AIDA) == ["answer", "notice 1", "notice 2"]
        assert after.bot.texts(BEN) == ["to Ben"]
        await after.outbox.close()
        after.database.close()


class TestClosing:
    async def test_what_is_under_way_arrives(self, post: Post) -> None:
        """A message that is under way when the outbox closes arrives; what waits behind it is kept."""
        post.bot.takes = 3
        await post.outbox.put(send("one"), send("two"))
        await asyncio.sleep(1)
        await post.outbox.close()
        assert post.bot.texts(AIDA) == ["one"]
        row = post.queue.next(AIDA)
        assert row is not None
        assert row.payload["text"] == "two"

    async def test_hung_call(self, post: Post) -> None:
        """A call that hangs does not hold the end up for long, and its message is kept for the next start."""
        post.bot.takes = 3600
        await post.outbox.put(send("one"))
        await asyncio.sleep(1)
        before = post.clock.passed
        await post.outbox.close()
        assert post.clock.passed - before <= 6
        assert post.queue.chats() == [AIDA]

    @pytest.mark.parametrize("error", [NetworkError("down"), RetryAfter(300)])
    async def test_while_waiting(self, post: Post, error: Exception) -> None:
        """A pause after a failure ends with the closing."""
        post.bot.refuse(*([error] * 9))
        await post.outbox.put(send("one"))
        await asyncio.sleep(100)
        before = post.clock.passed
        await post.outbox.close()
        assert post.clock.passed - before < 0.1
        assert post.queue.chats() == [AIDA]

    async def test_afterwards(self, post: Post) -> None:
        """What is queued after the closing is kept for the next start."""
        await post.outbox.close()
        await post.outbox.put(send("late"))
        await asyncio.sleep(10)
        assert post.bot.calls == []
        assert post.queue.chats() == [AIDA]
