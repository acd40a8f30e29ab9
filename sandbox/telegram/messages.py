"""Bot API methods that send, edit and delete messages."""

from typing import Any

from sandbox.telegram import checks
from sandbox.telegram.arguments import Arguments
from sandbox.telegram.errors import bad_request, blocked_by_the_user
from sandbox.telegram.files import check_file, resolve
from sandbox.telegram.text import Formatted
from sandbox.telegram.world import Bot, Chat, Json, Message, TelegramWorld

# Only messages sent less than 48 hours ago can be deleted (core.telegram.org/bots/api#deletemessage).
DELETABLE_SECONDS = 48 * 3600
_ACTIONS = {
    "typing", "choose_sticker", "find_location", "pick_up_location", "cancel", "upload_photo",
    "upload_document", "record_video", "upload_video", "record_voice", "upload_voice", "record_audio",
    "upload_audio", "record_video_note", "upload_video_note",
}  # fmt: skip
_MEDIA = ("photo", "document", "video", "audio", "animation")
_IN_ALBUMS = ("photo", "video", "document", "audio")
MAX_ALBUM = 10


def open_chat(bot: Bot, arguments: Arguments) -> Chat:
    """Return the private chat of `chat_id`; it exists only after Start."""
    if not arguments.text("chat_id"):
        raise bad_request("chat_id is empty")
    chat = bot.chats.get(arguments.integer("chat_id"))
    if chat is None:
        raise bad_request("chat not found")
    return chat


def writable_chat(bot: Bot, arguments: Arguments) -> Chat:
    """Return the private chat of `chat_id`; raises 403 if the person blocked the bot."""
    chat = open_chat(bot, arguments)
    if chat.blocked:
        raise blocked_by_the_user()
    return chat


def _mention(bot: Bot) -> checks.Mention:
    """Return a lookup of the people whom the bot can mention: those who have started it."""
    return lambda person: bot.chats[person].person.user() if person in bot.chats else None


