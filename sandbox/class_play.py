"""Simulates a class over HTTP: each student opens the student's bot by the code's link and checks in.

`python -m sandbox.class_play --telegram URL --bot NAME --code 482913 --students 30 --over 60` runs against a running
Telegram simulator. Students are S0001, S0002, ...; they arrive at random times within `--over` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.challenges import motions_in

PATIENCE = 300.0
"""Seconds for which a student waits for an answer."""
CHALLENGE = "Record a round video"
# Texts of the messages that ask for another video, or say that the teacher has to look; and of the one that says that
# the teacher confirms it.
AGAIN = (
    "Once more",
    "I did not see the motions",
    "could not match your face",
    "No face was found",
    "two faces in the video",
    "in view all the time",
    "too dark to see",
    "video can't be read",
    "Your teacher has to look",
)
CHECKED = "Your video is checked"
# Texts of the messages that end a check-in: no need to wait for another one.
REFUSED = ("don't match", "Too many wrong codes", "was not finished", "This code is over")


@dataclass
class StudentResult:
    """When each step of one student's check-in happened, in monotonic seconds; 0 if it did not."""

    arrived: float = 0.0
    asked_place: float = 0.0
    shared: float = 0.0  # the location
    waiting: float = 0.0
    note_sent: float = 0.0
    acknowledged: float = 0.0
    answered: float = 0.0  # marked, told that the teacher confirms it or has to look, or asked for another video
    marked: float = 0.0  # likewise, without the last
    messages: int = 0
    error: str = ""


Notes = Callable[[int, tuple[str, ...]], bytes]
"""Makes a student's video note from the student's number and the requested motions."""


