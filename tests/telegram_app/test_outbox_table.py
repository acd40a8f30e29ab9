"""The table of outgoing messages: the order in which rows are returned."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sqlite import Database
from telegram_app.outbox_table import Outgoing, OutgoingRow
from telegram_app.schema import SCHEMA
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


ANSWER, NOTICE = 0, 1
AIDA, BEN = 501, 502


@pytest.fixture
def queue() -> Outgoing:
    return Outgoing(Database(":memory:", [SCHEMA]), "marker")


def add(queue: Outgoing, chat_id: int, lane: int, text: str, slot: str | None = None) -> int:
    return queue.add(chat_id, lane, "edit" if slot else "send", slot, {"text": text}, FakeClock().now())


def drain(queue: Outgoing, chat_id: int) -> Iterator[OutgoingRow]:
    """Return and delete a chat's rows, one by one."""
    while (row := queue.next(chat_id)) is not None:
        yield row
        queue.done(row)


def texts(queue: Outgoing, chat_id: int) -> list[str]:
    return [row.payload["text"] for row in drain(queue, chat_id)]


class TestOrder:
    def test_first_in_first_out(self, queue: Outgoing) -> None:
        """Each person's messages come in the order in which they were queued, whatever waits for others."""
        for number in range(4):
            add(queue, AIDA if number % 2 else BEN, NOTICE, str(number))
        assert texts(queue, AIDA) == ["1", "3"]
        assert texts(queue, BEN) == ["0", "2"]
        assert queue.next(AIDA) is None

    def test_answers_first(self, queue: Outgoing) -> None:
        """Answers to taps come before notices."""
        for lane, text in ((NOTICE, "n1"), (ANSWER, "a1"), (NOTICE, "n2"), (ANSWER, "a2")):
            add(queue, AIDA, lane, text)
        assert texts(queue, AIDA) == ["a1", "a2", "n1", "n2"]

    def test_same_slot_is_not_overtaken(self, queue: Outgoing) -> None:
        """An answer does not overtake an older notice for the same place on the screen."""
        add(queue, AIDA, NOTICE, "other notice")
        add(queue, AIDA, NOTICE, "offer", "offer:1")
        add(queue, AIDA, ANSWER, "offer is over", "offer:1")
        add(queue, AIDA, ANSWER, "menu", "menu")
        assert texts(queue, AIDA) == ["offer", "offer is over", "menu", "other notice"]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([AIDA, BEN]), st.sampled_from([ANSWER, NOTICE]), st.sampled_from([None, "menu", "x"])
            ),
            max_size=25,
        )
    )
    def test_any_queue(self, items: list[tuple[int, int, str | None]]) -> None:
        """In any queue: FIFO in each lane but for slots, no slot overtaken, and no notice before a free answer."""
        queue = Outgoing(Database(":memory:", [SCHEMA]), "marker")
        ids = {add(queue, chat, lane, "", slot): (chat, lane, slot) for chat, lane, slot in items}
        for chat in (AIDA, BEN):
            rows = list(drain(queue, chat))
            assert sorted(row.id for row in rows) == sorted(id for id, item in ids.items() if item[0] == chat)
            waiting = sorted(rows, key=lambda row: row.id)
            for row in rows:
                assert not any(w.id < row.id and w.slot == row.slot is not None for w in waiting)
                answers = [w for w in waiting if w.lane == ANSWER]
                if row.lane == NOTICE and answers:  # only to let the answer to the same slot follow
                    assert row.slot is not None
                    assert answers[0].slot == row.slot
                elif row.slot is None:
                    assert row == min((w for w in waiting if w.lane == row.lane), key=lambda w: w.id)
                waiting.remove(row)


