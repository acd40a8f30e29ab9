"""The local engine's processes: work, crashes, hangs and their end."""

import asyncio
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.faces import FaceUnavailable, NoteCrashed, PhotoUnusable
from classroom.faces.local import LocalEngine, workers
from classroom.faces.photo import PhotoFault
from classroom.faces.worker import KEPT, NICE, OPEN_FILES, pickled, read_answer
from tests import children
from tests.media.notes import ASTRONAUT, jpeg, portrait, recorded
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.integration


ASKED = [Motion.LEFT, Motion.UP]


@pytest.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    """An engine with one process."""
    made = LocalEngine(processes=1, longest=PATIENCE)
    yield made
    await made.close()


def its_workers() -> list[psutil.Process]:
    """Return the worker processes of this process."""
    started = children.children_of(psutil.Process(), recursive=True)
    return [each for each in started if "classroom.faces.worker" in " ".join(children.command_of(each))]


def cpu_seconds(process: psutil.Process) -> float:
    """Return how much CPU time a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def test_check(engine: LocalEngine) -> None:
    """A worker returns a template and a check as plain values, and failures as typed errors."""
    template = await engine.template(jpeg(portrait(ASTRONAUT)))
    found = await engine.examine(recorded(ASTRONAUT, ("left", "up")), ASKED, template)
    assert found.problem is None
    assert (found.percent or 0) > 75
    assert (await engine.check_challenge(b"none", ASKED)).problem is Problem.BROKEN
    with pytest.raises(PhotoUnusable, match="no picture"):
        await engine.template(b"none")
    with pytest.raises(PhotoUnusable, match="not of this engine"):
        await engine.examine(b"none", ASKED, b"short")


@pytest.mark.ordeal
async def test_killed_worker(engine: LocalEngine) -> None:
    """A worker killed at work fails one check; a worker killed while idle fails none permanently."""
    template = await engine.template(jpeg(portrait(ASTRONAUT)))
    note = recorded(ASTRONAUT, ("left", "up"))
    (worker,) = its_workers()
    before = cpu_seconds(worker)
    checks = [asyncio.create_task(engine.examine(note, ASKED, template)) for _ in range(3)]
    await eventually_true("the first check", lambda: cpu_seconds(worker) > before + 0.03)
    worker.kill()
    done = await asyncio.gather(*checks, return_exceptions=True)
    assert sum(isinstance(each, FaceUnavailable) for each in done) == 1
    assert sum(not isinstance(each, BaseException) and each.problem is None for each in done) == 2
    (idle,) = its_workers()
    idle.kill()
    await eventually_true("its end", lambda: not idle.is_running() or idle.status() == psutil.STATUS_ZOMBIE)
    answers = [await _answer(engine, note, template) for _ in range(3)]
    assert "answered" in answers


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="no limits on memory")
async def test_what_a_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has no setting or token of ours, few files, a limited memory, and a low priority."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:a")
    engine = LocalEngine(processes=1, longest=PATIENCE)
    try:
        await engine.check_challenge(b"none", ASKED)
        (worker,) = its_workers()
        names = set(worker.environ())
        assert names <= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FFMPEG_LOGLEVEL", *KEPT}
        assert worker.nice() == min(19, psutil.Process().nice() + NICE)
        assert worker.rlimit(psutil.RLIMIT_NOFILE) == (OPEN_FILES, OPEN_FILES)
        assert 0 < worker.rlimit(psutil.RLIMIT_AS)[0] < 4 * 2**30
        assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    finally:
        await engine.close()


@pytest.mark.ordeal
async def test_long_work() -> None:
    """A note that takes too much of a core ends its worker; apart from the others it may take longer."""
    note, photo = recorded(ASTRONAUT, ("left", "up")), jpeg(portrait(ASTRONAUT))
    patient = LocalEngine(processes=1, longest=PATIENCE, cpu_apart=PATIENCE)
    template = await patient.template(photo)
    await patient.close()
    for apart in (PATIENCE, 0.02):
        engine = LocalEngine(processes=1, longest=PATIENCE, cpu=0.02, cpu_apart=apart)
        try:
            with pytest.raises(NoteCrashed, match="died"):
                await engine.examine(note, ASKED, template)
            if apart == PATIENCE:
                assert (await engine.examine(note, ASKED, template)).problem is None
            else:
                with pytest.raises(NoteCrashed, match="died"):
                    await engine.examine(note, ASKED, template)
                with pytest.raises(PhotoUnusable, match="not to be read"):
                    await engine.template(photo)
            assert (await engine.check_challenge(b"none", ASKED)).problem is Problem.BROKEN
        finally:
            await engine.close()


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="no limits on memory")
async def test_out_of_memory(engine: LocalEngine) -> None:
    """A note for which the memory does not suffice ends its worker, and a fresh one examines it."""
    note = recorded(ASTRONAUT, ("left", "up"))
    note += struct.pack(">I4s", 8 + 3 * 10**7, b"free") + bytes(3 * 10**7)
    await engine.check_challenge(b"none", ASKED)
    (worker,) = its_workers()
    used = worker.memory_info().vms + 2**20
    worker.rlimit(psutil.RLIMIT_AS, (used, used))
    with pytest.raises(NoteCrashed, match="died"):
        await engine.check_challenge(note, ASKED)
    assert (await engine.check_challenge(note, ASKED)).problem is None


class Evil:
    """A value that runs a command when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_answers_are_plain() -> None:
    """What a worker answers can't run code here; its numbers and errors come through."""
    with pytest.raises(pickle.UnpicklingError):
        read_answer(pickled(Evil()))
    with pytest.raises(pickle.UnpicklingError):
        read_answer(pickle.dumps(subprocess.run))
    numbers: dict[str, Any] = {"a": np.float32(1)}
    found = read_answer(pickled(Examined(Problem.CUT, distance=np.float64(0.5), seconds=numbers)))
    assert found == Examined(Problem.CUT, distance=0.5, seconds={"a": 1.0})
    assert type(found.distance) is float
    assert read_answer(pickled(PhotoUnusable("none", PhotoFault.HEIC))).reason is PhotoFault.HEIC