@dataclass
class ClassPlay:
    """A class of students at one place."""

    telegram: str
    bot: str
    students: int
    over: float
    latitude: float = 43.25
    longitude: float = 76.95
    first_person: int = 100_000
    first_id: int = 1  # S0001
    seed: int = 7
    notes: Notes | None = None
    recording: float = 5.0  # seconds that a student takes for a note
    known: bool = False  # everybody's ID and consent are stored from an earlier lesson
    # Seconds, from and to, that a student takes to read a message and act; the time begins when it is in the chat.
    acting: tuple[float, float] = (0.0, 0.0)
    results: list[StudentResult] = field(default_factory=list)
    _context: ssl.SSLContext = field(default_factory=ssl.create_default_context)  # slow to make

    async def play(self, code: str) -> list[StudentResult]:
        """Let all students arrive and check in; return one result per student."""
        chance = random.Random(self.seed)
        self.results = [StudentResult() for _ in range(self.students)]
        moments = sorted(chance.uniform(0, self.over) for _ in range(self.students))
        async with self._client() as http:
            for number in range(self.students):  # one after another: no code grows old while connections are refused
                person = {"id": self.first_person + number, "first_name": f"Student {number + 1}"}
                await self._call(http, "/people", **person, language_code="en")
        await asyncio.gather(*(self._student(number, moments[number], code) for number in range(self.students)))
        return self.results

    def _client(self) -> httpx.AsyncClient:
        """Return a client of one student's own: in a pool of a thousand each request searches all connections."""
        return httpx.AsyncClient(
            base_url=f"{self.telegram}/control", trust_env=False, timeout=PATIENCE, verify=self._context
        )

    async def _student(self, number: int, after: float, code: str) -> None:
        async with self._client() as http:
            await self._checks_in(http, number, after, code)

    async def _checks_in(self, http: httpx.AsyncClient, number: int, after: float, code: str) -> None:
        result, person = self.results[number], self.first_person + number
        chance = random.Random(f"{self.seed} {number}")

        async def acts() -> None:
            await asyncio.sleep(chance.uniform(*self.acting))

        try:
            await asyncio.sleep(after)
            result.arrived = time.monotonic()
            await self._says(http, person, text=f"/start {code}")
            if not self.known:
                await self._sees(http, person, "student ID")
                await acts()
                await self._says(http, person, text=f"S{self.first_id + number:04}")
            await self._sees(http, person, "The code is right")
            result.asked_place = time.monotonic()
            await acts()
            result.shared = time.monotonic()
            near = self.latitude + (number % 20) / 111_110
            await self._says(http, person, location={"latitude": near, "longitude": self.longitude})
            if self.notes is None:
                await self._is_accepted(http, person)
            else:
                await self._shows_face(http, number, result, self.notes, acts)
            result.waiting = time.monotonic()
            result.messages = await self._sees(http, person, "Attendance marked", CHECKED, *AGAIN)
            result.answered = time.monotonic()
            if not await self._is_there(http, person, *AGAIN):
                result.marked = result.answered
        except (httpx.HTTPError, RuntimeError) as error:
            result.error = f"{type(error).__name__}: {error}"

    async def _shows_face(
        self,
        http: httpx.AsyncClient,
        number: int,
        result: StudentResult,
        notes: Notes,
        acts: Callable[[], Awaitable[None]],
    ) -> None:
        """Give consent if asked, send the requested video note, and wait for the acknowledgement."""
        person = self.first_person + number
        if not self.known:
            await self._sees(http, person, "Now your face")
            await acts()
            await self._taps(http, person, "I Agree")
        await self._sees(http, person, CHALLENGE)
        note = await asyncio.to_thread(notes, number, await self._asked(http, person))
        await acts()
        await asyncio.sleep(self.recording)
        content = {"base64": base64.b64encode(note).decode("ascii"), "duration": max(2, round(self.recording))}
        await self._says(http, person, video_note=content)
        result.note_sent = time.monotonic()
        await self._sees(http, person, "Received", "Attendance marked", CHECKED)
        result.acknowledged = time.monotonic()

    async def _is_there(self, http: httpx.AsyncClient, person: int, *words: str) -> bool:
        """Return whether one of these texts is on the screen."""
        answer = await http.get("/chat", params={"bot": self.bot, "person": person})
        said = [each["text"] or "" for each in answer.raise_for_status().json()["messages"]]
        return any(each in text for text in said for each in words)

    async def _asked(self, http: httpx.AsyncClient, person: int) -> tuple[str, ...]:
        """Return the motions of the challenge in their order."""
        answer = await http.get("/chat", params={"bot": self.bot, "person": person})
        said = [each["text"] or "" for each in answer.raise_for_status().json()["messages"]]
        return motions_in(next(each for each in reversed(said) if CHALLENGE in each))

    async def _taps(self, http: httpx.AsyncClient, person: int, label: str) -> None:
        answer = await http.get("/chat", params={"bot": self.bot, "person": person})
        messages = answer.raise_for_status().json()["messages"]
        message = next(
            each["message_id"]
            for each in reversed(messages)
            if any(button["text"] == label for row in each["buttons"] or [] for button in row)
        )
        await self._call(http, "/tap", bot=self.bot, person=person, message_id=message, button=label)

    async def _says(self, http: httpx.AsyncClient, person: int, **content: Any) -> None:
        await self._call(http, "/send", bot=self.bot, person=person, **content)

    async def _is_accepted(self, http: httpx.AsyncClient, person: int) -> None:
        """Wait for the reaction to the location, or for the words that replace it."""
        await self._sees(http, person, "You are in the right place. Your teacher", reaction=True)

    async def _sees(self, http: httpx.AsyncClient, person: int, *words: str, reaction: bool = False) -> int:
        """Wait until a bot message contains one of these texts; return how many messages the bot has sent so far.

        With ``reaction`` a reaction of the bot to a message of the student is enough.
        """
        deadline, version = time.monotonic() + PATIENCE, None
        said: list[str] = []
        while time.monotonic() < deadline:
            params: dict[str, str | int] = {"bot": self.bot, "person": person, "timeout": 20}
            if version is not None:
                params["since"] = version
            answer = await http.get("/chat", params=params)
            chat = answer.raise_for_status().json()
            version = chat["version"]
            said = [each["text"] or "" for each in chat["messages"] if each["from"] == "bot"]
            reacted = reaction and any(each.get("reaction") for each in chat["messages"])
            if reacted or any(each in text for text in said for each in words):
                return len(said)
            if said and any(each in said[-1] for each in REFUSED):
                raise RuntimeError(f"refused while waiting for '{words[0]}': '{said[-1]}'")
        raise RuntimeError(f"no message contains '{words[0]}'; the last was '{said[-1] if said else ''}'")

    async def _call(self, http: httpx.AsyncClient, path: str, **body: Any) -> None:
        answer = await http.post(path, json=body)
        if answer.is_error:
            raise RuntimeError(answer.text)


def main() -> int:
    """Simulate a class of students who check in; exit code 1 if any was not marked."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.class_play", description=main.__doc__)
    parser.add_argument("--telegram", required=True, help="the simulator's address")
    parser.add_argument("--bot", required=True, help="the student's bot, without the @")
    parser.add_argument("--code", required=True)
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--over", type=float, default=60, help="seconds within which they arrive")
    arguments = parser.parse_args()
    play = ClassPlay(arguments.telegram, arguments.bot, arguments.students, arguments.over)
    results = asyncio.run(play.play(arguments.code))
    marked = sum(bool(result.marked) for result in results)
    print(f"{marked} of {len(results)} marked")
    for result in results:
        if result.error:
            print(result.error, file=sys.stderr)
    return 0 if marked == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
