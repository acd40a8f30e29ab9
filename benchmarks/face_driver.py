"""Examines notes with the engine of whatever tree this runs in, and prints its speed as one line of JSON.

`PYTHONPATH=TREE python face_driver.py FOLDER` with the notes, photographs and `notes.json` of benchmarks.faces. It uses
only what all versions of the engine have, so the same file measures today's engine and the frozen one.
"""

import asyncio
import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 600.0  # seconds for a note: nothing may be given up because the machine is busy


def main() -> None:
    """Measure single checks in this process, then the engine with its default number of workers."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = asyncio.run(rate(folder, asked))  # first: its workers take every core
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found.update(checks(folder, asked))
    print(json.dumps(found))


def checks(folder: Path, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return milliseconds of a core for each note, and how many passed the challenge."""
    from classroom.domain.face_policy import Motion
    from classroom.faces import examining

    examining.prepare()
    templates = {
        name: examining.template_of((folder / name).read_bytes()) for name in {each["photo"] for each in asked}
    }
    last: list[Any] = [70.0] if "threshold" in inspect.signature(examining.examine).parameters else []
    spent, passed, steps = [], 0, dict[str, list[float]]()
    for each in asked:
        note, motions = (folder / each["note"]).read_bytes(), [Motion(word) for word in each["motions"]]
        began = time.process_time()
        examined = examining.examine(note, motions, templates[each["photo"]], *last)
        spent.append(1000 * (time.process_time() - began))
        passed += examined.problem is None
        for step, seconds in (examined.seconds or {}).items():
            steps.setdefault(step, []).append(1000 * seconds)
    return {"checks": spent, "passed": passed, "steps": steps}


async def rate(folder: Path, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many notes a second all workers examine together."""
    from classroom.domain.face_policy import Motion
    from classroom.faces.local import LocalEngine, workers

    first: list[Any] = [70.0] if "threshold" in inspect.signature(LocalEngine).parameters else []
    make: Any = LocalEngine
    engine = make(*first, longest=PATIENCE)
    photos = {each["photo"] for each in asked}
    try:
        templates = {name: await engine.template((folder / name).read_bytes()) for name in photos}
        engine.warm_up()
        await asyncio.gather(*(engine.check_challenge(b"", []) for _ in range(4 * workers())))
        notes = [(folder / each["note"]).read_bytes() for each in asked]
        began = time.perf_counter()
        await asyncio.gather(
            *(
                engine.examine(note, [Motion(word) for word in each["motions"]], templates[each["photo"]])
                for note, each in zip(notes, asked, strict=True)
            )
        )
        return {"workers": workers(), "notes a second": len(asked) / (time.perf_counter() - began)}
    finally:
        await engine.close()


if __name__ == "__main__":
    main()
