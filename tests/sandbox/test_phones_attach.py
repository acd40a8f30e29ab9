"""What the phones of the sandbox's page send besides text: places, contacts, files, video notes, the own ID photo."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from classroom.faces import mp4
from sandbox import note_drawing
from sandbox.video_notes import encoded
from tests.sandbox import phone_page
from tests.sandbox.browser import chrome
from tests.sandbox.phone_driver import DOWN, ENTER, ESCAPE, UP, Handset
from tests.sandbox.phone_page import STUDENT, TEACHER, PhonePage

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

ROOM = 43.25


def test_location(page: PhonePage, student: Handset) -> None:
    """The attach menu works by keys; a place of the plan is sent at once, and is the phone's place from then on."""
    student.press("attach")
    student.focuses("attach:location")
    student.keys(DOWN, UP, ENTER)
    student.focuses("attach:location:in-class")
    student.press("attach:location:70m")
    student.one(".bubble.location", "70 m from the classroom")
    student.sees_no(".sheet")
    sent = page.screen("marker", STUDENT)["messages"][-1]["location"]
    assert (sent["latitude"] - ROOM) * 111_110 == pytest.approx(70, abs=0.1)
    assert "live_period" not in sent
    markup = {"keyboard": [[{"text": "Share", "request_location": True}]]}
    page.says("marker", STUDENT, "Where?", reply_markup=markup)
    student.press("reply:Share")
    student.until("two places", lambda: len(student.all(".bubble.location")) == 2)
    assert page.screen("marker", STUDENT)["messages"][-1]["location"] == sent


def test_live_location(page: PhonePage, student: Handset) -> None:
    """A live location can be moved on the plan and stopped in its message."""
    student.press("attach")
    student.press("attach:live")
    student.press("attach:live:2km")
    student.one(".bubble.location", "2 km from the classroom")
    student.press("live:move")
    student.press("move:in-class")
    bubble = student.one(".bubble.location", "In class, 8 m")
    assert "Live location" in bubble.text
    student.press("live:stop")
    student.sees_no('[data-action="live:stop"]')
    (location,) = [each["location"] for each in page.screen("marker", STUDENT)["messages"] if "location" in each]
    assert "live_period" not in location


def test_contact(page: PhonePage, teacher: Handset) -> None:
    """The own contact is sent with the person's number."""
    teacher.press("attach")
    teacher.press("attach:contact")
    teacher.one(".bubble.contact", "+7701003001")
    assert page.screen("teacher", TEACHER)["messages"][-1]["contact"]["user_id"] == TEACHER


def test_prepared_note(page: PhonePage, student: Handset) -> None:
    """A prepared video note is ordered from the sandbox for this person and bot."""
    student.press("chat:student")
    student.press("attach")
    student.press("attach:note")
    student.one('[data-action="note:none"]', "No face")
    student.press("note:right")
    order = {"bot": "student_test_bot", "person": STUDENT, "name": "right"}
    student.until("the order", lambda: page.orders == [("/api/notes/send", order)])


def test_note_from_a_file(page: PhonePage, student: Handset, tmp_path: Path) -> None:
    """A video file is sent as a video note; another file is refused in words."""
    student.press("chat:student")
    for name, content in (("x.txt", b"text"), ("x.mp4", b"a video")):
        (tmp_path / name).write_bytes(content)
        student.press("attach")
        student.press("attach:note")
        student.button("note:file")
        chooser = student.driver.find_element("css selector", f"{student.root} .notes input[type=file]")
        chooser.send_keys(str(tmp_path / name))
        if name == "x.txt":
            student.notice("This file is no video.")
    encoded = base64.b64encode(b"a video").decode()
    order = {"bot": "student_test_bot", "person": STUDENT, "file": encoded}
    student.until("the order", lambda: page.orders == [("/api/notes/send", order)])


