"""Draws classroom/pictures/round_video.png, which shows without text how to record a video note in Telegram.

Three steps: hold the camera button beside the message field (a tap on the microphone shows it); the round picture with
the face; turn the head or look up.
"""

from pathlib import Path

from PIL import Image, ImageDraw

TARGET = Path(__file__).resolve().parent.parent / "classroom" / "pictures" / "round_video.png"
SCALE = 4  # drawn larger and scaled down for smooth edges
WIDTH, HEIGHT = 840, 360
INK, PAPER, BLUE, RED, GREY, SKIN = "#1f2937", "#ffffff", "#2f88d8", "#e0453a", "#d5dbe3", "#f2c9a5"


class Canvas:
    """A drawing in units of the final picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#eef2f7")
        self._draw = ImageDraw.Draw(self.image)

    def box(
        self, left: float, top: float, right: float, bottom: float, radius: float, fill: str, line: str = ""
    ) -> None:
        """Draw a rectangle with rounded corners."""
        self._draw.rounded_rectangle(
            [v * SCALE for v in (left, top, right, bottom)], radius * SCALE, fill, line or None, 3 * SCALE
        )

    def disc(self, x: float, y: float, radius: float, fill: str | None, line: str = "", width: float = 3) -> None:
        around = [v * SCALE for v in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(around, fill, line or None, round(width * SCALE))

    def oval(self, x: float, y: float, across: float, down: float, fill: str) -> None:
        self._draw.ellipse([v * SCALE for v in (x - across, y - down, x + across, y + down)], fill)

    def arc(self, x: float, y: float, radius: float, start: float, end: float, fill: str, width: float) -> None:
        """Draw an arc, in degrees from three o'clock."""
        around = [v * SCALE for v in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.arc(around, start, end, fill, round(width * SCALE))

    def shape(self, points: list[tuple[float, float]], fill: str) -> None:
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill)

    def line(self, points: list[tuple[float, float]], fill: str, width: float) -> None:
        """Draw a line with round ends."""
        self._draw.line([(x * SCALE, y * SCALE) for x, y in points], fill, round(width * SCALE), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, fill)


def _phone(canvas: Canvas, x: float) -> None:
    canvas.box(x - 85, 25, x + 85, 335, 24, PAPER, INK)
    canvas.box(x - 22, 35, x + 22, 41, 3, GREY)


def _face(canvas: Canvas, x: float, y: float, size: float, turned: float = 0) -> None:
    """Draw a head; ``turned`` shifts eyes and nose from the middle, in parts of the size."""
    canvas.oval(x, y, 0.62 * size, 0.8 * size, SKIN)
    canvas.arc(x, y - 0.1 * size, 0.68 * size, 195, 345, INK, 0.2 * size)
    for side in (-1, 1):
        canvas.disc(x + (0.24 * side + turned) * size, y - 0.08 * size, 0.07 * size, INK)
    nose = x + 1.25 * turned * size
    canvas.line([(nose, y), (nose + 0.12 * turned * size, y + 0.18 * size)], "#c48f63", 0.06 * size)
    mouth = x + turned * size
    canvas.arc(mouth, y + 0.28 * size, 0.2 * size, 20, 160, RED, 0.06 * size)


def _camera(canvas: Canvas, x: float, y: float) -> None:
    """Draw the camera button: a rounded square with a circle."""
    canvas.disc(x, y, 22, BLUE)
    canvas.box(x - 11, y - 11, x + 11, y + 11, 6, BLUE, PAPER)
    canvas.disc(x, y, 4.5, PAPER)


def _finger(canvas: Canvas, x: float, y: float) -> None:
    """Draw a finger that presses a point, with the rings of a long press."""
    canvas.arc(x, y, 31, 0, 360, BLUE, 2.5)
    canvas.arc(x, y, 40, 0, 360, "#9cc6ee", 2.5)
    canvas.line([(x + 7, y + 13), (x + 24, y + 48)], INK, 25)
    canvas.line([(x + 7, y + 13), (x + 24, y + 48)], SKIN, 19)


def _arrow(canvas: Canvas, x: float, y: float) -> None:
    canvas.line([(x - 14, y), (x + 6, y)], INK, 6)
    canvas.shape([(x + 3, y - 13), (x + 22, y), (x + 3, y + 13)], INK)


def _turns(canvas: Canvas, x: float, y: float) -> None:
    """Draw arrows to the left, to the right and up."""
    for side in (-1, 1):
        canvas.line([(x + 62 * side, y + 96), (x + 22 * side, y + 96)], BLUE, 6)
        tip = x + 78 * side
        canvas.shape([(tip, y + 96), (tip - 18 * side, y + 84), (tip - 18 * side, y + 108)], BLUE)
    canvas.line([(x, y + 104), (x, y + 80)], BLUE, 6)
    canvas.shape([(x, y + 66), (x - 12, y + 84), (x + 12, y + 84)], BLUE)


def draw() -> Image.Image:
    canvas = Canvas()
    first, second, third = 140, 420, 700
    for x in (first, second, third):
        _phone(canvas, x)
    for between in ((first + second) / 2, (second + third) / 2):
        _arrow(canvas, between, 180)
    # the message field with a finger on the camera button
    for above, left, right in ((70, -70, 20), (110, -20, 70), (150, -70, 0)):
        canvas.box(first + left, above, first + right, above + 26, 10, GREY)
    canvas.box(first - 72, 262, first + 30, 298, 18, "#f3f5f8", GREY)
    _camera(canvas, first + 56, 280)
    _finger(canvas, first + 56, 280)
    # the round picture, with the ring of the elapsed time
    canvas.disc(second, 165, 70, "#dfeaf5")
    _face(canvas, second, 170, 52)
    canvas.arc(second, 165, 75, -90, 60, RED, 6)
    canvas.disc(second - 20, 280, 7, RED)
    canvas.line([(second, 280), (second + 26, 280)], GREY, 7)
    # the turned head
    canvas.disc(third, 150, 70, "#dfeaf5")
    _face(canvas, third, 155, 52, turned=0.2)
    canvas.arc(third, 150, 75, -90, 200, RED, 6)
    _turns(canvas, third, 170)
    return canvas.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    draw().quantize(64).save(TARGET, optimize=True)
