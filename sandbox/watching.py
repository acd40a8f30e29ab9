"""Turns changes of the simulators and of the bot's process into events for the page."""

import asyncio
from collections.abc import Callable

from sandbox.border_log import BorderLog
from sandbox.bot_process import BotProcess
from sandbox.cast import BOTS, Cast
from sandbox.events import EventStream
from sandbox.lms.server import LmsSimulator
from sandbox.portal.server import PortalSimulator
from sandbox.signal import Signal
from sandbox.telegram.screens import screen
from sandbox.telegram.server import TelegramSimulator
from sandbox.telegram.world import Bot, Chat, Json
from sandbox.tour_facts import TourFacts

GATHER = 0.03  # seconds in which changes are gathered into one event
MOST_MESSAGES = 200  # of a chat, the newest


class Watch:
    """Publishes the state of everything, again after each change."""

    def __init__(
        self,
        stream: EventStream,
        telegram: TelegramSimulator,
        portal: PortalSimulator,
        lms: LmsSimulator,
        bot: BotProcess,
        cast: Cast,
        facts: TourFacts,
    ) -> None:
        self._stream = stream
        self._telegram, self._portal, self._lms = telegram, portal, lms
        self._bot, self._cast, self._facts = bot, cast, facts
        self._log = BorderLog(telegram.world, portal.world, lms.world, cast)
        self._listening_start = 0

    async def run(self) -> None:
        """Publish until cancelled."""
        telegram = self._telegram.world
        async with asyncio.TaskGroup() as tasks:
            for signal, publish in (
                (telegram.changed, self._screens),
                (telegram.journal.changed, self._bot_and_log),
                (self._bot.changed, self._bot_state),
                (self._portal.world.changed, self._portal_state),
                (self._lms.world.changed, self._lms_state),
                (self._cast.changed, self._people),
            ):
                tasks.create_task(_after_each(signal, publish))

    def begin_again(self) -> None:
        """Publish the simulators' new state: they were reset."""
        self._log.forget()
        self._facts.forget()
        for publish in (self._people, self._screens, self._bot_state, self._portal_state, self._lms_state):
            publish()

    def bot_state(self) -> Json:
        """The state of the bot's process; `starting` until every bot polls Telegram for updates."""
        state: str = self._bot.state
        if state == "running":
            known = self._telegram.world.by_username
            if all((bot := known.get(each.username)) and bot.poll is not None for each in BOTS.values()):
                self._listening_start = self._bot.starts
            if self._listening_start != self._bot.starts:
                state = "starting"
        return {
            "state": state,
            "start": self._bot.starts,
            "outcome": self._bot.outcome,
            "last_line": self._bot.last_line,
        }

    def _screens(self) -> float | None:
        """Publish the chats and what follows from them; returns the seconds until a "typing" is over."""
        wait = self._chats()
        self._people()
        self._facts_now()
        return wait

    def _chats(self) -> float | None:
        world, waits = self._telegram.world, list[float]()
        for person in list(self._cast.people.values()):
            for kind in person.chats:
                bot = self._cast.bot(kind)
                if bot is None or person.id not in world.people:
                    continue
                chat = bot.screen(world.people[person.id])
                shown = self._shown(bot, chat)
                known = {"bot": kind, "username": bot.username, "person": person.id}
                self._stream.state("screen", known | {"screen": shown}, (kind, person.id))
                if shown["action"] is not None and chat.action is not None:
                    waits.append(chat.action[1] - world.clock.monotonic())
        return max(0.1, min(waits)) if waits else None

    def _shown(self, bot: Bot, chat: Chat) -> Json:
        shown = screen(self._telegram.world, chat)
        shown["messages"] = shown["messages"][-MOST_MESSAGES:]
        language = chat.person.language_code
        shown["started"] = chat.person.id in bot.chats
        shown["commands"] = _commands(bot, chat.person.id, language)
        shown["description"] = bot.descriptions.get(("description", language)) or bot.descriptions.get(
            ("description", ""), ""
        )
        return shown

    def _bot_and_log(self) -> None:
        self._bot_state()
        self._entries()
        self._tour()

    def _bot_state(self) -> None:
        self._stream.state("bot", self.bot_state())

    def _portal_state(self) -> None:
        world, now = self._portal.world, self._portal.world.clock.monotonic()
        signed_in = {each.student for each in self._portal.sessions.all() if each.student is not None}
        lessons = [
            world.lesson_json(each) | {"seconds_left": round(each.seconds_left(now))} for each in world.lessons.values()
        ]
        marks = [
            {
                "student": mark.username,
                "lesson": mark.lesson,
                "subject": world.lessons[mark.lesson].subject,
                "at": mark.at,
                "seconds": round(mark.monotonic - world.lessons[mark.lesson].opened, 1),
            }
            for mark in world.marks()
        ]
        state = {
            "lessons": lessons,
            "behaviour": self._portal.behaviour.as_json(),
            "signed_in": sorted(world.username(each) or each for each in signed_in),
            "marks": marks,
        }
        self._stream.state("portal", state)
        self._entries()
        self._tour()

    def _lms_state(self) -> None:
        world = self._lms.world
        batches = [
            {"batch": batch, "students": [{"id": each.id, "name": each.name} for each in students.values()]}
            for batch, students in world.batches.items()
        ]
        records = [
            {
                "location": location,
                "batch": batch,
                "subject": subject,
                "date": day,
                "students": {student: mark.status for student, mark in record.marks.items()},
                "writes": len(record.writes),
            }
            for (location, batch, subject, day), record in world.records.items()
        ]
        signed_in = sorted(email for email in world.sign_ins if world.live_sign_in(email) is not None)
        state = {"batches": batches, "records": records, "behaviour": vars(world.behaviour).copy()}
        self._stream.state("lms", state | {"signed_in": signed_in})
        self._entries()
        self._tour()

    def _people(self) -> None:
        self._stream.state("people", {"people": self._cast.shown()})

    def _entries(self) -> None:
        for entry in self._log.news():
            self._stream.add("log", entry)

    def _tour(self) -> None:
        """Publish the facts of the tour, after the messages from which they follow."""
        self._chats()
        self._facts_now()

    def _facts_now(self) -> None:
        self._stream.state("tour", {"facts": self._facts.now()})


def _commands(bot: Bot, person: int, language: str) -> list[Json]:
    """The commands that a person's app shows: of the narrowest scope, in the person's language if there is one."""
    for scope in (f"chat:{person}", "all_private_chats", "default"):
        for code in (language, ""):
            if (scope, code) in bot.commands:
                return bot.commands[scope, code]
    return []


async def _after_each(signal: Signal, publish: Callable[[], float | None]) -> None:
    """Publish now and after each change, and when the seconds that `publish` returned are over."""
    while True:
        seen = signal.version
        wait = publish()
        await signal.wait_past(seen, wait)
        await asyncio.sleep(GATHER)
