"""A chat as the person sees it in the app, as JSON."""

from sandbox.telegram.world import Chat, Json, Message, TelegramWorld


def message_json(message: Message) -> Json:
    """A message as the person sees it."""
    buttons = [
        [{"data" if name == "callback_data" else name: value for name, value in button.items()} for button in row]
        for row in message.inline_keyboard
    ]
    return {
        "message_id": message.message_id,
        "from": "bot" if message.by_bot else "person",
        "text": message.body.text,
        "html": message.body.html,
        "buttons": buttons,
        "date": message.date,
        "edited": message.edit_date is not None,
        "rang": message.by_bot and not message.silent,
        **message.media,
        **({"reaction": message.reaction} if message.reaction else {}),
        **({"forwarded": True} if "forward_origin" in message.extra else {}),
    }


def screen(world: TelegramWorld, chat: Chat) -> Json:
    """The current chat with a bot as the person sees it."""
    action = chat.action[0] if chat.action and chat.action[1] > world.clock.monotonic() else None
    return {
        "version": chat.changed.version,
        "messages": [message_json(message) for message in chat.messages.values()],
        "reply_keyboard": chat.reply_keyboard,
        "blocked": chat.blocked,
        "action": action,
        "last_answer": chat.last_answer,
        "menu_button": chat.menu_button,
    }
