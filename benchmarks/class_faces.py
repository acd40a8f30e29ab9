"""Classes of 500, 1,000 and 2,000 with face checks, over HTTP: how many are answered, and how soon.

`python -m benchmarks.class_faces [--students 500 1000 2000] [--over 60] [--first] [--compare-class] [--beside-old]`

Runs the real bot.py with its default settings, the local engine, SQLite and CSV rosters, and the Telegram simulator
with its limit of 30 messages a second per bot, each in its own process. Every student sends a different note, rendered
before the run (kept in --media). As in a second lesson consents, bindings and templates exist already; with --first
they do not, and templates are computed during the run. With --compare-class (FACE_COMPARE_CLASS=1) everybody has agreed
to the comparison with the class; the students share two portraits, so that nobody is the nearest: the teacher has to
look at all of them. With --beside-old the benchmark of the commit with the old engine (see benchmarks.faces) runs the
first class, too, as it was.
"""

import argparse
import asyncio
import subprocess
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
from benchmarks.classroom import ACTING
from benchmarks.faces import FROZEN, frozen
from benchmarks.lms_faults import our_record
from benchmarks.measure import Cost, machine, server, spread
from classroom.domain.face_policy import wording
from classroom.domain.face_records import Consent, Template
from classroom.domain.sessions import Binding
from classroom.faces import examining
from classroom.faces.local import LocalEngine
from classroom.faces.person_keys import PersonKeys
from classroom.photos.folder import FolderPhotos
from classroom.store.sqlite import SqliteStore
from core.encryption import open_cipher
from sandbox.class_play import ClassPlay, StudentResult
from tests.bot_process import ClassProcess
from tests.classroom.running import ROOM, STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS, Teacher, rosters
from tests.e2e.people import Telegram
from tests.media.notes import jpeg, portrait
from tests.servers import ROOT

REQUIRED, GOAL = 100, 75  # seconds from the first arrival until the last answer of 500 students
ACKNOWLEDGED = 0.1  # seconds, 95 %


def main() -> int:
    """Run and write the report; exit code 1 if a student got no answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--over", type=float, default=60)
    parser.add_argument("--first", action="store_true", help="the first lesson: no stored consents and templates")
    parser.add_argument("--media", type=Path, default=ROOT / "build" / "class_media")
    parser.add_argument("--compare-class", action="store_true", help="FACE_COMPARE_CLASS=1, all have agreed to it")
    parser.add_argument("--beside-old", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    print("rendering missing notes", file=sys.stderr)
    Media(arguments.media, 0).make()
    reports = [_old(arguments)] if arguments.beside_old else []
    is_good = True
    for students in arguments.students:
        report, all_answered = _class(arguments, students)
        reports.append(report)
        is_good &= all_answered
        if arguments.out:
            arguments.out.write_text("\n".join(reports), encoding="utf-8")
    return 0 if is_good else 1


def _old(arguments: argparse.Namespace) -> str:
    """Run the old engine's own benchmark, as it was, with the first class; return its report."""
    with tempfile.TemporaryDirectory() as name:
        tree = frozen(Path(name) / "old")
        if tree is None:
            return f"# The old engine: {FROZEN} is not in the history\n"
        media = arguments.media.with_name(arguments.media.name + "_old")
        command = [sys.executable, "-m", "benchmarks.class_faces", "--students", str(arguments.students[0])]
        command += ["--over", str(arguments.over), "--media", str(media), *(["--first"] if arguments.first else [])]
        done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        return f"The old engine ({FROZEN}):\n\n{done.stdout}"


def _class(arguments: argparse.Namespace, students: int) -> tuple[str, bool]:
    """Play one class; return the report, and whether everybody was answered."""
    media = Media(arguments.media, students)
    with ExitStack() as stack:
        telegram_process, telegram_url = server(stack, [sys.executable, "-m", "sandbox.telegram", "--port", "0"])
        telegram = Telegram(telegram_url)
        telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
        telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = folder / "data"
        rosters(data, {"CS-1": [(f"S{at + 1:04}", f"Student {at + 1}") for at in range(students)]})
        media.photos(data / "photos")
        if not arguments.first:
            asyncio.run(_known(folder, students, compares_class=arguments.compare_class))
        bot = ClassProcess(folder, telegram, FACE_ENGINE="local", FACE_COMPARE_CLASS=str(int(arguments.compare_class)))
        stack.callback(bot.end)
        bot.start()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        sampler = Sampler(bot.pid, telegram_process.pid, bot.port)
        sampler.start()
        play = ClassPlay(telegram_url, STUDENTS, students, arguments.over, *ROOM, notes=media.note)
        play.known, play.acting = not arguments.first, ACTING
        results = asyncio.run(play.play(code))
        sampler.end()
        recorded = sum(sum(each.values()) for each in our_record(data).values())
        report = _report(arguments, results, recorded, sampler)
        print(report, flush=True)
        for result in results:
            if result.error:
                print(result.error, file=sys.stderr)
        return report, all(result.answered for result in results)


