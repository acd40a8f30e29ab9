"""The local engine's processes: work, crashes, hangs and their end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from classroom.domain.face_policy import Motion, Problem
from classroom.faces import FaceUnavailable, PhotoUnusable
from classroom.faces.local import LocalEngine, workers
from tests import children
from tests.media.notes import ASTRONAUT, jpeg, portrait, recorded
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.integration


ASKED = [Motion.LEFT, Motion.UP]


@pytest.fixture
async def engine() -> AsyncIterator[LocalEngine]:
    """An engine with one process."""
    made = LocalEngine(70.0, processes=1, longest=PATIENCE)
    yield made
    await made.close()


def its_workers() -> list[psutil.Process]:
    """Return the worker processes of this process."""
    started = children.children_of(psutil.Process(), recursive=True)
    return [each for each in started if "spawn_main" in " ".join(children.command_of(each))]


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


async def _answer(engine: LocalEngine, note: bytes, template: bytes) -> str:
    try:
        await engine.examine(note, ASKED, template)
    except FaceUnavailable:
        return "again"
    return "answered"


@pytest.mark.ordeal
async def test_hanging_worker() -> None:
    """A frozen worker fails its check, and another worker does the next one."""
    engine = LocalEngine(70.0, processes=1, longest=PATIENCE, stuck_after=0.5)
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
    engine = LocalEngine(70.0, processes=1, longest=PATIENCE)
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
        "    engine = LocalEngine(70.0, processes=2)\n"
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
    """There are workers for four fifths of the cores, and at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert workers() == max(1, cores * 4 // 5)
