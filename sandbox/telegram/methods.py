"""The Bot API's methods: updates, chats, commands and descriptions, and the table of all methods by name."""

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.telegram import checks, messages
from sandbox.telegram.arguments import Arguments
from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.files import get_file
from sandbox.telegram.world import CONFLICT, Bot, Json, TelegramWorld

Method = Callable[[TelegramWorld, Bot, Arguments], Any]

# LONG_POLL_MAX_TIMEOUT of telegram-bot-api.
MAX_TIMEOUT = 50
_SCOPES = {
    "default", "all_private_chats", "all_group_chats", "all_chat_administrators", "chat",
    "chat_administrators", "chat_member",
}  # fmt: skip
_ABILITIES = (
    "can_join_groups", "can_read_all_group_messages", "supports_inline_queries", "can_connect_to_business",
    "has_main_web_app",
)  # fmt: skip
_GIFTS = (
    "unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels",
)  # fmt: skip


def get_me(_world: TelegramWorld, bot: Bot, _arguments: Arguments) -> Json:
    """getMe."""
    return {**bot.user(), **dict.fromkeys(_ABILITIES, False)}


async def get_updates(world: TelegramWorld, bot: Bot, arguments: Arguments) -> list[Json]:
    """getUpdates: long polling. A second poll ends the first one with 409."""
    start = bot.confirm(arguments.integer("offset"), world.clock.monotonic())
    limit = min(100, max(1, arguments.integer("limit", 100)))
    seconds = min(MAX_TIMEOUT, max(0, arguments.integer("timeout")))
    if arguments.has("allowed_updates"):
        wanted = arguments.structure("allowed_updates", "Can't parse allowed updates")
        # An empty list restores the default set; without the argument the previous choice stays.
        if isinstance(wanted, list):
            bot.allowed_updates = frozenset(map(str, wanted)) or None
    bot.end_poll(ApiError(409, CONFLICT))
    ready = bot.waiting(start, limit)
    if ready or seconds == 0:
        return ready
    poll: asyncio.Future[ApiError | None] = asyncio.get_running_loop().create_future()
    bot.poll = poll
    try:
        async with asyncio.timeout(seconds):
            error = await poll
    except TimeoutError:
        return []
    finally:
        if bot.poll is poll:
            bot.poll = None
    if error is not None:
        raise error
    return bot.waiting(start, limit)


def delete_webhook(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """deleteWebhook: there is none; drops the waiting updates if requested."""
    if arguments.flag("drop_pending_updates"):
        bot.updates.clear()
    return True


def get_webhook_info(_world: TelegramWorld, bot: Bot, _arguments: Arguments) -> Json:
    """getWebhookInfo."""
    info: Json = {"url": "", "has_custom_certificate": False, "pending_update_count": len(bot.updates)}
    return info | ({"allowed_updates": sorted(bot.allowed_updates)} if bot.allowed_updates else {})


def get_chat(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """getChat of a private chat."""
    chat = messages.open_chat(bot, arguments)
    return {
        **chat.person.chat(),
        "accent_color_id": chat.person.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, True),
    }


def _scope(bot: Bot, arguments: Arguments) -> str:
    """Return the scope as a key: its type, for one chat with the id. A chat's scope requires an existing chat."""
    given = arguments.structure("scope", "Can't parse BotCommandScope JSON object")
    if given is None:
        return "default"
    if not isinstance(given, dict):
        raise bad_request("Can't parse BotCommandScope: BotCommandScope must be an Object")
    kind = given.get("type")
    if not isinstance(kind, str):
        raise bad_request("Can't parse BotCommandScope: Can't find field \"type\"")
    if kind not in _SCOPES:
        raise bad_request("Can't parse BotCommandScope: Unsupported type specified")
    if not kind.startswith("chat"):
        return kind
    if "chat_id" not in given:
        raise bad_request("Can't parse BotCommandScope: Can't find field \"chat_id\"")
    chat = messages.open_chat(bot, Arguments({"chat_id": str(given["chat_id"])}, {}))
    if kind != "chat":
        raise bad_request("method is available only for groups and supergroups")
    return f"chat:{chat.person.id}"


def set_my_commands(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """setMyCommands."""
    commands = checks.commands(arguments)
    bot.commands[_scope(bot, arguments), checks.language(arguments)] = commands
    bot.changed.bump()
    return True


def delete_my_commands(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """deleteMyCommands."""
    bot.commands.pop((_scope(bot, arguments), checks.language(arguments)), None)
    bot.changed.bump()
    return True


def get_my_commands(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> list[Json]:
    """getMyCommands: exactly the list set for this scope and language."""
    return bot.commands.get((_scope(bot, arguments), checks.language(arguments)), [])


def set_chat_menu_button(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
    """setChatMenuButton, for one person or for all."""
    button = arguments.structure("menu_button", "Can't parse menu button JSON object") or {"type": "default"}
    if not isinstance(button, dict) or button.get("type") not in ("default", "commands", "web_app"):
        raise bad_request("Can't parse menu button: MenuButton has unsupported type")
    if not arguments.has("chat_id"):
        bot.menu_button = button
        bot.changed.bump()
        return True
    chat = bot.chats.get(arguments.integer("chat_id"))
    if chat is None:
        raise bad_request("user not found")
    chat.menu_button = button
    chat.changed.bump()
    return True


def get_chat_menu_button(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """getChatMenuButton."""
    chat = bot.chats.get(arguments.integer("chat_id"))
    return (chat.menu_button if chat else None) or bot.menu_button


def _describe(name: str, most: int) -> Method:
    def method(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> bool:
        text = arguments.text(name)
        if len(text) > most:
            # The limit is documented, the error text is not.
            raise bad_request(f"{name.replace('_', ' ')} is too long")
        bot.descriptions[name, checks.language(arguments)] = text
        bot.changed.bump()
        return True

    return method


def _described(name: str) -> Method:
    def method(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
        language = checks.language(arguments)
        return {name: bot.descriptions.get((name, language)) or bot.descriptions.get((name, ""), "")}

    return method


METHODS: dict[str, Method] = {
    "getme": get_me,
    "getupdates": get_updates,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "getchat": get_chat,
    "getfile": get_file,
    "sendmessage": messages.send_message,
    "sendphoto": messages.send_photo,
    "senddocument": messages.send_document,
    "sendmediagroup": messages.send_media_group,
    "sendchataction": messages.send_chat_action,
    "editmessagetext": messages.edit_message_text,
    "editmessagecaption": messages.edit_message_caption,
    "editmessagemedia": messages.edit_message_media,
    "editmessagereplymarkup": messages.edit_message_reply_markup,
    "deletemessage": messages.delete_message,
    "setmessagereaction": messages.set_message_reaction,
    "answercallbackquery": messages.answer_callback_query,
    "setmycommands": set_my_commands,
    "deletemycommands": delete_my_commands,
    "getmycommands": get_my_commands,
    "setchatmenubutton": set_chat_menu_button,
    "getchatmenubutton": get_chat_menu_button,
    # core.telegram.org/bots/api#setmydescription: 0-512 characters, the short one 0-120.
    "setmydescription": _describe("description", 512),
    "getmydescription": _described("description"),
    "setmyshortdescription": _describe("short_description", 120),
    "getmyshortdescription": _described("short_description"),
}