class TestQueue:
    def test_row(self, queue: Outgoing) -> None:
        """A row is returned as it was queued."""
        payload = {"text": "Сәлем <b>", "buttons": [[["Go", "go", None]]], "message_id": None}
        at = FakeClock().now()
        number = queue.add(AIDA, NOTICE, "send", "menu", payload, at)
        assert queue.next(AIDA) == OutgoingRow(number, AIDA, NOTICE, "send", "menu", payload, at)

    def test_stays_until_done(self, queue: Outgoing) -> None:
        """A row is returned again and again until it is done."""
        add(queue, AIDA, ANSWER, "hello")
        row = queue.next(AIDA)
        assert row is not None
        assert queue.next(AIDA) == row
        queue.done(row)
        assert queue.next(AIDA) is None

    def test_numbers_are_not_used_again(self, queue: Outgoing) -> None:
        """A number is never used for a second row, so a late "done" never deletes another one."""
        first = add(queue, AIDA, ANSWER, "one")
        texts(queue, AIDA)
        assert add(queue, AIDA, ANSWER, "two") > first

    def test_chats(self, queue: Outgoing) -> None:
        """The chats that have rows are known, for the next start."""
        for chat in (AIDA, BEN, AIDA):
            add(queue, chat, NOTICE, "hello")
        assert sorted(queue.chats()) == [AIDA, BEN]
        texts(queue, AIDA)
        assert queue.chats() == [BEN]

    def test_drop(self, queue: Outgoing) -> None:
        """One person's rows can be dropped; other people's stay."""
        for chat in (AIDA, BEN, AIDA):
            add(queue, chat, NOTICE, "hello")
        assert len(queue.drop(AIDA)) == 2
        assert queue.chats() == [BEN]

    def test_bots_are_apart(self) -> None:
        """Several bots share the database without seeing each other's rows and slots."""
        database = Database(":memory:", [SCHEMA])
        marker, student = Outgoing(database, "marker"), Outgoing(database, "student")
        add(marker, AIDA, NOTICE, "marker's")
        marker.fill(AIDA, "menu", 7)
        assert student.chats() == []
        assert student.next(AIDA) is None
        assert student.message(AIDA, "menu") is None
        assert student.drop(AIDA) == []
        assert texts(marker, AIDA) == ["marker's"]


class TestSlots:
    def test_fill_and_clear(self, queue: Outgoing) -> None:
        """A slot is filled by the message recorded last, until it is cleared."""
        assert queue.message(AIDA, "menu") is None
        queue.fill(AIDA, "menu", 7)
        queue.fill(AIDA, "menu", 8)
        queue.fill(AIDA, "other", 9)
        queue.fill(BEN, "menu", 10)
        assert queue.message(AIDA, "menu") == 8
        queue.clear(AIDA, "menu")
        assert queue.message(AIDA, "menu") is None
        assert (queue.message(AIDA, "other"), queue.message(BEN, "menu")) == (9, 10)

    def test_done_fills(self, queue: Outgoing) -> None:
        """A row that was sent into a slot fills it with its message; a row without a message changes nothing."""
        for message_id, expected in ((7, 7), (None, 7), (8, 8)):
            add(queue, AIDA, ANSWER, "menu", "menu")
            row = queue.next(AIDA)
            assert row is not None
            queue.done(row, message_id)
            assert queue.message(AIDA, "menu") == expected

    def test_what_a_slot_shows(self, queue: Outgoing) -> None:
        """What a slot shows is known once it is sent, and no longer when another message or a question takes it."""
        for message_id, shows, expected in ((7, "menu 1", "menu 1"), (None, "menu 2", "menu 2"), (None, None, None)):
            queue.add(AIDA, ANSWER, "edit", "menu", {"text": "", "shows": shows}, FakeClock().now())
            assert queue.shown("menu") == {}
            row = queue.next(AIDA)
            assert row is not None
            queue.done(row, message_id)
            assert queue.shown("menu").get(AIDA) == expected
        queue.fill(AIDA, "menu", 7, "menu 3")
        queue.fill(AIDA, "menu", 8)  # an older message was tapped
        assert queue.shown("menu") == {}

    def test_an_answer_does_not_wait_behind_a_redraw(self, queue: Outgoing) -> None:
        """A redraw that waits is dropped when anything else comes for its place; other amendments are not."""
        for slot, shows in (("menu", "a menu"), ("offer:1", None)):
            queue.add(AIDA, 2, "amend", slot, {"text": "old", "shows": shows}, FakeClock().now())
            add(queue, AIDA, ANSWER, f"new {slot}", slot)
        assert texts(queue, AIDA) == ["new menu", "old", "new offer:1"]

    def test_clean(self, queue: Outgoing) -> None:
        """Slots are deleted in all chats for the keys that are gone; other keys, other slots and other bots stay."""
        asked = list[list[str]]()

        def gone(keys: list[str]) -> list[str]:
            asked.append(sorted(keys))
            return ["old"]

        for chat in (AIDA, BEN):
            for slot in ("menu", "offer:old", "offer:new"):
                queue.fill(chat, slot, 7)
        assert queue.clean_slots("offer:", gone) == 2
        assert asked == [["new", "old"]]
        for chat in (AIDA, BEN):
            assert [queue.message(chat, slot) for slot in ("menu", "offer:old", "offer:new")] == [7, None, 7]
        assert queue.clean_slots("offer:", lambda _keys: []) == 0
