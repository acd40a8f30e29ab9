"""The simulated LMS with one batch in it, and the REST adapter connected to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import httpx

from classroom.domain.sessions import Course, Status, Teacher
from classroom.lms import Line, Record
from classroom.lms.rest import RestLms
from classroom.store import Store
from sandbox.lms.server import LmsSimulator
from tests.classroom.lms.fakes import DATE, TEACHER, MemoryStore, students
from tests.waiting import PATIENCE

PASSWORD = "correct horse"
COURSE = Course("A", "Algorithms")
NAMES = ["_*<&'> 🙂", "Ә. Ученик", "C"]


class Clock:
    """The clock of the adapter and the simulator, set by the tests."""

    def __init__(self) -> None:
        self.seconds = 1_780_000_000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class Scene:
    """A teacher with one batch, in the LMS and in our store."""

    def __init__(self, generation: str) -> None:
        self.clock = Clock()
        self.simulator = LmsSimulator(generation, lambda: self.clock.seconds)
        self.world = self.simulator.world
        self.store = MemoryStore()
        self.teacher: Teacher = TEACHER
        self.url = ""

    @asynccontextmanager
    async def playing(self, size: int = 3) -> AsyncIterator["Scene"]:
        async with (
            self.simulator.serving() as self.url,
            httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE) as http,
        ):
            self.http = http
            await self.control("teachers", **account())
            rosters = {
                "A": [
                    {"id": each.student_id, "name": (NAMES + [each.name] * size)[number], "email": ""}
                    for number, each in enumerate(students("A", size))
                ]
            }
            for batch, roster in rosters.items():
                await self.control("batches", batch=batch, students=roster)
                await self.control("courses", email=TEACHER.email, batch=batch, subject=COURSE.subject)
            self.lms = self.new_lms()
            yield self
            await self.lms.close()

    def new_lms(self, timeout: float = PATIENCE) -> RestLms:
        login = self.url + self.simulator.login_path()
        return RestLms(self.url + "/api/v1", login, cast(Store, self.store), self.clock, timeout=timeout)

    async def restarts(self) -> RestLms:
        """Return a new adapter, which has only the store's data."""
        await self.lms.close()
        self.lms = self.new_lms()
        return self.lms

    async def signs_in(self) -> None:
        self.teacher = (await self.lms.sign_in(TEACHER.telegram_id, TEACHER.phone, TEACHER.email, PASSWORD)).teacher
        self.store.teachers[self.teacher.telegram_id] = self.teacher

    async def control(self, path: str, **body: Any) -> Any:
        return (await self.http.post(f"/control/{path}", json=body)).raise_for_status().json()

    async def behave(self, **changes: Any) -> None:
        await self.control("behaviour", **changes)

    def record(self, *present: str) -> Record:
        lines = tuple(
            Line(each.id, each.name, Status.PRESENT if each.id in present else Status.ABSENT)
            for each in self.world.batches["A"].values()
        )
        return Record("Main", "A", "Algorithms", DATE, lines)

    def present(self) -> set[str]:
        """The students who are present in the LMS's record."""
        marks = self.world.records["Main", "A", "Algorithms", DATE].marks
        return {student_id for student_id, mark in marks.items() if mark.status}

    def calls(self, since: int = 0) -> list[tuple[str, int]]:
        """The calls since then, with their answers' statuses; 0: no answer."""
        return [(each["call"], each["status"]) for each in self.world.calls[since:]]

    def calls_made(self) -> int:
        return len(self.world.calls)

    def forgets_password(self) -> None:
        tokens = self.store.all_tokens[TEACHER.telegram_id]
        self.store.all_tokens[TEACHER.telegram_id] = replace(tokens, password="")


def account(**changes: Any) -> dict[str, Any]:
    """The teacher's account in the LMS."""
    own = {"id": TEACHER.lms_id, "email": TEACHER.email, "name": TEACHER.name, "location": TEACHER.campus}
    return {**own, "password": PASSWORD, **changes}
