"""What a person does on the phone: writes, shares, edits, taps a button, blocks a bot. An update each."""

import binascii
from typing import Any

from sandbox.telegram import files
from sandbox.telegram.checks import MAX_CAPTION, MAX_TEXT
from sandbox.telegram.errors import Refused
from sandbox.telegram.text import Formatted
from sandbox.telegram.world import Bot, Chat, Json, Message, Person, World

# What is shared by its values, and which of the Bot API's fields it can't do without.
_SHARED = {"contact": {"phone_number"}, "location": {"latitude", "longitude"}, "venue": {"location", "title"}}
CONTENTS = ("text", "forward", *_SHARED, *files.KINDS)


def open_chat(bot: Bot, person: Person) -> Chat:
    """The chat on the person's phone; there is none before Start."""
    chat = bot.chats.get(person.id)
    if chat is None:
        raise Refused("this person has not pressed Start in the chat with this bot")
    return chat


def send(world: World, bot: Bot, person: Person, given: Json) -> Message:
    """The person sends something. The first message to a bot can only be /start."""
    kinds = [kind for kind in CONTENTS if kind in given]
    if len(kinds) != 1:
        raise Refused(f"send exactly one of {', '.join(sorted(CONTENTS))}", 400)
    (kind,) = kinds
    text = str(given.get("text" if kind == "text" else "caption") or "")
    chat = bot.chats.get(person.id)
    if chat is None:
        if kind != "text" or text.split(" ")[0] != "/start":
            raise Refused("the chat begins with Start: send /start first")
        chat = bot.chats[person.id] = bot.screen(person)
    if chat.blocked:
        raise Refused("this person blocked the bot; unblock it first")
    body = _written(text, MAX_TEXT if kind == "text" else MAX_CAPTION)
    if kind == "video_note" and text:
        raise Refused("a video note has no caption in Telegram's apps", 400)
    message = Message(message_id=0, by_bot=False, date=world.now(), body=body)
    if kind == "forward":
        _forward(bot, chat, message, given["forward"])
    elif kind == "text":
        if not message.body.text:
            raise Refused("there is no empty message in Telegram", 400)
    elif kind in _SHARED:
        message.media = _shared(person, kind, given[kind])
    else:
        message.media = _file(bot, kind, given[kind])
    message.extra |= _circumstances(world, bot, chat, given)
    message.message_id = next(bot.message_ids)
    chat.messages[message.message_id] = message
    _put_away_keyboard(chat, kind, message.body.text)
    chat.changed.bump()
    bot.push("message", world.show(bot, chat, message), world.clock.monotonic())
    return message


def _written(text: str, most: int) -> Formatted:
    body = Formatted(text).cleaned().with_commands()
    if body.length > most:
        raise Refused(f"Telegram's apps let nobody send more than {most} characters", 400)
    return body


