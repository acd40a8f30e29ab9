"""Validates what a bot sends (texts, keyboards, commands) and answers violations with Telegram's own 400 errors.

Sources: core.telegram.org/bots/api for the limits; telegram-bot-api and td of github.com/tdlib for the error texts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram.arguments import Arguments
from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.html import TextError, parse_html
from sandbox.telegram.text import Formatted, checked_link

Json = dict[str, Any]
Mention = Callable[[int], Json | None]

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_DATA = 64
MAX_TEXT_BYTES = 1 << 15
MAX_BUTTONS = 100
# core.telegram.org/bots/api#reactiontypeemoji
REACTIONS = frozenset(
    ["👍", "👎", "❤", "🔥", "🥰", "👏", "😁", "🤔", "🎉", "👌", "🙏", "👀", "🤝", "✍", "💯"]
)  # the commonest of them
_BUTTON_KINDS = (
    "callback_game", "pay", "switch_inline_query", "switch_inline_query_chosen_chat",
    "switch_inline_query_current_chat", "login_url", "web_app", "copy_text",
)  # fmt: skip


@dataclass(slots=True)
class Markup:
    """A validated reply_markup: an inline keyboard, or a `reply` keyboard, its removal, or a forced reply."""

    inline: list[list[Json]] = field(default_factory=list)
    reply: Json | None = None
    remove: bool = False
    force_reply: bool = False


def formatted(arguments: Arguments, mention: Mention, *, name: str = "text", entities: str = "entities") -> Formatted:
    """Parse and clean the text or caption of a call. Its length is checked by `check_length`."""
    source = arguments.text(name)
    return parse_text(
        source, arguments.text("parse_mode"), arguments.structure(entities, "Can't parse entities"), mention
    )


def parse_text(source: str, parse_mode: str, entities: Any, mention: Mention) -> Formatted:
    """Parse a text by its parse mode. HTML and plain text are supported; Markdown is refused as an unknown mode."""
    if len(source.encode()) > MAX_TEXT_BYTES:
        raise bad_request("Text is too long")
    mode = parse_mode.lower()
    if not source or mode in ("", "none"):
        kept = [
            entity
            for entity in (entities if isinstance(entities, list) else [])
            if isinstance(entity, dict) and {"type", "offset", "length"} <= entity.keys()
        ]
        return Formatted(source, kept).cleaned().with_commands()
    if mode != "html":
        raise bad_request("Unsupported parse_mode")
    try:
        return parse_html(source, mention).cleaned().with_commands()
    except TextError as error:
        raise bad_request(f"Can't parse entities: {error}") from None


def message_text(arguments: Arguments, mention: Mention) -> Formatted:
    """Parse the text of sendMessage or editMessageText, which must not be empty."""
    if not arguments.text("text"):
        raise bad_request("Message text is empty")
    text = formatted(arguments, mention)
    if not text.text:
        raise bad_request("Text must be non-empty")
    return text


def reply_markup(arguments: Arguments) -> Markup:
    """Validate the reply_markup of a call."""
    value = arguments.structure("reply_markup", "Can't parse reply keyboard markup JSON object")
    if value is None:
        return Markup()
    if not isinstance(value, dict):
        raise bad_request("Object expected as reply markup")
    if value.get("keyboard"):
        rows = _rows(value, "keyboard", "", _keyboard_button)
        return Markup(reply={**value, "keyboard": rows})
    if value.get("inline_keyboard"):
        return Markup(inline=_rows(value, "inline_keyboard", " of the InlineKeyboardMarkup", _inline_button))
    return Markup(remove=value.get("remove_keyboard") is True, force_reply=value.get("force_reply") is True)


def inline_markup(arguments: Arguments) -> list[list[Json]]:
    """Validate the keyboard of an edit, which can only be an inline one."""
    markup = reply_markup(arguments)
    if markup.reply or markup.remove or markup.force_reply:
        raise bad_request("Inline keyboard expected")
    return markup.inline


def _rows(markup: Json, name: str, of: str, button: Callable[[Any], Json]) -> list[list[Json]]:
    rows = markup[name]
    if not isinstance(rows, list):
        raise bad_request(f'Field "{name}" must be of type Array')
    if not all(isinstance(row, list) for row in rows):
        raise bad_request(f'Field "{name}"{of} must be an Array of Arrays')
    checked = [[button(one) for one in row] for row in rows]
    if sum(map(len, checked)) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return [row for row in checked if row]


def _keyboard_button(button: Any) -> Json:
    if isinstance(button, str):
        button = {"text": button}
    if not isinstance(button, dict):
        raise bad_request("Can't parse keyboard button: KeyboardButton must be a String or an Object")
    if not isinstance(button.get("text"), str):
        raise bad_request("Can't parse keyboard button: Can't find field \"text\"")
    if not button["text"]:
        raise bad_request("Keyboard button text must be non-empty")
    return dict(button)


def _inline_button(button: Any) -> Json:
    parsing = "Can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise bad_request(f"{parsing}InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise bad_request(f'{parsing}Can\'t find field "text"')
    if not text:
        raise bad_request("Inline keyboard button text must be non-empty")
    shown: Json = {"text": text}
    if url := button.get("url"):
        try:
            return shown | {"url": checked_link(str(url))}
        except ValueError as error:
            raise bad_request(f"Inline keyboard button URL '{url}' is invalid: {error}") from None
    if data := button.get("callback_data"):
        if len(str(data).encode()) > MAX_CALLBACK_DATA:
            raise bad_request("BUTTON_DATA_INVALID")
        return shown | {"callback_data": str(data)}
    if kind := next((name for name in _BUTTON_KINDS if name in button), None):
        return shown | {kind: button[kind]}
    raise bad_request(f"{parsing}Text buttons are unallowed in the inline keyboard")


def reactions(arguments: Arguments) -> list[str]:
    """Validate the reaction of setMessageReaction: a bot may set one emoji of the list, no custom or paid one."""
    given = arguments.structure("reaction", "Can't parse reaction type JSON object") or []
    if not isinstance(given, list):
        raise bad_request("Expected an Array of ReactionType")
    for one in given:
        if not isinstance(one, dict):
            raise bad_request("Can't parse ReactionType: expected an Object")
        if one.get("type") not in ("emoji", "custom_emoji", "paid"):
            raise bad_request("Can't parse ReactionType: invalid reaction type specified")
        if one["type"] != "emoji" or one.get("emoji") not in REACTIONS:
            raise bad_request("REACTION_INVALID")
    if len(given) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    return [str(one["emoji"]) for one in given]


def check_length(body: Formatted, *, caption: bool, editing: bool = False) -> None:
    """Check the length after parsing: 4096 for a text, 1024 for a caption. For an edit the error is a bare constant."""
    if body.length > (MAX_CAPTION if caption else MAX_TEXT):
        constant, words = (
            ("MEDIA_CAPTION_TOO_LONG", "Message caption is too long")
            if caption
            else ("MESSAGE_TOO_LONG", "Message is too long")
        )
        raise bad_request(constant if editing else words)


def language(arguments: Arguments) -> str:
    """Validate the language_code: a two-letter ISO 639-1 code, or empty."""
    code = arguments.text("language_code")
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("Invalid language code specified")
    return code


def commands(arguments: Arguments) -> list[Json]:
    """Validate the list of setMyCommands: at most 100; names of a-z, 0-9 and _, up to 32; descriptions up to 256."""
    given = arguments.structure("commands", "Can't parse commands JSON object") or []
    if not isinstance(given, list):
        raise bad_request("Expected an Array of BotCommand")
    checked = []
    for one in given:
        if not isinstance(one, dict):
            raise bad_request("Can't parse BotCommand: expected an Object")
        for name in ("command", "description"):
            if not isinstance(one.get(name), str):
                raise bad_request(f"Can't parse BotCommand: Can't find field \"{name}\"")
        command, description = one["command"].strip().removeprefix("/"), one["description"].strip()
        if not command:
            raise bad_request("Command must be non-empty")
        if len(command) > 32:
            raise bad_request("Command length must not exceed 32")
        if not description:
            raise bad_request("Command description must be non-empty")
        if len(description) > 256:
            raise bad_request("Command description length must not exceed 256")
        if not re.fullmatch(r"[a-z0-9_]+", command):
            raise bad_request("BOT_COMMAND_INVALID")
        checked.append({"command": command, "description": description})
    if len(checked) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    return checked


def image(content: bytes) -> None:
    """Check that the file of sendPhoto is a picture."""
    if not content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"RIFF")):
        raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED")