def test_own_photo(page: PhonePage, student: Handset, tmp_path: Path) -> None:
    """An own picture becomes the ID photo as a JPEG, and a file that is no picture is refused in words."""
    student.press("chat:student")
    pixel = phone_page.PIXEL
    for name, content in (("x.png", b"no picture"), ("y.png", pixel)):
        (tmp_path / name).write_bytes(content)
        student.press("attach")
        student.press("attach:photo")
        student.button("photo:file")
        chooser = student.driver.find_element("css selector", f"{student.root} .photo-of input[type=file]")
        chooser.send_keys(str(tmp_path / name))
        student.notice("This file is no picture" if name == "x.png" else "This is the ID photo now.")
    ((path, order),) = page.orders
    assert (path, order["person"]) == ("/api/photos", STUDENT)
    assert base64.b64decode(order["image"]).startswith(b"\xff\xd8\xff")


def test_video_note_plays(page: PhonePage, student: Handset) -> None:
    """A video note is a button that plays it."""
    pictures = [np.full((64, 64, 3), level, dtype=np.uint8) for level in range(0, 240, 2)]
    content = {"base64": base64.b64encode(encoded(pictures)).decode(), "duration": 4}
    page.acts("marker", STUDENT, video_note=content)
    note = student.button("note")
    assert "0:04" in note.text
    assert note.get_attribute("aria-label") == "Play the video note"
    note.click()
    time = f"return document.querySelector('{student.root} .round video').currentTime"
    student.until("a playing video", lambda: student.driver.execute_script(time) > 0.2)


def test_camera_is_missing(page: PhonePage, student: Handset) -> None:
    """Where the browser records no video, the camera's sheet says so and what else there is."""
    student.driver.execute_script("window.MediaRecorder = undefined")
    student.press("attach")
    student.press("attach:note")
    student.press("note:camera")
    student.one(".camera .missing", "This browser can't record video")
    student.keys(ESCAPE)
    student.sees_no(".camera")


@pytest.fixture
def with_camera(server: PhonePage, tmp_path: Path) -> Iterator[Handset]:
    """The student's phone in a browser with a simulated camera."""
    server.reset()
    server.acts("student", STUDENT, text="/start")
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chrome(tmp_path, *fake) as browser:
        browser.get(server.url)
        phone = Handset(browser, "Aruzhan")
        phone.press("chat:student")
        phone.sees("/start")
        yield phone


def test_camera(server: PhonePage, with_camera: Handset) -> None:
    """Below the bot's question the camera counts down, records, shows and sends a video; it also takes the ID photo."""
    phone = with_camera
    server.says("student", STUDENT, "Record a round video: <b>look up</b>")
    phone.sees("Record a round video")
    phone.press("attach")
    phone.press("attach:note")
    phone.press("note:camera")
    phone.button("camera:record")
    assert phone.one(".task b").text == "look up"
    phone.focuses("camera:record")
    phone.keys(ENTER)
    phone.one(".state", "Recording starts in")
    phone.one(".state", "Recording")
    ring = f"return parseFloat(document.querySelector('{phone.root} .lens circle').style.strokeDashoffset)"
    phone.until("a second of the recording", lambda: phone.driver.execute_script(ring) < 92)
    phone.press("camera:stop")
    phone.one(".state", "This is what will be sent.")
    phone.press("camera:send")
    phone.until("the order", lambda: server.orders)
    note = base64.b64decode(server.orders[0][1]["file"])
    assert note[4:8] == b"ftyp"
    assert b"avc1" in note, "no H.264, which the face check needs"
    converted, seconds = note_drawing.recording(note)
    track = mp4.read(converted)
    assert (track.width, track.height) == (384, 384)
    assert seconds > 0.1
    phone.press("attach")
    phone.press("attach:photo")
    phone.press("photo:camera")
    phone.press("camera:photo")
    phone.notice("This is the ID photo now.")
    assert base64.b64decode(server.orders[1][1]["image"]).startswith(b"\xff\xd8\xff")
