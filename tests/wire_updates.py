"""Updates of the Bot API as JSON: proper ones, and strategies for those that Telegram would never send."""

from typing import Any

from hypothesis import strategies as st

PERSON = 4321

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "text", "from", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
_ODD = ANY_JSON | st.sampled_from([0, -1, 1.5, 2**53, 2**64, "", "x" * 30_000, [[]], {"id": "a"}, [{"type": 1}]])


def message(text: str, **more: Any) -> dict[str, Any]:
    """Return a person's message, with some fields in other ways."""
    user = {"id": PERSON, "is_bot": False, "first_name": "A", "language_code": "en"}
    chat = {"id": PERSON, "type": "private", "first_name": "A"}
    return {"message": {"message_id": 7, "date": 1_788_753_600, "chat": chat, "from": user, "text": text} | more}


def tap(data: str, **more: Any) -> dict[str, Any]:
    """Return a person's tap, with some fields in other ways."""
    shown = message("a screen")["message"]
    bot = {"id": 1, "is_bot": True, "first_name": "Bot"}
    query = {"id": "1", "chat_instance": "1", "data": data, "from": shown["from"], "message": shown | {"from": bot}}
    return {"callback_query": query | more}


def _contents() -> list[dict[str, Any]]:
    file = {"file_id": "a", "file_unique_id": "b", "file_size": 5}
    member = {"user": {"id": 1, "is_bot": True, "first_name": "Bot"}, "status": "kicked", "until_date": 0}
    base = {key: each for key, each in message("")["message"].items() if key in ("chat", "from", "date")}
    return [
        message("/start", entities=[{"type": "bot_command", "offset": 0, "length": 6}]),
        message("123456"),
        {"edited_message": message("S001")["message"] | {"edit_date": 1_788_753_600}},
        message("", location={"latitude": 43.2, "longitude": 76.9, "horizontal_accuracy": 5.0, "live_period": 900}),
        message("", contact={"phone_number": "+77010000001", "first_name": "A", "user_id": PERSON}),
        message("", video_note=file | {"length": 240, "duration": 5}),
        message("", document=file | {"file_name": "students.csv"}),
        message("", photo=[file | {"width": 5, "height": 5}]),
        tap("menu"),
        {"my_chat_member": base | {"old_chat_member": member, "new_chat_member": member}},
        {"channel_post": message("hello")["message"]},
        {"message_reaction": {}},
    ]


@st.composite
def odd_updates(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an update in which some fields, at any depth, are missing or hold any JSON."""
    content: dict[str, Any] = draw(st.sampled_from(_contents()))
    for _each in range(draw(st.integers(0, 3))):
        content = {kind: draw(_changed(each)) for kind, each in content.items()}
    return content


@st.composite
def _changed(draw: st.DrawFn, content: Any) -> Any:
    if not isinstance(content, dict) or not content or draw(st.integers(0, 4)) == 0:
        return draw(_ODD)
    name = draw(st.sampled_from(sorted(content)))
    if draw(st.integers(0, 4)) == 0:
        return {key: each for key, each in content.items() if key != name}
    return content | {name: draw(_changed(content[name]))}
