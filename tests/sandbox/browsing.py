"""The sandbox as a child process, a Chrome that shows its page, and what a person does there."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests import children
from tests.waiting import PATIENCE, pauses

_LATER = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)
"""What a click may meet while the page is being redrawn."""


class Sandbox:
    """The sandbox as a child process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        # Its temporary folders are then in one that a test can check afterwards.
        environment = {**os.environ, "TMPDIR": str(folder)}
        command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
        self.folder = folder
        self.process = children.start(command, env=environment, stdout=subprocess.PIPE, text=True)
        children.own_profiles(folder)
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.reads("Open http").split()[1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def reads(self, words: str) -> str:
        """Wait for an output line with these words."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            self.said.append(line)
            if words in line:
                return line

    def family(self) -> list[psutil.Process]:
        """All descendants of the sandbox: the bot, its drivers and Chromes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def bot(self) -> psutil.Process:
        """The bot's process; at the start another child draws the ID photos."""
        started = psutil.Process(self.process.pid).children()
        (bot,) = [each for each in started if children.command_of(each)[-2:] == ["-m", "bot"]]
        return bot

    def end(self) -> None:
        """End the sandbox, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(timeout=PATIENCE)
            if self.process.stdout is not None:
                self.process.stdout.close()


class Page:
    """Page object of the sandbox's page. People are named as on their phones."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url
        driver.get(f"{url}/page/style.css")  # a page without scripts, which would store again what they know
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")
        driver.get(url)
        self.console()  # drop the entries of an earlier sandbox's page

    def until(self, what: str, look: Callable[[], WebElement | bool | None]) -> WebElement:
        """Wait until a look succeeds."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.1, _LATER)
        found = wait.until(lambda _: look(), f"not on the page: {what}")
        pauses()
        return found if isinstance(found, WebElement) else self.driver.find_element(By.TAG_NAME, "body")

    def one(self, css: str, words: str = "") -> WebElement:
        """Wait for an element that can be used and has these words; the last one if there are several."""

        def look() -> WebElement | None:
            found = self.driver.find_elements(By.CSS_SELECTOR, css)
            fitting = [each for each in found if words in each.text and each.is_displayed() and each.is_enabled()]
            return fitting[-1] if fitting else None

        return self.until(f"{css} {words!r}", look)

    def press(self, css: str, words: str = "") -> None:
        """Click an element once it can be clicked."""

        def look() -> bool:
            self.one(css, words).click()
            return True

        self.until(f"{css} {words!r}", look)

    # phones

    def acts(self, person: str, action: str) -> None:
        """Press what has this data-action on a person's phone; with * at its end the beginning of one."""
        operator, name = ("^=", action[:-1]) if action.endswith("*") else ("=", action)
        self.press(f'{phone(person)} [data-action{operator}"{name}"]')

    def taps(self, person: str, label: str) -> None:
        """Press an inline button."""
        self.acts(person, f"inline:{label}")

    def opens_link_as(self, person: str, student: str) -> None:
        """Press the link in a person's chat and open it as a student."""
        self.acts(person, "link:*")
        self.press(".open-as button", student)

    def types_login(self, person: str, part: str) -> None:
        """Press the saved username, password..., which types it, and send it."""
        self.acts(person, f"login:{part}")
        self.acts(person, "send")

    def sees(self, person: str, words: str) -> str:
        """Wait for a message with these words; returns its text."""
        texts: list[str] = []

        def look() -> bool:
            # read in the same step: the page redraws a bubble when its message changes
            bubbles = self.driver.find_elements(By.CSS_SELECTOR, f"{phone(person)} .bubble")
            texts[:] = [text for bubble in bubbles if words in (text := bubble.text)]
            return bool(texts)

        self.until(f"{person}'s message {words!r}", look)
        return texts[-1]

    def chat(self, person: str) -> str:
        """The current text of a chat."""
        return self.driver.find_element(By.CSS_SELECTOR, f"{phone(person)} .messages").text

    # panels

    def opens_lesson(self) -> None:
        """Open the lesson that the form proposes."""
        self.press("#lesson button", "Open lesson")

    def sees_lesson(self, words: str) -> None:
        """Wait for words in the list of lessons."""
        self.one("#lessons li", words)

    def sees_bot(self, words: str) -> None:
        """Wait for words in the state of the bot's process."""
        self.one("#bot-state", words)

    def starts_bot_again(self) -> None:
        """Press Start again."""
        self.press("#bot-start", "Start again")

    # tour

    def step(self) -> str:
        """The tour's current step as it is shown; empty while the tour is closed."""
        script = "return tour.hidden ? '' : document.getElementById('tour-number').textContent"
        return str(self.run(f"const tour = document.getElementById('tour'); {script}"))

    def at(self, step: str) -> None:
        """Wait until the tour is at this step."""
        self.until(f"the tour's step {step!r}", lambda: self.step() == step)

    def follows_the_tour(
        self, until: str = "Done", before: Callable[[str, WebElement], object] = lambda _step, _element: None
    ) -> None:
        """Press whatever pulses until the tour is at this step; ``before`` gets the step and what is pressed next."""
        step = ""

        def look() -> bool:
            nonlocal step
            step = self.step()
            found = self.driver.find_elements(By.CSS_SELECTOR, ".pulse")
            if step == until:
                return True
            if not found or not found[0].is_displayed() or not found[0].is_enabled():
                return False
            before(step, found[0])
            found[0].click()
            return True

        while step != until:
            self.until(f"the tour's step {until!r}, or what leads on from {step!r}", look)

    # the page as a whole

    def sized(self, width: int, height: int = 844, scale: float = 1) -> None:
        """Give the page this size, as a screen of that size would. ``scale``: pixels of a picture for each of it."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, is_dark: bool) -> None:
        """Show the page as a system with a dark, or light, appearance does."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def settles(self) -> None:
        """Wait until the page is drawn: no animation runs that ends, all pictures are there."""
        script = """
            const ends = (each) => each.playState === "running" && each.effect.getTiming().iterations !== Infinity;
            return !document.getAnimations().some(ends) && [...document.images].every((each) => each.complete);
        """
        self.until("a page that is drawn", lambda: bool(self.run(script)))

    def run(self, script: str, *arguments: object) -> object:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def formatted(self, html: str) -> str:
        """Convert a message's HTML as the page does; returns HTML."""
        script = """
            const done = arguments[1], box = document.createElement("div");
            import("/page/phone-formatting.js").then(({ formatted }) => {
                box.append(formatted(arguments[0]));
                done(box.innerHTML);
            });
        """
        return str(self.driver.execute_async_script(script, html))

    def console(self) -> list[str]:
        """Entries of the browser's console."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


def phone(person: str) -> str:
    """A person's phone as a CSS selector."""
    return f'.phone[data-person="{person}"]'


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Sandbox]:
    """Run a sandbox."""
    sandbox = Sandbox(folder, *arguments)
    try:
        yield sandbox
    finally:
        sandbox.end()


def eventually_gone(processes: list[psutil.Process]) -> bool:
    """Wait until all processes have ended; zombies count as ended."""
    deadline = time.monotonic() + PATIENCE
    while any(map(_alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
