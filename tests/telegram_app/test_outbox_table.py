"""The queue of outgoing messages: whose turn it is."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sqlite import Database
from telegram_app.outbox_table import Outgoing, OutgoingRow
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


ANSWER, NOTICE = 0, 1
AIDA, BEN = 501, 502


@pytest.fixture
def queue() -> Outgoing:
    return Outgoing(Database(":memory:"), "marker")


def add(queue: Outgoing, chat_id: int, lane: int, text: str, slot: str | None = None) -> int:
    return queue.add(chat_id, lane, "edit" if slot else "send", slot, {"text": text}, FakeClock().now())


def drain(queue: Outgoing, chat_id: int) -> Iterator[OutgoingRow]:
    """Take everything for a chat out of the queue, one by one."""
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
        """Answers to taps go ahead of notices."""
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
        queue = Outgoing(Database(":memory:"), "marker")
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
        """A row comes back as it was queued."""
        payload = {"text": "Сәлем <b>", "buttons": [[["Go", "go", None]]], "message_id": None}
        number = queue.add(AIDA, NOTICE, "send", "menu", payload, FakeClock().now())
        assert queue.next(AIDA) == OutgoingRow(number, AIDA, NOTICE, "send", "menu", payload)

    def test_stays_until_done(self, queue: Outgoing) -> None:
        """A row is handed out again and again until it is done."""
        add(queue, AIDA, ANSWER, "hello")
        row = queue.next(AIDA)
        assert row is not None
        assert queue.next(AIDA) == row
        queue.done(row)
        assert queue.next(AIDA) is None

    def test_numbers_are_not_used_again(self, queue: Outgoing) -> None:
        """A number belongs to one row for ever, so a late "done" never takes out another one."""
        first = add(queue, AIDA, ANSWER, "one")
        texts(queue, AIDA)
        assert add(queue, AIDA, ANSWER, "two") > first

    def test_chats(self, queue: Outgoing) -> None:
        """The chats for which something waits are known, for the next start."""
        for chat in (AIDA, BEN, AIDA):
            add(queue, chat, NOTICE, "hello")
        assert sorted(queue.chats()) == [AIDA, BEN]
        texts(queue, AIDA)
        assert queue.chats() == [BEN]

    def test_drop(self, queue: Outgoing) -> None:
        """All that waits for one person can be dropped; others keep theirs."""
        for chat in (AIDA, BEN, AIDA):
            add(queue, chat, NOTICE, "hello")
        assert queue.drop(AIDA) == 2
        assert queue.chats() == [BEN]

    def test_bots_are_apart(self) -> None:
        """Several bots share the database without seeing each other's rows and slots."""
        database = Database(":memory:")
        marker, student = Outgoing(database, "marker"), Outgoing(database, "student")
        add(marker, AIDA, NOTICE, "marker's")
        marker.fill(AIDA, "menu", 7)
        assert student.chats() == []
        assert student.next(AIDA) is None
        assert student.message(AIDA, "menu") is None
        assert student.drop(AIDA) == 0
        assert texts(marker, AIDA) == ["marker's"]


class TestSlots:
    def test_fill_and_clear(self, queue: Outgoing) -> None:
        """A slot is filled by one message, the last one, until it is cleared."""
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
        """A row that was sent into a slot fills it with its message; one without a message leaves it."""
        for message_id, expected in ((7, 7), (None, 7), (8, 8)):
            add(queue, AIDA, ANSWER, "menu", "menu")
            row = queue.next(AIDA)
            assert row is not None
            queue.done(row, message_id)
            assert queue.message(AIDA, "menu") == expected
