"""Updates of any JSON: only those of people in private chats pass, with valid fields, and nothing raises."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Bot, Update
from telegram.error import NetworkError

from telegram_app.wire import KINDS, batch_of, update_of
from tests.wire_updates import ANY_JSON, PERSON, message, odd_updates, tap

pytestmark = pytest.mark.unit

BOT = cast(Bot, None)


def answer(*updates: object) -> bytes:
    return json.dumps({"ok": True, "result": list(updates)}).encode()


def parsed(content: dict[str, Any]) -> Update | None:
    return update_of({"update_id": 1, **content}, BOT)


class TestBatch:
    """The updates of an answer."""

    @given(st.lists(ANY_JSON, max_size=6))
    def test_any_json(self, updates: list[Any]) -> None:
        """Every element is found, whatever it is, with its id if that is valid."""
        found = batch_of(answer(*updates))
        assert [raw for _number, raw in found] == updates

    @given(st.text(), st.booleans())
    def test_strings(self, text: str, escaped: bool) -> None:
        """Brackets, quotes and backslashes in a text don't split an update."""
        update = {"update_id": 3, "message": {"text": text}}
        payload = json.dumps({"ok": True, "result": [update, update]}, ensure_ascii=escaped)
        assert batch_of(payload.encode(errors="replace"))[1][0] == 3
        assert len(batch_of(payload.encode(errors="replace"))) == 2

    def test_an_update_that_cannot_be_read(self) -> None:
        """One that is nested too deeply, or has too long a number, is found by its id; the others are read."""
        deep, number = "[" * 100_000 + "]" * 100_000, "9" * 5000
        bad = [f'{{"update_id": {at}, "message": {content}}}' for at, content in ((5, deep), (6, number), (7, "nope"))]
        payload = f'{{"ok":true,"result":[{",".join(bad)},{{"update_id":8}}]}}'
        assert batch_of(payload.encode()) == [(5, None), (6, None), (7, None), (8, {"update_id": 8})]

    @pytest.mark.parametrize("number", ["1", -1, 0, 2**52, 2**80, 1.5, True, None, [1]])
    def test_no_id(self, number: object) -> None:
        """What is no update's id is none."""
        assert batch_of(answer({"update_id": number})) == [(None, {"update_id": number})]

    @pytest.mark.parametrize(
        "payload", [b"", b"<html>secret</html>", b'{"ok":false}', b"[]", b'{"ok":true,"result":5}']
    )
    def test_something_else(self, payload: bytes) -> None:
        """A proxy's page is an error of the network, and not quoted."""
        with pytest.raises(NetworkError) as error:
            batch_of(payload)
        assert "secret" not in str(error.value)

    def test_a_cut_answer(self) -> None:
        """Of an answer that was cut off the whole updates are read."""
        assert [number for number, _raw in batch_of(answer({"update_id": 1}, {"update_id": 2})[:-10])] == [1]


class TestUpdate:
    """Which updates pass."""

    @pytest.mark.parametrize(
        "content",
        [
            message("hello"),
            {"edited_message": message("hello")["message"]},
            tap("go"),
            {"callback_query": {key: each for key, each in tap("go")["callback_query"].items() if key != "message"}},
            message("hello", photo=[], location={"latitude": 43, "longitude": 76.5, "horizontal_accuracy": 5}),
        ],
    )
    def test_people(self, content: dict[str, Any]) -> None:
        """A person's message and tap pass."""
        update = parsed(content)
        assert update is not None
        assert update.effective_user is not None
        assert update.effective_user.id == PERSON

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"poll": {"id": "1"}},
            {"channel_post": message("hello")["message"]},
            {"message": 5},
            message("hello", chat={"id": -100, "type": "supergroup", "title": "A"}),
            message("hello", chat={"id": PERSON + 1, "type": "private"}),
            message("hello", chat={"id": PERSON, "type": "channel"}),
            message("hello", **{"from": {"id": PERSON, "is_bot": True, "first_name": "Bot"}}),
            message("hello", **{"from": {"id": 2**52, "is_bot": False, "first_name": "A"}}),
            message("hello", **{"from": None}),
            message("\ud800"),
            message("x" * 20_001),
            message("hello", date=2**40),
            message("hello", location={"latitude": float("nan"), "longitude": 0}),
            message("hello", location={"latitude": 43, "longitude": 76, "horizontal_accuracy": -1}),
            message("hello", entities=[{"type": "bot_command", "offset": -5, "length": 2**40}]),
            message("hello", contact={"phone_number": 77010000001}),
            tap("go", message={"message_id": 1, "date": 0, "chat": {"id": PERSON + 1, "type": "private"}}),
            tap("go\n"),
        ],
    )
    def test_dropped(self, content: dict[str, Any]) -> None:
        """What has no sender, comes from a bot, a group or a channel, or has an impossible field, does not pass."""
        assert parsed(content) is None

    def test_too_deep(self) -> None:
        """A message that answers one that answers one ... is no reason for an error."""
        content = message("hello")
        for _each in range(300):
            content = message("hello", reply_to_message=content["message"])
        parsed(content)

    @given(odd_updates())
    def test_odd_updates(self, content: dict[str, Any]) -> None:
        """Whatever passes has a sender with an id that can be stored, and a chat that is the sender's."""
        update = parsed(content)
        if update is None:
            return
        assert any(getattr(update, kind) is not None for kind in KINDS)
        assert update.effective_user is not None
        assert 0 < update.effective_user.id < 2**52
        assert update.effective_chat is None or update.effective_chat.id == update.effective_user.id

    @given(ANY_JSON)
    def test_any_json(self, raw: Any) -> None:
        """No JSON raises."""
        update_of(raw, BOT)
        for kind in KINDS:
            parsed({kind: raw})
