"""A face worker: a process that examines one note at a time, with limits on what a hostile note can use up.

It gets no settings and no tokens. Its answers are read by an unpickler that makes only plain values, so a note that
took over its worker could not run code in the main process.
"""

import contextlib
import io
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
from enum import Enum
from pathlib import Path
from typing import IO, Any

from classroom.faces import FaceError, FaceRefused, FaceUnavailable

ROOM = 500 * 2**20  # bytes of memory for the networks' own buffers, about 170 MB, and for a note
OPEN_FILES = 64
NICE, LAST = 10, 19  # the event loop and the marker's Chromes have priority; a note that is examined apart comes last
_LARGEST_ANSWER = 16 * 2**20  # bytes
# Of the environment: where packages and libraries are. Nothing else is passed on.
KEPT = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")
_SET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_FFMPEG_LOGLEVEL": "-8"}  # -8: quiet
_PLAIN = {
    "builtins": {"bool", "float", "int"},
    "classroom.domain.face_policy": {"Examined", "Motion", "Problem"},
    "classroom.faces": {"FaceRefused", "FaceUnavailable", "PhotoUnusable"},
    "classroom.faces.photo": {"PhotoFault"},
}


class WorkerDied(Exception):
    """The process ended, or was ended, before it had answered."""


class Worker:
    """A worker process. All methods block; only ``kill`` may be called while another thread asks."""

    def __init__(self, nice: int = NICE) -> None:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "classroom.faces.worker", str(nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept | _SET,
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # signals to our process group are not for workers: they end with their input
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, name: str, arguments: tuple[Any, ...], longest: float, cpu: float) -> Any:
        """Run a function of ``examining`` within seconds of time and of CPU. Raises WorkerDied, and its FaceError."""
        assert self._process.stdin is not None  # noqa: S101  # for the type checker
        assert self._process.stdout is not None  # noqa: S101
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            self.kill()

        timer = threading.Timer(longest, end)
        timer.start()
        try:
            _send(self._process.stdin, pickle.dumps((name, arguments, cpu)))
            answer = read_answer(_received(self._process.stdout))
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            self.kill()
            code = self._process.wait()
            why = f"took longer than {longest:.0f} seconds" if is_late.is_set() else f"died (exit {code})"
            raise WorkerDied(f"a face worker {why}") from None
        finally:
            timer.cancel()
        if isinstance(answer, FaceError):
            raise answer
        return answer

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.kill()
        with contextlib.suppress(OSError):  # what was not written to a process that died
            self._process.communicate()


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _PLAIN.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


class _Pickler(pickle.Pickler):
    """Writes NumPy's numbers as Python's, and members of enumerations by their values.

    Python 3.11.2, which Debian 12 has, would write them as calls of ``getattr``, which ``read_answer`` refuses.
    """

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return type(value), (value.value,)
        if type(value).__module__ == "numpy" and hasattr(value, "item"):
            return type(value.item()), (value.item(),)
        return NotImplemented


def read_answer(content: bytes) -> Any:
    """Return the plain value that ``pickled`` wrote. Raises UnpicklingError for anything else."""
    return _Plain(io.BytesIO(content)).load()


def pickled(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(struct.pack(">I", len(content)) + content)
    pipe.flush()


def _received(pipe: IO[bytes], largest: int = _LARGEST_ANSWER) -> bytes:
    head = pipe.read(4)
    length = struct.unpack(">I", head)[0] if len(head) == 4 else 0
    content = pipe.read(length) if length <= largest else b""
    if not content or len(content) < length:
        raise EOFError
    return content


def main() -> None:
    """Answer requests until the input ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    os.nice(int(sys.argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _answer("prepare", ())  # a failure is reported by the first request
    _limit_memory()
    with contextlib.suppress(EOFError, OSError):  # our main process has ended
        while True:
            name, arguments, cpu = pickle.loads(_received(requests, 2**31))  # noqa: S301  # from our main process
            signal.setitimer(signal.ITIMER_PROF, cpu)  # its signal ends the process
            answer = _answer(name, arguments)
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(answers, pickled(answer))


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):  # elsewhere than on Linux there is no such file
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, used + ROOM)


def _answer(name: str, arguments: tuple[Any, ...]) -> Any:
    """Return what a function of ``examining`` returns, or a FaceError: other errors' own text may contain anything."""
    try:
        from classroom.faces import examining

        return getattr(examining, name)(*arguments)
    except FaceError as error:
        return error
    except ImportError as error:
        return FaceRefused(f"the face engine is not installed ({error.name})")
    except MemoryError:
        os._exit(os.EX_OSERR)  # the next note gets a fresh worker
    except Exception as error:  # noqa: BLE001  # the worker goes on, and the kind is logged
        if getattr(error, "code", 0) == -4:  # OpenCV's error for the same
            os._exit(os.EX_OSERR)
        return FaceUnavailable(f"a face worker failed: {type(error).__name__}")


if __name__ == "__main__":
    main()