def _shared(person: Person, kind: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise Refused(f"{kind} is an object with the Bot API's fields", 400)
    if missing := _SHARED[kind] - value.keys():
        raise Refused(f"{kind} lacks {', '.join(sorted(missing))}", 400)
    if kind == "contact":
        # One's own contact carries one's own id; `user_id: null` is a contact from the phone book.
        contact = {"first_name": person.first_name, "user_id": person.id, **value}
        return {"contact": {name: field for name, field in contact.items() if field is not None}}
    if kind == "venue":
        # A place picked from the map carries both fields: code that looks at `location` alone is fooled.
        return {"location": value["location"], "venue": {"address": "", **value}}
    return {"location": dict(value)}


def _file(bot: Bot, kind: str, value: Any) -> Json:
    try:
        content, name, about = files.decoded(value)
    except (TypeError, binascii.Error) as error:
        raise Refused(f"{kind}: {error}", 400) from None
    return files.keep(bot, kind, content, name, about)


def _forward(bot: Bot, chat: Chat, message: Message, number: Any) -> None:
    """Make a message the forward of another one on the screen: its file is the same, as `file_unique_id` says."""
    original = chat.messages.get(number) if isinstance(number, int) else None
    if original is None:
        raise Refused("the message to forward is not on the screen")
    message.body, message.media = original.body, original.media
    sender = bot.user() if original.by_bot else chat.person.user()
    origin = {"type": "user", "sender_user": sender, "date": original.date}
    message.extra = {"forward_origin": original.extra.get("forward_origin", origin)}


def _circumstances(world: World, bot: Bot, chat: Chat, given: Json) -> Json:
    extra: Json = {}
    if given.get("forwarded"):
        origin = {"type": "hidden_user", "sender_user_name": "Somebody Else", "date": world.now() - 3600}
        extra["forward_origin"] = given["forwarded"] if isinstance(given["forwarded"], dict) else origin
    if given.get("via_bot"):
        username = given["via_bot"] if isinstance(given["via_bot"], str) else "inline_bot"
        extra["via_bot"] = {"id": 7_000_000_001, "is_bot": True, "first_name": username, "username": username}
    if (replied := given.get("reply_to_message_id")) is not None:
        if replied not in chat.messages:
            raise Refused("the message to reply to is not on the screen")
        extra["reply_to_message"] = world.show(bot, chat, chat.messages[replied])
    return extra


def _put_away_keyboard(chat: Chat, kind: str, text: str) -> None:
    """A one-time keyboard hides once one of its buttons was used."""
    keyboard = chat.reply_keyboard
    if keyboard is None or not keyboard.get("one_time_keyboard"):
        return
    for button in (button for row in keyboard["keyboard"] for button in row):
        used = button.get(f"request_{kind}") if kind in _SHARED else kind == "text" and button["text"] == text
        if used:
            chat.reply_keyboard = chat.reply_keyboard_message = None
            return


def edit(world: World, bot: Bot, person: Person, given: Json) -> None:
    """The person edits an own message, or a live location moves."""
    chat = open_chat(bot, person)
    message = chat.messages.get(given.get("message_id", 0))
    if message is None:
        raise Refused("this message is not on the screen")
    if message.by_bot or "forward_origin" in message.extra:
        raise Refused("only an own message can be edited")
    if chat.blocked:
        raise Refused("this person blocked the bot")
    if "location" in given:
        message.media = {"location": _moved(world, message, given["location"])}
    elif isinstance(given.get("text"), str):
        if not message.media.keys().isdisjoint(("location", "contact", "video_note", "sticker")):
            raise Refused("there is no text in this message")
        body = _written(given["text"], MAX_TEXT if message.is_text else MAX_CAPTION)
        if body == message.body:
            raise Refused("nothing was changed")
        if message.is_text and not body.text:
            raise Refused("there is no empty message in Telegram", 400)
        message.body = body
    else:
        raise Refused("give the new text or location", 400)
    message.edit_date = world.now()
    chat.changed.bump()
    bot.push("edited_message", world.show(bot, chat, message), world.clock.monotonic())


def _moved(world: World, message: Message, given: Any) -> Json:
    """The new place of a live location; `live_period: null` stops it, and the field goes, as in Telegram."""
    old = message.media.get("location", {})
    if "live_period" not in old or "venue" in message.media:
        raise Refused("this is not a live location, or it was stopped")
    if world.now() > message.date + old["live_period"]:
        raise Refused("this live location is over")
    if not isinstance(given, dict):
        raise Refused("location is an object with the Bot API's fields", 400)
    return {name: value for name, value in {**old, **given}.items() if value is not None}


def tap(world: World, bot: Bot, person: Person, message_id: int, button: str, forged: bool = False) -> Json:
    """The person taps an inline button, named by its label or its callback data.

    A forged tap is not held against the screen: "the message originated the query can contain no callback buttons
    with this data" (core.telegram.org/bots/api#callbackquery).
    """
    chat = open_chat(bot, person)
    if chat.blocked:
        raise Refused("this person blocked the bot")
    message = chat.messages.get(message_id)
    if message is None:
        raise Refused("this message is not on the screen")
    buttons = [one for row in message.inline_keyboard for one in row]
    if forged:
        buttons = [{"text": "forged", "callback_data": button}]
    if not buttons:
        raise Refused("this message has no buttons")
    found = next((one for one in buttons if button in (one["text"], one.get("callback_data"))), None)
    if found is None:
        raise Refused(f"no such button; there are: {', '.join(one['text'] for one in buttons)}")
    if "url" in found:
        return {"url": found["url"]}
    if "callback_data" not in found:
        raise Refused("a bot hears nothing of this button")
    pressed = world.taps.add(person.id, bot.username, message_id, found["text"], found["callback_data"])
    query = {
        "id": pressed.tap_id,
        "from": person.user(),
        "message": world.show(bot, chat, message),
        "chat_instance": str(-(bot.id * 1_000_003 + person.id)),
        "data": pressed.data,
    }
    bot.push("callback_query", query, world.clock.monotonic())
    return {"tap_id": pressed.tap_id}


def block(world: World, bot: Bot, person: Person, blocked: bool) -> None:
    """The person blocks the bot or lets it in again; only a change is an update."""
    chat = open_chat(bot, person)
    if chat.blocked == blocked:
        return
    chat.blocked = blocked
    chat.changed.bump()
    member: Json = {"user": bot.user(), "status": "member"}
    kicked: Json = {"user": bot.user(), "status": "kicked", "until_date": 0}
    old, new = (member, kicked) if blocked else (kicked, member)
    update = {
        "chat": person.chat(),
        "from": person.user(),
        "date": world.now(),
        "old_chat_member": old,
        "new_chat_member": new,
    }
    bot.push("my_chat_member", update, world.clock.monotonic())