async def _known(folder: Path, students: int, *, compares_class: bool) -> None:
    """Store all bindings, consents and templates, as after an earlier lesson."""
    examining.prepare()
    secrets, data = folder / "secrets", folder / "data"
    (data / "classroom").mkdir(parents=True, mode=0o700)
    secrets.mkdir(mode=0o700)
    cipher = open_cipher(None, secrets / "classroom.key", may_create=True)
    store, keys = SqliteStore(data / "classroom" / "classroom.sqlite3", cipher), PersonKeys(secrets / "faces", cipher)
    photos, now = FolderPhotos(data / "photos"), datetime.now(UTC)
    made = [examining.template_of(jpeg(portrait(person))) for person in PEOPLE]
    await store.open()
    for number in range(students):
        student_id, person = f"S{number + 1:04}", 100_000 + number
        await store.bind(Binding(person, student_id, now))
        agreed = wording("local", compares_class=compares_class)
        await store.set_consent(Consent(person, True, now, agreed, compares_class))
        sealed = keys.seal(student_id, made[number % len(PEOPLE)])
        await store.save_template(Template(student_id, LocalEngine.name, await photos.tag(student_id), sealed, now))
    await store.close()


class Sampler:
    """Samples CPU, memory and the bot's health report once a second."""

    def __init__(self, bot: int, telegram: int, port: int) -> None:
        self.costs = {"bot with its workers": Cost(bot), "Telegram": Cost(telegram)}
        self.main: list[int] = []  # bytes of the bot's own process
        self.lags: list[dict[str, float]] = []
        self.queue: list[int] = []
        self.last: dict[str, Any] = {}
        self._bot, self._port = psutil.Process(bot), port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Start counting and sampling."""
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
                self.lags.append(self.last.get("loop_lag_ms") or {})
                faces = self.last.get("faces") or {}
                self.queue.append(int(faces.get("queue", 0)))


def _report(arguments: argparse.Namespace, results: list[StudentResult], recorded: int, sampler: Sampler) -> str:
    done = [result for result in results if result.marked]
    first = min(result.arrived for result in results if result.arrived)
    answered = [result for result in results if result.answered]
    after = max((result.answered for result in answered), default=0) - first
    acknowledged = sorted(result.acknowledged - result.note_sent for result in answered)
    lag = ", ".join(f"{max((each.get(name, 0) for each in sampler.lags), default=0):.0f}" for name in ("p95", "max"))
    kept = "the first lesson of a term" if arguments.first else "templates and consents are stored"
    kept += "; compared with the class" if arguments.compare_class else ""
    options = "".join(f" --{name.replace('_', '-')}" for name in ("first", "compare_class") if getattr(arguments, name))
    lines = [
        f"# Faces: a class of {len(results)}, arriving over {arguments.over:g} s",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}; local engine, {kept}; at most 30 messages a second; "
        "default settings.",
        f"`python -m benchmarks.class_faces --students {len(results)}{options}`",
        "",
        "| | |",
        "|---|---|",
        f"| recorded as present; the others wait for the teacher | {recorded} of {len(results)} |",
        f"| told that they passed | {len(done)} of {len(results)} |",
        f"| answered: passed; asked for another video (students here send only one), or the teacher has to look |"
        f" {len(answered)} of {len(results)}: {len(done)}, {len(answered) - len(done)} |",
        f"| from the first arrival until the last answer, s (of 500 required {REQUIRED}, goal {GOAL}) | {after:.1f} |",
        f"| note sent -> acknowledged, s (95 % under {ACKNOWLEDGED}) | {spread(acknowledged)} |",
        f"| note sent -> told that it passed, s | {spread([result.marked - result.note_sent for result in done])} |",
        f"| arrival -> told, s | {spread([result.marked - result.arrived for result in done])} |",
        f"| most messages to a student | {max((result.messages for result in done), default=0)} |",
        f"| longest queue | {max(sampler.queue, default=0)} |",
        f"| memory of the bot's main process, MB: least, most (growth under 300) |"
        f" {min(sampler.main) / 2**20:.0f}, {max(sampler.main) / 2**20:.0f} |",
        f"| delay of the event loop, ms: 95 %, bound of the longest | {lag} |",
        *(
            f"| {name}: CPU-seconds, MB at most | {cost.cpu_seconds:.1f}, {max(cost.pss, default=0) / 2**20:.0f} |"
            for name, cost in sampler.costs.items()
        ),
        f"| CPU-seconds a student | {sampler.costs['bot with its workers'].cpu_seconds / len(results):.2f} |",
        f"| steps, ms (median, 95 %), from /healthz | {sampler.last.get('faces')} |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
