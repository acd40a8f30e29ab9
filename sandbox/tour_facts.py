"""Facts from which the guided tour's steps tick themselves off: the state of the world, never taps on the page."""

import json
from pathlib import Path
from typing import Any

from sandbox.cast import ADMIN, BOTS, MARKER, STUDENTS, TEACHER, TEACHERS, Cast
from sandbox.lms.world import LmsWorld
from sandbox.portal.world import PortalWorld
from sandbox.telegram.world import Bot, Chat, TelegramWorld


class TourFacts:
    """What has happened so far. A fact that was true once stays true, until the sandbox is started again."""

    def __init__(self, telegram: TelegramWorld, portal: PortalWorld, lms: LmsWorld, cast: Cast, data: Path) -> None:
        self._telegram, self._portal, self._lms, self._cast = telegram, portal, lms, cast
        self._students_file = data / "students.json"
        self._facts: dict[str, bool] = {}
        self.forget()

    def forget(self) -> None:
        """Begin again with nothing."""
        self._facts = dict.fromkeys(
            (
                "invited", "registered", "monitoring", "lesson_open", "marked",
                "teacher_signed_in", "session_open", "code_entered", "place_shared", "face_sent",
                "recorded", "report_sent",
            ),
            False,
        )  # fmt: skip

    def now(self) -> dict[str, bool]:
        """All facts."""
        for name, is_true in self._seen().items():
            self._facts[name] = self._facts[name] or is_true
        return dict(self._facts)

    def _seen(self) -> dict[str, bool]:
        students = self._registered()
        return {
            "invited": _has_link(self._chat(MARKER, ADMIN.id), MARKER),
            "registered": bool(students),
            "monitoring": any(each.get("monitoring") is True for each in students),
            "lesson_open": bool(self._portal.lessons),
            "marked": bool(self._portal.marks()),
            "teacher_signed_in": any(self._lms.live_sign_in(email) for email in list(self._lms.sign_ins)),
            "session_open": _has_link(self._chat(TEACHERS, TEACHER.id), STUDENTS),
            "code_entered": any(_asks_place(chat) for chat in self._students_chats()),
            "place_shared": any(_has_sent(chat, "location") for chat in self._students_chats()),
            "face_sent": any(_has_sent(chat, "video_note") for chat in self._students_chats()),
            "recorded": any(mark.status for record in self._lms.records.values() for mark in record.marks.values()),
            "report_sent": _has_got(self._chat(TEACHERS, TEACHER.id), "document"),
        }

    def _registered(self) -> list[dict[str, Any]]:
        """The bot's own file of registered students, whose format is public; empty while there is none."""
        try:
            content = json.loads(self._students_file.read_bytes())
        except (OSError, ValueError):
            return []
        entries = content.values() if isinstance(content, dict) else []
        return [each for each in entries if isinstance(each, dict) and "telegram_id" in each]

    def _bot(self, kind: str) -> Bot | None:
        return self._telegram.by_username.get(BOTS[kind].username)

    def _chat(self, kind: str, person: int) -> Chat | None:
        bot = self._bot(kind)
        return bot.chats.get(person) if bot is not None else None

    def _students_chats(self) -> list[Chat]:
        bot = self._bot(STUDENTS)
        return list(bot.chats.values()) if bot is not None else []


def _has_link(chat: Chat | None, kind: str) -> bool:
    """Whether the bot has sent a link that starts a chat with a bot of ours."""
    wanted = f"t.me/{BOTS[kind].username}?start="
    return chat is not None and any(
        message.by_bot and (wanted in message.body.html or wanted in str(message.inline_keyboard))
        for message in chat.messages.values()
    )


def _asks_place(chat: Chat) -> bool:
    keyboard = chat.reply_keyboard or {}
    return any(button.get("request_location") for row in keyboard.get("keyboard", []) for button in row)


def _has_sent(chat: Chat, what: str) -> bool:
    return any(not message.by_bot and what in message.media for message in chat.messages.values())


def _has_got(chat: Chat | None, what: str) -> bool:
    return chat is not None and any(message.by_bot and what in message.media for message in chat.messages.values())
