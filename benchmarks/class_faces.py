"""A class of 500 with faces, over HTTP: `python -m benchmarks.class_faces [--students 500] [--over 60] [--first]`

The real bot.py with the local engine, SQLite and CSV rosters, Telegram's simulator with its limit of 30 messages a
second a bot, in processes of their own and their CPU apart. Everybody's note is another one, drawn beforehand (kept in
--media); nothing is decided in advance. As in a second lesson of the term consents, bindings and templates are there;
with --first nothing is, and the templates are made on the way.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.class_media import PEOPLE, Media
from benchmarks.measure import Cost, machine, spread
from benchmarks.vaadin_soak import server
from classroom.domain.face_policy import wording
from classroom.domain.sessions import Binding, Consent, Template
from classroom.faces import examining
from classroom.faces.person_keys import PersonKeys
from classroom.photos.folder import FolderPhotos
from classroom.store.sqlite import SqliteStore
from core.encryption import open_cipher
from sandbox.class_play import ClassPlay, Way
from tests.bot_process import ClassProcess
from tests.classroom.running import ROOM, STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher, rosters
from tests.e2e.people import Telegram
from tests.media.notes import jpeg, portrait
from tests.servers import ROOT

REQUIRED, GOAL = 180, 120  # seconds from the first arrival until everybody has the answer


def main() -> int:
    """Run and write the report; 1 where somebody is not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--over", type=float, default=60)
    parser.add_argument("--first", action="store_true", help="nobody is known: the first lesson of a term")
    parser.add_argument("--media", type=Path, default=ROOT / "build" / "class_media")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    media = Media(arguments.media, arguments.students)
    print("drawing notes, where they are not there yet", file=sys.stderr)
    media.make()
    with ExitStack() as stack:
        telegram_process, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        telegram = Telegram(telegram_url)
        telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
        telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = folder / "data"
        rosters(data, {"CS-1": [(f"S{at + 1:04}", f"Student {at + 1}") for at in range(arguments.students)]})
        media.photos(data / "photos")
        if not arguments.first:
            asyncio.run(_known(folder, arguments.students))
        bot = ClassProcess(folder, telegram, FACE_ENGINE="local", OTP_EXPIRY_SECONDS="900")
        stack.callback(bot.end)
        bot.start()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        watch = Watch(bot.pid, telegram_process.pid, bot.port)
        watch.start()
        play = ClassPlay(telegram_url, STUDENTS, arguments.students, arguments.over, *ROOM, notes=media.note)
        play.known = not arguments.first
        ways = asyncio.run(play.play(code))
        watch.end()
        report = _report(arguments, ways, watch)
        print(report)
        for way in ways:
            if way.error:
                print(way.error, file=sys.stderr)
        if arguments.out:
            arguments.out.write_text(report, encoding="utf-8")
        return 0 if all(way.answered for way in ways) else 1


async def _known(folder: Path, students: int) -> None:
    """Put everybody's binding, consent and template into the store, as a lesson before left them."""
    examining.prepare()
    secrets, data = folder / "secrets", folder / "data"
    (data / "classroom").mkdir(parents=True, mode=0o700)
    secrets.mkdir(mode=0o700)
    cipher = open_cipher(None, secrets / "classroom.key", may_create=True)
    store, keys = SqliteStore(data / "classroom" / "store.sqlite3", cipher), PersonKeys(secrets / "faces", cipher)
    photos, now = FolderPhotos(data / "photos"), datetime.now(UTC)
    made = [examining.template_of(jpeg(portrait(person))) for person in PEOPLE]
    await store.open()
    for number in range(students):
        student_id, person = f"S{number + 1:04}", 100_000 + number
        await store.bind(Binding(person, student_id, now))
        await store.set_consent(Consent(person, True, now, wording("local")))
        sealed = keys.seal(student_id, made[number % len(PEOPLE)])
        await store.save_template(Template(student_id, "local", await photos.tag(student_id), sealed, now))
    await store.close()


class Watch:
    """Samples CPU and memory, and what the bot says of itself, once a second."""

    def __init__(self, bot: int, telegram: int, port: int) -> None:
        self.costs = {"bot with its workers": Cost(bot), "Telegram": Cost(telegram)}
        self.main: list[int] = []  # bytes of the bot's own process
        self.lags: list[float] = []
        self.queue: list[int] = []
        self.last: dict[str, Any] = {}
        self._bot, self._port = psutil.Process(bot), port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Count from here."""
        for cost in self.costs.values():
            cost.begin()
        self._thread.start()

    def end(self) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not self._done.wait(1.0):
                for cost in self.costs.values():
                    cost.sample(memory=True)
                self.main.append(self._bot.memory_full_info().uss)
                self.last = http.get(f"http://127.0.0.1:{self._port}/healthz").json()
                self.lags.extend(self.last.get("loop_lags_ms", []))
                faces = self.last.get("faces") or {}
                self.queue.append(int(faces.get("queue", 0)))


def _report(arguments: argparse.Namespace, ways: list[Way], watch: Watch) -> str:
    done = [way for way in ways if way.marked]
    first = min(way.arrived for way in ways if way.arrived)
    answered = [way for way in ways if way.answered]
    after = max((way.answered for way in answered), default=0) - first
    acknowledged = sorted(way.acknowledged - way.recorded for way in done)
    late = sorted(watch.lags)
    kept = "the first lesson: nobody is known" if arguments.first else "templates and consents are there"
    lines = [
        f"# Faces: a class of {arguments.students}, arriving over {arguments.over:g} s",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; local engine, {kept}; at most 30 messages a second.",
        f"`python -m benchmarks.class_faces{' --first' if arguments.first else ''}`",
        "",
        "| | |",
        "|---|---|",
        f"| answered: marked, or asked for another video (students here record only one) |"
        f" {len(answered)} of {arguments.students}: {len(done)}, {len(answered) - len(done)} |",
        f"| from the first arrival until the last answer, s (required {REQUIRED}, goal {GOAL}) | {after:.1f} |",
        f"| note sent -> acknowledged, s (95 % under 2) | {spread(acknowledged)} |",
        f"| note sent -> marked, s | {spread([way.marked - way.recorded for way in done])} |",
        f"| arrival -> marked, s | {spread([way.marked - way.arrived for way in done])} |",
        f"| messages to a student, most | {max((way.messages for way in done), default=0)} |",
        f"| queue, most | {max(watch.queue, default=0)} |",
        f"| memory of the bot's own process, MB: least, most (growth under 300) |"
        f" {min(watch.main) / 2**20:.0f}, {max(watch.main) / 2**20:.0f} |",
        f"| the loop is late by, ms: 95 %, most |"
        f" {late[int(0.95 * len(late))] if late else 0:.0f}, {late[-1] if late else 0:.0f} |",
        *(
            f"| {name}: CPU-seconds, MB at most | {cost.cpu_seconds:.1f}, {max(cost.pss, default=0) / 2**20:.0f} |"
            for name, cost in watch.costs.items()
        ),
        f"| steps, ms (median, 95 %), as /healthz says | {watch.last.get('faces')} |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
