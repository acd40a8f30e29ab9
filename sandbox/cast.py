"""The sandbox's bots and people: Telegram accounts, portal accounts, and the classroom's rosters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.portal.server import PortalSimulator
from sandbox.telegram.server import TelegramSimulator
from sandbox.telegram.world import Person

BOT_USERNAME = "attendance_sandbox_bot"
# Has the form of a token from @BotFather; valid only in the simulator.
BOT_TOKEN = f"1234567890:{'SANDBOX' * 5}"

TEACHERS_USERNAME, STUDENTS_USERNAME = "teachers_sandbox_bot", "students_sandbox_bot"
TEACHERS_TOKEN, STUDENTS_TOKEN = f"1234567891:{'SANDBOX' * 5}", f"1234567892:{'SANDBOX' * 5}"
METRE = 1 / 111_110  # degrees of latitude


@dataclass(frozen=True)
class Role:
    """A person with a phone. The marker's students have a portal account, the classroom's have a location."""

    id: int
    name: str
    role: str
    username: str
    login: str | None = None
    password: str | None = None
    bot: str = BOT_USERNAME
    phone: str = ""
    metres: int = 0
    """Distance north of the classroom when the location is shared."""

    def shown(self) -> dict[str, Any]:
        """JSON for the header of this person's column on the page."""
        login = None if self.login is None else {"username": self.login, "password": self.password}
        return {"id": self.id, "name": self.name, "role": self.role, "username": self.username, "login": login} | {
            "bot": self.bot,
            "phone": self.phone,
            "place": {"latitude": 43.25 + self.metres * METRE, "longitude": 76.95, "horizontal_accuracy": 5},
        }


ADMIN = Role(1001, "Admin", "administrator", "sandbox_admin")
PEOPLE = (
    ADMIN,
    Role(2001, "Aruzhan", "student", "aruzhan", "a_student", "portal-1"),
    Role(2002, "Daniyar", "student", "daniyar", "d_student", "portal-2"),
)

CLASS = (
    Role(3001, "Teacher", "teacher", "sandbox_teacher", bot=TEACHERS_USERNAME, phone="+77010000001"),
    Role(3101, "Aruzhan", "student S001, in class", "aruzhan", bot=STUDENTS_USERNAME, metres=12),
    Role(3102, "Daniyar", "student S002, 70 m away", "daniyar", bot=STUDENTS_USERNAME, metres=70),
)


def introduce_class(telegram: TelegramSimulator, data: Path) -> None:
    """Register the classroom's bots and people with Telegram, and write the rosters into the bot's data folder."""
    telegram.world.add_bot(TEACHERS_TOKEN, TEACHERS_USERNAME, "Teachers (sandbox)")
    telegram.world.add_bot(STUDENTS_TOKEN, STUDENTS_USERNAME, "Students (sandbox)")
    for person in CLASS:
        known = Person(person.id, person.name, username=person.username, language_code="en")
        telegram.world.people[person.id] = known
    rosters = data / "rosters"
    rosters.mkdir(parents=True, exist_ok=True)
    teachers = f"phone,name,email,campus,batches\n{CLASS[0].phone},A. Teacher,,Main,\n"
    (rosters / "teachers.csv").write_text(teachers, encoding="utf-8")
    names = ("Aruzhan", "Daniyar", "Madina", "Timur")
    students = [f"CS-101,Algorithms,S{number:03},{name}\n" for number, name in enumerate(names, 1)]
    students += [f"CS-102,Algorithms,S{number:03},Student {number}\n" for number in (101, 102)]
    (rosters / "students.csv").write_text("batch,subject,student_id,name\n" + "".join(students), encoding="utf-8")


def introduce(telegram: TelegramSimulator, portal: PortalSimulator) -> None:
    """Register the bot and the people with Telegram, and the students with the portal."""
    telegram.world.add_bot(BOT_TOKEN, BOT_USERNAME, "Attendance (sandbox)")
    for person in PEOPLE:
        known = Person(person.id, person.name, username=person.username, language_code="en")
        telegram.world.people[person.id] = known
        if person.login is not None and person.password is not None:
            portal.world.put_student(person.login, person.password)
