"""Runs the simulators in a thread with its own event loop, so that tests can be blocking code; and Java servers."""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests import children
from tests.waiting import PATIENCE, LateThreads

ROOT = children.ROOT
VAADIN = ROOT / "tests" / "vaadin_portal" / "run"
MONGO = ROOT / "tests" / "mongo_server" / "run"


@contextmanager
def in_thread(serving: AbstractAsyncContextManager[str]) -> Iterator[str]:
    """Run an asynchronous server in a thread; yield its URL."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(LateThreads())
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    try:
        url = asyncio.run_coroutine_threadsafe(_enter(serving), loop).result(timeout=PATIENCE)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(_exit(serving), loop).result(timeout=PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=PATIENCE)
        loop.close()


async def _enter(serving: AbstractAsyncContextManager[str]) -> str:
    return await serving.__aenter__()


async def _exit(serving: AbstractAsyncContextManager[str]) -> None:
    await serving.__aexit__(None, None, None)


@contextmanager
def vaadin_portal(*options: str) -> Iterator[str]:
    """Start the test portal on the real Vaadin; yield its URL without the path. ``options``: those of its `run`.

    Skips the test if Java 17 or Maven's repository is missing.
    """
    with _java_server(VAADIN, "the portal on Vaadin", "--port", "0", *options) as line:
        httpx.get(line, follow_redirects=True, trust_env=False, timeout=PATIENCE)  # a server's first page is slow
        yield line.removesuffix("/").removesuffix("/RegistrationOnline")


@contextmanager
def mongo_server(*options: str) -> Iterator[str]:
    """Start a server with MongoDB's wire protocol; yield its URI. ``options``: those of its `run`.

    Skips the test if Java 17 or Maven's repository is missing.
    """
    with _java_server(MONGO, "the server of MongoDB's protocol", *options) as line:
        yield line


@contextmanager
def _java_server(run: Path, what: str, *options: str) -> Iterator[str]:
    """Start a server and yield the first line of its output, its address."""
    process = children.start(
        [str(run), "--exit-with-stdin", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().strip()
        if not line.startswith(("http:", "mongodb:")):
            missing(f"{what} does not start: {process.stderr.read().strip()}")
        yield line
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def missing(reason: str) -> None:
    """Skip a test whose requirements are not installed; fail it if REQUIRE_ALL is 1."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need_browser() -> None:
    """Skip the test if Chrome or its driver is not installed."""
    has_chrome = os.environ.get("CHROME_BIN") or any(
        map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome", "chrome-headless-shell"))
    )
    if not has_chrome or not (os.environ.get("CHROMEDRIVER_PATH") or shutil.which("chromedriver")):
        missing("no Chromium with its driver: install chromium and chromium-driver")


def need_prometheus() -> None:
    """Skip the test if Prometheus and its promtool are not installed."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        missing("no Prometheus with its promtool: install the package prometheus")
