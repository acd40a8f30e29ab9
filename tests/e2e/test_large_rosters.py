"""Opening sessions in the real bot.py with rosters of 60,000 lines. Limits are generous: a loaded machine is slow."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot_process import ClassProcess
from tests.classroom.running import ROOM, Teacher, its_telegram, rosters
from tests.e2e.people import Message, labels
from tests.e2e.test_metrics import value

pytestmark = pytest.mark.ordeal

STUDENTS, SUBJECTS, BATCH = 10_000, 6, 30
STEP, LATE = 5.0, 0.5  # seconds, ten times the targets: for each answer; how late the event loop may be (95 %)


def large_rosters(folder: Path) -> None:
    """Write a roster of 10,000 students in batches of 30 for each of six subjects."""
    for subject in range(SUBJECTS):
        lines = ["batch,subject,student_id,name,email"]
        for at in range(STUDENTS):
            student = f"25B{at:06d},Student {at} Имя,s{at}@example.org"
            lines.append(f"CS-{at // BATCH:03d},Subject {subject},{student}")
        (folder / f"subject {subject}.csv").write_text("\n".join(lines), encoding="utf-8")


class Timed(Teacher):
    """A teacher who notes how long each answer takes."""

    took: dict[str, float]

    def opens_timed(self, batch: str) -> None:
        """Open a session of one batch."""
        start = self.says("/start")
        self.waits(
            "a new menu", lambda screen: _says([m for m in screen if m["message_id"] > start], "Take attendance:")
        )
        self._step(f"{batch}, batches", "Take Attendance", lambda screen: _shows(screen, batch))
        self._step(f"{batch}, chosen", batch, lambda screen: _shows(screen, f"\u2713 {batch}"))
        self._step(f"{batch}, subjects", "Next", lambda screen: _shows(screen, "Subject 1"))
        self._step(f"{batch}, place", "Subject 1", lambda screen: _says(screen, f"{batch}\nWhere is the class?"))
        self.sees("Share your location")
        begun = time.monotonic()
        self.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "horizontal_accuracy": 5})
        self.waits("the board", lambda screen: _says(screen, f"Subject 1: {batch}\nCode: "))
        self.took[f"{batch}, board"] = time.monotonic() - begun

    def _step(self, name: str, button: str, until: Callable[[list[Message]], bool]) -> None:
        self.waits(button, lambda screen: _shows(screen, button))
        begun = time.monotonic()
        self.taps(button)
        self.waits(name, until)
        self.took[name] = time.monotonic() - begun


def _shows(screen: list[Message], label: str) -> bool:
    return any(label in labels(each) for each in screen)


def _says(screen: list[Message], text: str) -> bool:
    return any(text in (each["text"] or "") for each in screen if each["from"] == "bot")


def lateness(bot: ClassProcess) -> tuple[float, float]:
    """Return how often the event loop was at most so late, and how often that was measured."""
    series = 'event_loop_lateness_seconds_bucket{{le="{}"}}'
    return value(bot, series.format(LATE)), value(bot, series.format("+Inf"))


def test_opening(telegram_url: str, tmp_path: Path) -> None:
    """Each answer from Take Attendance to the board comes soon for a teacher of all batches, also after a change."""
    telegram = its_telegram(telegram_url)
    folder = tmp_path / "data" / "rosters"
    rosters(tmp_path / "data", {"AA-1": [("S001", "A. Student")]})
    large_rosters(folder)
    bot = ClassProcess(tmp_path, telegram)
    bot.start()
    try:
        teacher = Timed(telegram, 7001, "+77010000001")
        teacher.took = {}
        teacher.signs_in()
        begun = lateness(bot)
        teacher.opens_timed("CS-000")
        teacher.sees("In: 0 of 30")
        changed = folder / "subject 1.csv"
        text = changed.read_text(encoding="utf-8")
        changed.write_text(f"{text}\nCS-001,Subject 1,NEW1,A. Newcomer,n@example.org", encoding="utf-8")
        teacher.opens_timed("CS-002")
        soon, every = (after - before for before, after in zip(begun, lateness(bot), strict=True))
        assert {name: took for name, took in teacher.took.items() if took > STEP} == {}
        assert soon >= 0.95 * every > 0
        assert bot.stop() == 0
    finally:
        bot.end()
        telegram.http.close()