class OldMember(StrEnum):
    """An enumeration that pickles itself as in Python 3.11.2."""

    UP = "up"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (type(self), self.name)


def test_answers_of_older_pythons() -> None:
    """Members of enumerations are written by their values, also where Python would write a call of getattr."""
    assert b"getattr" in pickle.dumps(OldMember.UP)
    assert b"getattr" not in pickled(OldMember.UP)


async def _answer(engine: LocalEngine, note: bytes, template: bytes) -> str:
    try:
        await engine.examine(note, ASKED, template)
    except FaceUnavailable:
        return "again"
    return "answered"


@pytest.mark.ordeal
async def test_hanging_worker() -> None:
    """A frozen worker fails its check, and another worker does the next one."""
    engine = LocalEngine(processes=1, longest=PATIENCE)
    try:
        template = await engine.template(jpeg(portrait(ASTRONAUT)))
        (worker,) = its_workers()
        worker.suspend()
        engine.longest = 1.0
        with pytest.raises(FaceUnavailable, match="longer"):
            await engine.examine(recorded(ASTRONAUT, ("left", "up")), ASKED, template)
        engine.longest = PATIENCE
        assert (await engine.check_challenge(b"none", ASKED)).problem is Problem.BROKEN
    finally:
        await engine.close()


async def test_close() -> None:
    """Closing at work ends every worker without waiting for the rest, and later calls are refused."""
    engine = LocalEngine(processes=1, longest=PATIENCE)
    template = await engine.template(jpeg(portrait(ASTRONAUT)))
    note = recorded(ASTRONAUT, ("left", "up"))
    checks = [asyncio.create_task(engine.examine(note, ASKED, template)) for _ in range(40)]
    await eventually_true("work", lambda: bool(its_workers()))
    await engine.close()
    assert its_workers() == []
    done = await asyncio.gather(*checks, return_exceptions=True)
    assert sum(isinstance(each, FaceUnavailable) for each in done) > 20
    with pytest.raises(FaceUnavailable):
        await engine.template(b"none")


def test_no_worker_outlives_us(tmp_path: Path) -> None:
    """After kill -9 of the process its workers end by themselves."""
    script = tmp_path / "started.py"
    script.write_text(
        "import asyncio, psutil\n"
        "from classroom.faces.local import LocalEngine\n"
        "async def main():\n"
        "    engine = LocalEngine(processes=2)\n"
        "    await engine.check_challenge(b'', [])\n"
        "    print(*[each.pid for each in psutil.Process().children(recursive=True)], flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}, text=True
    ) as process:
        assert process.stdout is not None
        started = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert started
    gone, alive = psutil.wait_procs(started, timeout=PATIENCE)
    assert [each.pid for each in alive if each.status() != psutil.STATUS_ZOMBIE] == [], gone


def test_how_many() -> None:
    """There is a worker for each core."""
    assert workers() == (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