def send_message(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """sendMessage."""
    body = checks.message_text(arguments, _mention(bot))
    return _send(world, bot, arguments, body, {})


def send_photo(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """sendPhoto."""
    return _send_file(world, bot, arguments, "photo")


def send_document(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """sendDocument."""
    return _send_file(world, bot, arguments, "document")


def _send_file(world: TelegramWorld, bot: Bot, arguments: Arguments, kind: str) -> Json:
    if not arguments.text(kind) and kind not in arguments.files:
        raise bad_request(f"There is no {kind} in the request")
    caption = checks.formatted(arguments, _mention(bot), name="caption", entities="caption_entities")
    # Markup and chat are checked before the file is stored, so that a refused call stores nothing.
    checks.reply_markup(arguments)
    writable_chat(bot, arguments)
    media = resolve(bot, kind, arguments.text(kind), arguments)
    return _send(world, bot, arguments, caption, media)


def send_media_group(world: TelegramWorld, bot: Bot, arguments: Arguments) -> list[Json]:
    """sendMediaGroup: an album, in which documents and audio stand with their own kind only. All of it, or nothing."""
    given = arguments.structure("media", "Can't parse media JSON object")
    if not isinstance(given, list):
        raise bad_request("Expected an Array of InputMedia")
    if not given:
        raise bad_request("There are no messages to send")
    if len(given) > MAX_ALBUM:
        raise bad_request("Too many messages to send as an album")
    if len(given) < 2:
        # "must include 2-10 items" (core.telegram.org/bots/api#sendmediagroup); the error text is not documented
        raise bad_request("An album must include 2-10 items")
    kinds = [each.get("type") if isinstance(each, dict) else None for each in given]
    for kind in kinds:
        if kind not in _IN_ALBUMS:
            raise bad_request("Can't parse InputMedia: type must be one of " + ", ".join(_IN_ALBUMS))
        if kind in ("document", "audio") and set(kinds) != {kind}:  # is_homogenous_media_group_content in td
            raise bad_request(f"{kind.title()} can't be mixed with other media types")
    captions = [_caption(bot, each) for each in given]
    for caption in captions:
        checks.check_length(caption, caption=True)
    _reply(world, bot, writable_chat(bot, arguments), arguments)
    for each in given:
        if not str(each.get("media") or ""):
            raise bad_request("Can't parse InputMedia: Can't find field \"media\"")
        check_file(bot, each["type"], str(each["media"]), arguments)
    media = [resolve(bot, each["type"], str(each["media"]), arguments) for each in given]
    if not world.limits.every_call:
        chat_id = arguments.integer("chat_id")
        world.limits.spend(bot.id, chat_id, world.clock.monotonic(), count=len(given))
    group = {"media_group_id": str(next(bot.album_ids))}
    return [
        _add(world, bot, arguments, caption, {**each, **group}) for caption, each in zip(captions, media, strict=True)
    ]


def _caption(bot: Bot, given: Json) -> Formatted:
    """Parse the caption of an InputMedia."""
    return checks.parse_text(
        str(given.get("caption") or ""),
        str(given.get("parse_mode") or ""),
        given.get("caption_entities"),
        _mention(bot),
    )


def _send(world: TelegramWorld, bot: Bot, arguments: Arguments, body: Formatted, media: Json) -> Json:
    chat = writable_chat(bot, arguments)
    checks.reply_markup(arguments)
    checks.check_length(body, caption=bool(media))
    _reply(world, bot, chat, arguments)
    if not world.limits.every_call:  # otherwise it was counted on arrival
        world.limits.spend(bot.id, chat.person.id, world.clock.monotonic())
    return _add(world, bot, arguments, body, media)


def _add(world: TelegramWorld, bot: Bot, arguments: Arguments, body: Formatted, media: Json) -> Json:
    """Put a checked message into the chat."""
    markup = checks.reply_markup(arguments)
    chat = writable_chat(bot, arguments)
    extra = _reply(world, bot, chat, arguments)
    preview = arguments.structure("link_preview_options", "Can't parse link preview options JSON object")
    if preview and not media:
        extra["link_preview_options"] = preview
    if arguments.flag("protect_content"):
        extra["has_protected_content"] = True
    message = Message(
        message_id=next(bot.message_ids),
        by_bot=True,
        date=world.now(),
        body=body,
        media=media,
        inline_keyboard=markup.inline,
        has_other_markup=markup.reply is not None or markup.remove or markup.force_reply,
        silent=arguments.flag("disable_notification"),
        extra=extra,
    )
    chat.messages[message.message_id] = message
    if markup.reply is not None:
        chat.reply_keyboard, chat.reply_keyboard_message = markup.reply, message.message_id
    elif markup.remove:
        chat.reply_keyboard = chat.reply_keyboard_message = None
    chat.action = None
    chat.changed.bump()
    return world.show(bot, chat, message)


def _reply(world: TelegramWorld, bot: Bot, chat: Chat, arguments: Arguments) -> Json:
    given = arguments.structure("reply_parameters", "Can't parse reply parameters JSON object") or {}
    if not isinstance(given, dict):
        raise bad_request("Object expected as reply parameters")
    wanted = given.get("message_id", arguments.integer("reply_to_message_id"))
    if not isinstance(wanted, int):
        raise bad_request('Field "message_id" must be of type Number')
    if wanted <= 0:
        return {}
    message = chat.messages.get(wanted)
    if message is None:
        if given.get("allow_sending_without_reply") or arguments.flag("allow_sending_without_reply"):
            return {}
        raise bad_request("message to be replied not found")
    shown = world.show(bot, chat, message)
    shown.pop("reply_to_message", None)
    return {"reply_to_message": shown}


def _editable(bot: Bot, arguments: Arguments) -> tuple[Chat, Message]:
    if not arguments.text("chat_id") and not arguments.integer("message_id"):
        raise bad_request("Message identifier is not specified")
    chat = writable_chat(bot, arguments)
    message = chat.messages.get(arguments.integer("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    # A message that carried a reply keyboard can't be edited either: can_edit_message in td.
    if not message.by_bot or message.has_other_markup or "forward_origin" in message.extra:
        raise bad_request("Message can't be edited")
    return chat, message


def _edit(
    world: TelegramWorld, bot: Bot, chat: Chat, message: Message, keyboard: list[list[Json]], **changes: Any
) -> Json:
    old = (message.body, message.media, message.inline_keyboard)
    new = (changes.get("body", message.body), changes.get("media", message.media), keyboard)
    if new == old:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same "
            "as a current content and reply markup of the message"
        )
    message.body, message.media, message.inline_keyboard = new
    message.edit_date = world.now()
    chat.changed.bump()
    return world.show(bot, chat, message)


def edit_message_text(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """editMessageText. Without a reply_markup the keyboard is removed."""
    body = checks.message_text(arguments, _mention(bot))
    keyboard = checks.inline_markup(arguments)
    chat, message = _editable(bot, arguments)
    if not message.is_text:
        raise bad_request("There is no text in the message to edit")
    checks.check_length(body, caption=False, editing=True)
    return _edit(world, bot, chat, message, keyboard, body=body)


def edit_message_caption(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """editMessageCaption. Without a caption it is removed."""
    body = checks.formatted(arguments, _mention(bot), name="caption", entities="caption_entities")
    keyboard = checks.inline_markup(arguments)
    chat, message = _editable(bot, arguments)
    if message.is_text:
        raise bad_request("There is no caption in the message to edit")
    checks.check_length(body, caption=True, editing=True)
    return _edit(world, bot, chat, message, keyboard, body=body)


def edit_message_reply_markup(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """editMessageReplyMarkup. Without a reply_markup the keyboard is removed."""
    keyboard = checks.inline_markup(arguments)
    chat, message = _editable(bot, arguments)
    return _edit(world, bot, chat, message, keyboard)


def edit_message_media(world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """editMessageMedia: replaces the file, or a text by a file."""
    given = arguments.structure("media", "Can't parse input media JSON object")
    if given is None:
        raise bad_request("Input media is not specified")
    if not isinstance(given, dict) or given.get("type") not in _MEDIA:
        raise bad_request("Can't parse InputMedia: type must be one of " + ", ".join(_MEDIA))
    kind, source = given["type"], str(given.get("media", ""))
    body = _caption(bot, given)
    keyboard = checks.inline_markup(arguments)
    chat, message = _editable(bot, arguments)
    checks.check_length(body, caption=True, editing=True)
    media = resolve(bot, kind, source or "attach://media", arguments)
    return _edit(world, bot, chat, message, keyboard, body=body, media=media)


def set_message_reaction(world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """setMessageReaction: at most one of the free emoji, on any message of the chat; an empty list removes it."""
    chat = writable_chat(bot, arguments)
    given = checks.reactions(arguments)
    message = chat.messages.get(arguments.integer("message_id"))
    if message is None:
        raise bad_request("message to react not found")
    message.reaction = given[0] if given else None
    chat.changed.bump()
    return True


def delete_message(world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """deleteMessage: the bot's own and, in a private chat, the person's."""
    if not arguments.text("chat_id"):
        raise bad_request("Chat identifier is not specified")
    wanted = arguments.integer("message_id")
    if wanted == 0:
        raise bad_request("Message identifier is not specified")
    chat = open_chat(bot, arguments)
    message = chat.messages.get(wanted)
    if message is None:
        raise bad_request("message to delete not found")
    if world.now() - message.date > DELETABLE_SECONDS:
        raise bad_request("Message can't be deleted for everyone")
    del chat.messages[wanted]
    if chat.reply_keyboard_message == wanted:
        chat.reply_keyboard = chat.reply_keyboard_message = None
    chat.changed.bump()
    return True


def send_chat_action(world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """sendChatAction: shown for five seconds or until a message arrives (as the Bot API describes)."""
    action = arguments.text("action").lower()
    if action not in _ACTIONS:
        raise bad_request("Wrong parameter action in request")
    chat = writable_chat(bot, arguments)
    chat.action = None if action == "cancel" else (action, world.clock.monotonic() + 5)
    chat.changed.bump()
    return True


def answer_callback_query(world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """answerCallbackQuery: once per tap, within its lifetime, up to 200 characters."""
    text = arguments.text("text")
    if len(text) > 200:
        raise bad_request("MESSAGE_TOO_LONG")
    tap = world.taps.answer(arguments.text("callback_query_id"), bot.username, text, arguments.flag("show_alert"))
    if tap is None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if (chat := bot.chats.get(tap.person)) is not None:
        chat.last_answer = {"tap_id": tap.tap_id, "text": tap.answer_text, "show_alert": tap.show_alert}
        if url := arguments.text("url"):
            chat.last_answer["url"] = url
        chat.changed.bump()
    return True
