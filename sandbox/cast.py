"""Who plays in the sandbox: the bot, its people, and the students that the portal knows."""

from dataclasses import dataclass
from typing import Any

from sandbox.portal import PortalSimulator
from sandbox.telegram import TelegramSimulator
from sandbox.telegram_world import Person

BOT_USERNAME = "attendance_sandbox_bot"
# The shape of a token that @BotFather gives out; it opens nothing but the simulator.
BOT_TOKEN = f"1234567890:{'SANDBOX' * 5}"


@dataclass(frozen=True)
class Role:
    """One person with a phone; a student has an account on the portal, too."""

    id: int
    name: str
    role: str
    username: str
    login: str | None = None
    password: str | None = None

    def shown(self) -> dict[str, Any]:
        """What the page shows in the head of this person's column."""
        login = None if self.login is None else {"username": self.login, "password": self.password}
        return {"id": self.id, "name": self.name, "role": self.role, "username": self.username, "login": login}


ADMIN = Role(1001, "Admin", "administrator", "sandbox_admin")
PEOPLE = (
    ADMIN,
    Role(2001, "Aruzhan", "student", "aruzhan", "a_student", "portal-1"),
    Role(2002, "Daniyar", "student", "daniyar", "d_student", "portal-2"),
)


def introduce(telegram: TelegramSimulator, portal: PortalSimulator) -> None:
    """Make the bot and the people known to Telegram, and the students to the portal."""
    telegram.world.add_bot(BOT_TOKEN, BOT_USERNAME, "Attendance (sandbox)")
    for person in PEOPLE:
        known = Person(person.id, person.name, username=person.username, language_code="en")
        telegram.world.people[person.id] = known
        if person.login is not None and person.password is not None:
            portal.world.put_student(person.login, person.password)
