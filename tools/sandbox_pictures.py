"""Takes the documentation's pictures of the sandbox, from one run of its tour: `python -m tools.sandbox_pictures`."""

import contextlib
import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.sandbox.browser import chrome
from tests.sandbox.browsing import Page, phone, started

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDE, TALL, SMALL = (1440, 900), (1440, 1340), (390, 844)
MOVING = (960, 600)  # pixels of the animation
MOST_BYTES = 1_500_000
POINTER = "#f2762e"
RARE = ("#4a46d8", POINTER, "#1a7a42", "#b3261e")  # colours of the page that must not get lost
PRESS, STEP, LAST = 800, 1900, 3500  # milliseconds that a frame is shown
TEACHER, STUDENT = "Yerlan", "Aruzhan"


class Camera:
    """Takes pictures of a page, and frames of the animation."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._frames: list[tuple[Image.Image, int]] = []
        self._step = ""

    def frame(self, milliseconds: int, pressed: WebElement | None = None) -> None:
        """Add a frame; ``pressed`` is marked with a pointer."""
        picture = Image.open(io.BytesIO(self.page.driver.get_screenshot_as_png())).convert("RGB")
        if pressed is not None:
            box = pressed.rect
            draw, (x, y) = ImageDraw.Draw(picture), (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            draw.ellipse((x - 13, y - 13, x + 13, y + 13), fill=POINTER, outline="white", width=3)
        self._frames.append((picture.resize(MOVING, Image.Resampling.LANCZOS), milliseconds))

    def before(self, step: str, pressed: WebElement) -> None:
        """Add a frame of the press of a button, except Send; before it one of the page where a step begins."""
        if step != self._step:
            self.frame(STEP)
        if pressed.get_attribute("data-action") != "send":
            self.frame(PRESS, pressed)
        self._step = step

    def still(self, file: str, size: tuple[int, int], scale: float, selector: str = "", *, dark: bool = False) -> None:
        """Take a picture of the page, or of one element."""
        self.page.sized(*size, scale)
        self.page.dark(is_dark=dark)
        self.page.settles()
        shown = self.page.one(selector).screenshot_as_png if selector else self.page.driver.get_screenshot_as_png()
        Image.open(io.BytesIO(shown)).convert("RGB").save(DOCS / file, optimize=True)
        self.page.sized(*WIDE)
        self.page.dark(is_dark=False)

    def animation(self, file: str) -> None:
        """Write the frames, with one palette for all of them."""
        many = Image.new("RGB", (MOVING[0], MOVING[1] * (len(self._frames[::4]) + 1)))
        for number, (picture, _) in enumerate(self._frames[::4]):
            many.paste(picture, (0, number * MOVING[1]))
        for number, colour in enumerate(RARE):  # else the palette has none for what is small
            many.paste(colour, (number * 200, many.height - MOVING[1], number * 200 + 200, many.height))
        palette = many.quantize(56)
        frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each, _ in self._frames]
        times = [milliseconds for _, milliseconds in self._frames]
        path = DOCS / "pictures" / file
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}")


def main() -> None:
    """Follow the tour and take all pictures."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.ExitStack() as stack:
        profile = Path(folder) / "chrome"
        profile.mkdir()
        sandbox = stack.enter_context(started(Path(folder)))
        page = Page(stack.enter_context(chrome(profile, "--hide-scrollbars")), sandbox.url)
        page.sized(*WIDE)
        page.sees_bot("The bots are running")
        camera = Camera(page)
        camera.frame(LAST)
        page.press("#tour-start")
        page.follows_the_tour("Step 6 of 7", camera.before)
        page.sees(STUDENT, "Attendance Marked.")
        camera.frame(LAST)
        camera.still("chat.png", TALL, 2, phone(STUDENT))
        page.press("#tour-close")
        page.sized(*SMALL)
        page.press("#tabs button", STUDENT)
        camera.still("pictures/sandbox-phone.png", SMALL, 2)
        page.press("#tour-open")
        page.follows_the_tour("Step 7 of 7", camera.before)
        page.sees(TEACHER, "Clearly the student: 1")
        camera.still("pictures/teacher.png", TALL, 2, phone(TEACHER))
        camera.still("pictures/sandbox-light.png", WIDE, 1.5)
        camera.still("pictures/sandbox-dark.png", WIDE, 1.5, dark=True)
        page.follows_the_tour("Done", camera.before)
        page.sees(TEACHER, "(final)")
        camera.frame(LAST)
        camera.still("pictures/student.png", TALL, 2, phone(STUDENT))
        camera.animation("sandbox.gif")
        assert page.driver.find_elements(By.CSS_SELECTOR, ".answer.bad") == []  # noqa: S101  # the pictures show none


if __name__ == "__main__":
    main()
