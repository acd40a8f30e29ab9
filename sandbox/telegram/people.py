"""A person's actions in the app (send, share, edit, tap, block); each creates an update for the bot."""

import binascii
from typing import Any

from sandbox.telegram import files
from sandbox.telegram.checks import MAX_CAPTION, MAX_TEXT
from sandbox.telegram.errors import ControlError
from sandbox.telegram.text import Formatted
from sandbox.telegram.world import Bot, Chat, Json, Message, Person, TelegramWorld

# Contents given by their fields instead of a file, with the required fields of the Bot API.
_SHARED = {"contact": {"phone_number"}, "location": {"latitude", "longitude"}, "venue": {"location", "title"}}
CONTENTS = ("text", "forward", *_SHARED, *files.KINDS)


def open_chat(bot: Bot, person: Person) -> Chat:
    """Return the person's chat with the bot; it exists only after Start."""
    chat = bot.chats.get(person.id)
    if chat is None:
        raise ControlError("this person has not pressed Start in the chat with this bot")
    return chat


def send(world: TelegramWorld, bot: Bot, person: Person, given: Json) -> Message:
    """Send something as the person. The first message to a bot can only be /start."""
    kinds = [kind for kind in CONTENTS if kind in given]
    if len(kinds) != 1:
        raise ControlError(f"send exactly one of {', '.join(sorted(CONTENTS))}", 400)
    (kind,) = kinds
    text = str(given.get("text" if kind == "text" else "caption") or "")
    chat = bot.chats.get(person.id)
    if chat is None:
        if kind != "text" or text.split(" ")[0] != "/start":
            raise ControlError("the chat begins with Start: send /start first")
        chat = bot.chats[person.id] = bot.screen(person)
    if chat.blocked:
        raise ControlError("this person blocked the bot; unblock it first")
    body = _written(text, MAX_TEXT if kind == "text" else MAX_CAPTION)
    if kind == "video_note" and text:
        raise ControlError("a video note has no caption in Telegram's apps", 400)
    message = Message(message_id=0, by_bot=False, date=world.now(), body=body)
    if kind == "forward":
        _forward(bot, chat, message, given["forward"])
    elif kind == "text":
        if not message.body.text:
            raise ControlError("there is no empty message in Telegram", 400)
    elif kind in _SHARED:
        message.media = _shared(person, kind, given[kind])
    else:
        message.media = _file(bot, kind, given[kind])
    message.extra |= _circumstances(world, bot, chat, given)
    message.message_id = next(bot.message_ids)
    chat.messages[message.message_id] = message
    _hide_one_time_keyboard(chat, kind, message.body.text)
    chat.changed.bump()
    bot.push("message", world.show(bot, chat, message), world.clock.monotonic())
    return message


def _written(text: str, most: int) -> Formatted:
    body = Formatted(text).cleaned().with_commands()
    if body.length > most:
        raise ControlError(f"Telegram's apps let nobody send more than {most} characters", 400)
    return body


