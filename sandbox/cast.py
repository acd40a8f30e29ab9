"""The sandbox's bots and people: their phones, and their accounts in the portal and in the LMS. Names are made up."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.lms.server import LmsSimulator
from sandbox.lms.world import Course, LmsStudent, LmsTeacher
from sandbox.portal.server import PortalSimulator
from sandbox.signal import Signal
from sandbox.telegram.server import TelegramSimulator
from sandbox.telegram.world import Bot, Person

MARKER, TEACHERS, STUDENTS = "marker", "teacher", "student"
METRE = 1 / 111_110  # degrees of latitude
ROOM = (43.25, 76.95)
BATCH, SUBJECT, CAMPUS = "CS-101", "Algorithms", "Main"
MOST_PEOPLE = 20
LONGEST_NAME = 40

# Name, label, and metres north of the classroom's middle.
PLACES = (
    ("in-class", "In class", 8),
    ("40m", "40 m away", 40),
    ("70m", "70 m away", 70),
    ("2km", "2 km away", 2000),
)


@dataclass(frozen=True)
class SandboxBot:
    """A bot account. Its token has the form of one from @BotFather, and is valid only in the simulator."""

    kind: str
    username: str
    name: str
    token: str


BOTS = {
    MARKER: SandboxBot(MARKER, "attendance_sandbox_bot", "Attendance", f"1234567890:{'SANDBOX' * 5}"),
    TEACHERS: SandboxBot(TEACHERS, "teachers_sandbox_bot", "Teachers", f"1234567891:{'SANDBOX' * 5}"),
    STUDENTS: SandboxBot(STUDENTS, "students_sandbox_bot", "Students", f"1234567892:{'SANDBOX' * 5}"),
}


@dataclass
class Role:
    """A person with a phone. ``portal`` and ``lms`` are a username or address with its password."""

    id: int
    name: str
    role: str
    username: str
    chats: Sequence[str]
    scene: str
    phone: str
    portal: tuple[str, str] | None = None
    lms: tuple[str, str] | None = None
    student_id: str | None = None
    metres: int = 0
    """Distance north of the classroom's middle."""

    def place(self) -> dict[str, Any]:
        """Where this person is, as a location of the Bot API."""
        return at(self.metres)


def at(metres: float) -> dict[str, Any]:
    """A location so many metres north of the classroom's middle."""
    return {"latitude": round(ROOM[0] + metres * METRE, 7), "longitude": ROOM[1], "horizontal_accuracy": 5}


ADMIN = Role(1001, "Saule", "admin", "saule_admin", (MARKER, TEACHERS), "marker", "+77010001001")
TEACHER = Role(
    3001,
    "Yerlan",
    "teacher",
    "yerlan_teaches",
    (TEACHERS,),
    "classroom",
    "+77010003001",
    lms=("yerlan@lms.example", "lms-1"),
)
_BOTH = (MARKER, STUDENTS)


def _student(number: int, name: str, username: str, login: str, metres: int) -> Role:
    """A student with a phone, a portal account and an ID in the batch; ``number``: 1, 2, ..."""
    return Role(
        2000 + number,
        name,
        "student",
        username,
        _BOTH,
        "both",
        f"+7701000{2000 + number}",
        (login, f"portal-{number}"),
        student_id=f"S{number:03}" if number < 3 else f"S{number + len(_OTHERS[BATCH]):03}",
        metres=metres,
    )


# Students of the batch without a phone, and another batch.
_OTHERS = {BATCH: (("S003", "Daniyar"), ("S004", "Timur")), "CS-102": (("S101", "Aigerim"), ("S102", "Sanzhar"))}
PEOPLE = (
    ADMIN,
    TEACHER,
    _student(1, "Aruzhan", "aruzhan", "a_student", 6),
    _student(2, "Madina", "madina", "m_student", 9),
)


class CastError(Exception):
    """A person can't be added; the text says why."""


class Cast:
    """The people of one run. ``photos`` is the bot's folder with ID photos; ``changed`` counts changes of people."""

    def __init__(self, telegram: TelegramSimulator, portal: PortalSimulator, lms: LmsSimulator, photos: Path) -> None:
        self._telegram, self._portal, self._lms = telegram.world, portal.world, lms.world
        self._photos = photos
        self._numbers = itertools.count()
        self.people: dict[int, Role] = {}
        self.changed = Signal()

    def introduce(self) -> None:
        """Register the bots and the first people with Telegram, their accounts with portal and LMS."""
        self.people.clear()
        self._numbers = itertools.count(3)
        for bot in BOTS.values():
            self._telegram.add_bot(bot.token, bot.username, bot.name)
        for batch, students in _OTHERS.items():
            self._lms.batches[batch] = {each: LmsStudent(each, name) for each, name in students}
        for person in PEOPLE:
            self._add(person)

    def add_student(self, name: str) -> Role:
        """Add a student with a phone, a portal account and a place in the batch. Raises CastError."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= LONGEST_NAME:
            raise CastError(f"a name has 1 to {LONGEST_NAME} characters")
        if not name.isprintable():
            raise CastError("a name can't have invisible characters, nor emoji made of several")
        if any(name == person.name for person in self.people.values()):
            raise CastError(f"{name} is there already")
        if len(self.people) >= MOST_PEOPLE:
            raise CastError(f"there are {MOST_PEOPLE} people already")
        number = next(self._numbers)
        student = _student(number, name, f"student_{number}", f"student{number}", number + 4)
        self._add(student)
        return student

    def _add(self, person: Role) -> None:
        self.people[person.id] = person
        self._telegram.people[person.id] = Person(person.id, person.name, username=person.username, language_code="en")
        if person.portal is not None:
            self._portal.put_student(*person.portal)
        if person.student_id is not None:
            students = self._lms.batches.setdefault(BATCH, {})
            students[person.student_id] = LmsStudent(person.student_id, person.name)
            # in the order of the IDs, as a roster is
            self._lms.batches[BATCH] = dict(sorted(students.items()))
        if person.lms is not None:
            email, password = person.lms
            self._lms.teachers[email] = LmsTeacher(f"m{person.id}", email, password, person.name, CAMPUS)
            self._lms.courses[email] = {Course(batch, SUBJECT): True for batch in _OTHERS}
        self._lms.changed.bump()
        self._telegram.changed.bump()
        self.changed.bump()

    def bot(self, name: str) -> Bot | None:
        """A bot by its kind or its username."""
        known = BOTS.get(name)
        return self._telegram.by_username.get(known.username if known else name)

    def photo(self, person: Role) -> Path | None:
        """The file of a student's ID photo; it may not exist yet."""
        return None if person.student_id is None else self._photos / f"{person.student_id}.jpg"

    def shown(self) -> list[dict[str, Any]]:
        """The people as JSON for the page."""
        return [self._shown(person) for person in self.people.values()]

    def _shown(self, person: Role) -> dict[str, Any]:
        photo = self.photo(person)
        url = None
        if photo is not None and photo.exists():
            url = f"/api/photos/{person.id}?of={photo.stat().st_mtime_ns}"
        known = self._telegram.people.get(person.id)
        return {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "username": person.username,
            "language": known.language_code if known else "en",
            "photo": url,
            "chats": list(person.chats),
            "bot": BOTS[person.chats[0]].username,
            "scene": person.scene,
            "login": None if person.portal is None else dict(zip(("username", "password"), person.portal, strict=True)),
            "lms": None if person.lms is None else dict(zip(("email", "password"), person.lms, strict=True)),
            "phone": person.phone,
            "student_id": person.student_id,
            "place": person.place(),
        }