def _shared(person: Person, kind: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise ControlError(f"{kind} is an object with the Bot API's fields", 400)
    if missing := _SHARED[kind] - value.keys():
        raise ControlError(f"{kind} lacks {', '.join(sorted(missing))}", 400)
    if kind == "contact":
        # A shared own contact has the sender's id; `user_id: null` is a contact from the address book.
        contact = {"first_name": person.first_name, "user_id": person.id, **value}
        return {"contact": {name: field for name, field in contact.items() if field is not None}}
    if kind == "venue":
        # A place picked on the map has both fields; code that checks only `location` takes it for the own position.
        return {"location": value["location"], "venue": {"address": "", **value}}
    return {"location": dict(value)}


def _file(bot: Bot, kind: str, value: Any) -> Json:
    try:
        content, name, about = files.decoded(value)
    except (TypeError, binascii.Error) as error:
        raise ControlError(f"{kind}: {error}", 400) from None
    return files.keep(bot, kind, content, name, about)


def _forward(bot: Bot, chat: Chat, message: Message, number: Any) -> None:
    """Make the message a forward of another one in the chat; the file keeps its `file_unique_id`."""
    original = chat.messages.get(number) if isinstance(number, int) else None
    if original is None:
        raise ControlError("the message to forward is not on the screen")
    message.body, message.media = original.body, original.media
    sender = bot.user() if original.by_bot else chat.person.user()
    origin = {"type": "user", "sender_user": sender, "date": original.date}
    message.extra = {"forward_origin": original.extra.get("forward_origin", origin)}


def _circumstances(world: TelegramWorld, bot: Bot, chat: Chat, given: Json) -> Json:
    extra: Json = {}
    if given.get("forwarded"):
        origin = {"type": "hidden_user", "sender_user_name": "Somebody Else", "date": world.now() - 3600}
        extra["forward_origin"] = given["forwarded"] if isinstance(given["forwarded"], dict) else origin
    if given.get("via_bot"):
        username = given["via_bot"] if isinstance(given["via_bot"], str) else "inline_bot"
        extra["via_bot"] = {"id": 7_000_000_001, "is_bot": True, "first_name": username, "username": username}
    if (replied := given.get("reply_to_message_id")) is not None:
        if replied not in chat.messages:
            raise ControlError("the message to reply to is not on the screen")
        extra["reply_to_message"] = world.show(bot, chat, chat.messages[replied])
    return extra


def _hide_one_time_keyboard(chat: Chat, kind: str, text: str) -> None:
    """Hide a one-time keyboard once one of its buttons was used."""
    keyboard = chat.reply_keyboard
    if keyboard is None or not keyboard.get("one_time_keyboard"):
        return
    for button in (button for row in keyboard["keyboard"] for button in row):
        used = button.get(f"request_{kind}") if kind in _SHARED else kind == "text" and button["text"] == text
        if used:
            chat.reply_keyboard = chat.reply_keyboard_message = None
            return


def edit(world: TelegramWorld, bot: Bot, person: Person, given: Json) -> None:
    """Edit a message of the person, or move a live location."""
    chat = open_chat(bot, person)
    message = chat.messages.get(given.get("message_id", 0))
    if message is None:
        raise ControlError("this message is not on the screen")
    if message.by_bot or "forward_origin" in message.extra:
        raise ControlError("a person can edit only their own messages")
    if chat.blocked:
        raise ControlError("this person blocked the bot")
    if "location" in given:
        message.media = {"location": _moved(world, message, given["location"])}
    elif isinstance(given.get("text"), str):
        if not message.media.keys().isdisjoint(("location", "contact", "video_note", "sticker")):
            raise ControlError("there is no text in this message")
        body = _written(given["text"], MAX_TEXT if message.is_text else MAX_CAPTION)
        if body == message.body:
            raise ControlError("nothing was changed")
        if message.is_text and not body.text:
            raise ControlError("there is no empty message in Telegram", 400)
        message.body = body
    else:
        raise ControlError("give the new text or location", 400)
    message.edit_date = world.now()
    chat.changed.bump()
    bot.push("edited_message", world.show(bot, chat, message), world.clock.monotonic())


def _moved(world: TelegramWorld, message: Message, given: Any) -> Json:
    """Return the moved live location; `live_period: null` stops it, which removes the field as Telegram does."""
    old = message.media.get("location", {})
    if "live_period" not in old or "venue" in message.media:
        raise ControlError("this is not a live location, or it was stopped")
    if world.now() > message.date + old["live_period"]:
        raise ControlError("this live location is over")
    if not isinstance(given, dict):
        raise ControlError("location is an object with the Bot API's fields", 400)
    return {name: value for name, value in {**old, **given}.items() if value is not None}


def tap(world: TelegramWorld, bot: Bot, person: Person, message_id: int, button: str, forged: bool = False) -> Json:
    """Tap an inline button, given by its label or its callback data.

    A forged tap is not checked against the message's buttons: "the message originated the query can contain no
    callback buttons with this data" (core.telegram.org/bots/api#callbackquery).
    """
    chat = open_chat(bot, person)
    if chat.blocked:
        raise ControlError("this person blocked the bot")
    message = chat.messages.get(message_id)
    if message is None:
        raise ControlError("this message is not on the screen")
    buttons = [one for row in message.inline_keyboard for one in row]
    if forged:
        buttons = [{"text": "forged", "callback_data": button}]
    if not buttons:
        raise ControlError("this message has no buttons")
    found = next((one for one in buttons if button in (one["text"], one.get("callback_data"))), None)
    if found is None:
        raise ControlError(f"no such button; there are: {', '.join(one['text'] for one in buttons)}")
    if "url" in found:
        return {"url": found["url"]}
    if "callback_data" not in found:
        raise ControlError("this kind of button sends nothing to the bot")
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


def delete(bot: Bot, person: Person, message_id: int) -> None:
    """The person deletes a message of the chat for both sides; the bot gets no update."""
    chat = bot.screen(person)
    if chat.messages.pop(message_id, None) is None:
        raise ControlError("there is no such message in the chat")
    chat.changed.bump()


def block(world: TelegramWorld, bot: Bot, person: Person, blocked: bool) -> None:
    """Block or unblock the bot as the person; only a change creates an update."""
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
