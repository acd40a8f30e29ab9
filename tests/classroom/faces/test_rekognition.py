"""The Rekognition engine, against a server with answers as in AWS's documentation."""

import asyncio
import base64
import io
import json
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web
from moto.server import ThreadedMotoServer
from PIL import Image

from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.faces import FaceEngine, FaceError, FaceRefused, FaceUnavailable, PhotoUnusable
from classroom.faces.rekognition import RekognitionEngine
from core.clock import SystemClock
from tests.classroom.aws import KEY_ID, SECRET, Asked, AwsServer, access, never
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


MOTIONS = (Motion.LEFT, Motion.UP)
TYPE = "application/x-amz-json-1.1"


def picture(width: int = 400, height: int = 200, form: str = "JPEG", orientation: int = 1) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), (90, 80, 70)).save(file, form, exif=exif)
    return file.getvalue()


PHOTO, FRAME = picture(form="PNG"), picture()


def face(width: float = 0.25, height: float = 0.5) -> dict[str, Any]:
    """Return a face as in AWS's reference: sides as fractions of the picture's, here 400 x 200."""
    return {
        "BoundingBox": {"Width": width, "Top": 0.14, "Left": 0.26, "Height": height},
        "Confidence": 99.9989,
        "Pose": {"Yaw": -1.72, "Roll": 3.99, "Pitch": -10.94},
        "Quality": {"Sharpness": 95.51, "Brightness": 53.67},
        "Landmarks": [{"Y": 0.41, "X": 0.51, "Type": "eyeLeft"}],
    }


def compared(*matches: tuple[float, dict[str, Any]], unmatched: Sequence[dict[str, Any]] = ()) -> web.Response:
    return answered(
        SourceImageFace={"BoundingBox": face()["BoundingBox"], "Confidence": 99.99},
        FaceMatches=[{"Similarity": similarity, "Face": each} for similarity, each in matches],
        UnmatchedFaces=list(unmatched),
    )


def detected(*faces: dict[str, Any]) -> web.Response:
    return answered(FaceDetails=list(faces))


def answered(**body: Any) -> web.Response:
    return web.Response(text=json.dumps(body), content_type=TYPE)


def error(code: str, status: int = 400) -> web.Response:
    """Answer as AWS does; the message contains secrets that must not be passed on."""
    body = {"__type": code, "Message": f"{KEY_ID} {SECRET}", "Code": code}
    return web.Response(status=status, text=json.dumps(body), content_type=TYPE)


class FakeChecker:
    """A challenge checker with a given result."""

    def __init__(self) -> None:
        self.opinion = Examined(frame=FRAME, seconds={"decode": 0.1}, details="turned 25 degrees")
        self.calls: list[tuple[bytes, Sequence[Motion]]] = []
        self.is_closed = False

    async def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        self.calls.append((note, motions))
        return self.opinion

    async def close(self) -> None:
        self.is_closed = True


class Scene:
    """An engine, its challenge checker, and a server with an answer for each operation; pictures have one face."""

    def __init__(self, server: AwsServer) -> None:
        self.server = server
        self.checker = FakeChecker()
        self.compare: Callable[[], web.Response] = lambda: compared((98.5, face()))
        self.detect: dict[bytes, Callable[[], web.Response]] = {}  # by picture
        server.answer = self.answer
        self.engine: FaceEngine = self.new_engine()

    def new_engine(self, **options: Any) -> RekognitionEngine:
        options = {"calls_per_second": 1000.0, **options}
        return RekognitionEngine(access(self.server.url), self.checker, SystemClock(), **options)

    async def examine(self, photo: bytes = PHOTO) -> Examined:
        return await self.engine.examine(b"a note", MOTIONS, photo)

    def calls(self) -> list[str]:
        return [asked.what for asked in self.server.asked]

    def answer(self, asked: Asked) -> web.Response:
        if asked.what == "CompareFaces":
            return self.compare()
        sent = base64.b64decode(json.loads(asked.body)["Image"]["Bytes"])
        return self.detect.get(sent, lambda: detected(face()))()


@asynccontextmanager
async def scenes() -> AsyncIterator[Scene]:
    async with AwsServer().serving() as server:
        scene = Scene(server)
        checker = scene.checker
        yield scene
        await scene.engine.close()
        assert checker.is_closed


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with scenes() as scene:
        yield scene


class TestMatching:
    async def test_similarity(self, scene: Scene) -> None:
        """The similarity becomes the percentage; frame, durations and figures of both steps are returned."""
        examined = await scene.examine()
        assert (examined.problem, examined.percent, examined.distance) == (None, 98.5, None)
        assert examined.frame == FRAME
        assert set(examined.seconds or {}) == {"decode", "turn", "compare"}
        assert examined.details == (
            "turned 25 degrees; face 100x100 of 1, similarity 98.50, sharpness 96, brightness 54, yaw -2, pitch -11, "
            "roll 4"
        )
        assert scene.checker.calls == [(b"a note", MOTIONS)]

    async def test_what_is_asked(self, scene: Scene) -> None:
        """The photo is the source, the frame the target, with a low threshold and no filter."""
        await scene.examine()
        asked = json.loads(scene.server.asked[-1].body)
        assert asked == {
            "SourceImage": {"Bytes": base64.b64encode(PHOTO).decode()},
            "TargetImage": {"Bytes": base64.b64encode(FRAME).decode()},
            "SimilarityThreshold": 1.0,
            "QualityFilter": "NONE",
        }

    async def test_mismatch_is_not_no_face(self, scene: Scene) -> None:
        """A different face gives 0 percent, and not "no face"."""
        scene.compare = lambda: compared(unmatched=[face()])
        examined = await scene.examine()
        assert (examined.problem, examined.percent) == (None, 0.0)

    async def test_somebody_behind(self, scene: Scene) -> None:
        """The largest face counts: a matching small face in the background does not help."""
        scene.compare = lambda: compared((99.0, face(0.125, 0.25)), unmatched=[face()])
        examined = await scene.examine()
        assert (examined.problem, examined.percent) == (None, 0.0)
        scene.compare = lambda: compared((99.0, face()), unmatched=[face(0.125, 0.25)])
        assert (await scene.examine()).percent == 99.0

    async def test_two_faces(self, scene: Scene) -> None:
        """Two faces of about the same size are reported."""
        scene.compare = lambda: compared((99.0, face()), unmatched=[face(0.2, 0.4)])
        assert (await scene.examine()).problem is Problem.TWO_FACES

    async def test_no_faces_at_all(self, scene: Scene) -> None:
        """An answer without faces is "no face", not a mismatch."""
        scene.compare = compared
        assert (await scene.examine()).problem is Problem.NO_FACE

    @pytest.mark.parametrize(("width", "problem"), [(0.0999, Problem.NO_FACE), (0.1, None)])
    async def test_small_face(self, scene: Scene, width: float, problem: Problem | None) -> None:
        """A face under 40 pixels counts as no face."""
        scene.compare = lambda: compared((99.0, face(width, 0.5)))
        examined = await scene.examine()
        assert examined.problem is problem

    async def test_challenge_failed(self, scene: Scene) -> None:
        """A failed challenge ends the examination without a call to AWS."""
        scene.checker.opinion = Examined(Problem.FLAT, details="no relief")
        assert await scene.examine() is scene.checker.opinion
        assert scene.calls() == []

    @pytest.mark.parametrize("frame", [b"", b"no picture", picture(79, 200), bytes(5 * 1024 * 1024 + 1)])
    async def test_bad_frame(self, scene: Scene, frame: bytes) -> None:
        """A frame that Rekognition would not accept makes the note broken; it is not sent."""
        scene.checker.opinion = Examined(frame=frame)
        assert (await scene.examine()).problem is Problem.BROKEN
        assert scene.calls() == ["DetectFaces"]

    async def test_on_moto(self, scene: Scene) -> None:
        """moto accepts the request, and its answer is parsed: two faces of about the same size."""
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()

        async def answer(asked: Asked) -> web.StreamResponse:
            if asked.what != "CompareFaces":  # moto's only answer
                return scene.answer(asked)
            credential = "AWS4-HMAC-SHA256 Credential=a/20261121/ap-south-1/rekognition/aws4_request"
            headers = {"X-Amz-Target": f"RekognitionService.{asked.what}", "Authorization": credential}
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, timeout=PATIENCE) as http:
                moto = await http.post("/", content=asked.body, headers=headers)
            return web.Response(status=moto.status_code, body=moto.content, content_type=TYPE)

        scene.server.answer = answer
        scene.engine = scene.new_engine(timeout=PATIENCE)
        try:
            examined = await scene.examine()
        finally:
            server.stop()
        assert examined.problem is Problem.TWO_FACES
        assert "of 2" in examined.details


class TestPhotos:
    async def test_looked_at_once(self, scene: Scene) -> None:
        """A photo is its own template; it is checked once, however often it is compared."""
        assert await scene.engine.template(PHOTO) == PHOTO
        await scene.examine()
        await scene.examine()
        assert scene.calls() == ["DetectFaces", "CompareFaces", "CompareFaces"]
        assert not scene.engine.keeps_templates

    @pytest.mark.parametrize(
        ("faces", "text"),
        [
            ([], "no face of 40x40"),
            ([face(0.09, 0.5)], "no face of 40x40"),
            ([face(), face()], "more than one face"),
        ],
    )
    async def test_faces(self, scene: Scene, faces: list[dict[str, Any]], text: str) -> None:
        """A photo without a face, with a too small one or with two is unusable, and checked once."""
        scene.detect[PHOTO] = lambda: detected(*faces)
        for ask in (scene.engine.template, scene.examine):
            with pytest.raises(PhotoUnusable, match=text):
                await ask(PHOTO)
        assert scene.calls() == ["DetectFaces"]

    @pytest.mark.parametrize(
        "photo",
        [b"", b"no picture", picture(200, 79), picture(form="GIF"), PHOTO[:20], bytes(5 * 1024 * 1024 + 1)],
        ids=["empty", "text", "small", "gif", "cut", "large"],
    )
    async def test_no_such_picture(self, scene: Scene, photo: bytes) -> None:
        """A photo that Rekognition would not accept is unusable; it is not sent."""
        with pytest.raises(PhotoUnusable):
            await scene.engine.template(photo)
        assert scene.calls() == []

    @pytest.mark.parametrize(
        "code", ["InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"]
    )
    async def test_rejected(self, scene: Scene, code: str) -> None:
        """A photo that Rekognition rejects is unusable."""
        scene.detect[PHOTO] = lambda: error(code)
        with pytest.raises(PhotoUnusable, match=code):
            await scene.engine.template(PHOTO)

    async def test_turned_photo(self, scene: Scene) -> None:
        """A photo rotated by its EXIF header is measured as displayed: 200 wide, 400 high."""
        photo = picture(orientation=6)
        scene.detect[photo] = lambda: detected(face(0.21, 0.11))
        assert await scene.engine.template(photo) == photo
        scene.detect[PHOTO] = lambda: detected(face(0.21, 0.11))
        with pytest.raises(PhotoUnusable):
            await scene.engine.template(PHOTO)

    async def test_failure_is_not_kept(self, scene: Scene) -> None:
        """After a failed check the photo is checked again."""
        scene.detect[PHOTO] = lambda: error("ThrottlingException")
        with pytest.raises(FaceUnavailable):
            await scene.engine.template(PHOTO)
        scene.detect.clear()
        assert await scene.engine.template(PHOTO) == PHOTO


class TestComplaints:
    """CompareFaces does not say which of its two pictures an error is about."""

    CODES = ("InvalidParameterException", "InvalidImageFormatException", "ImageTooLargeException")

    @pytest.mark.parametrize("code", CODES)
    async def test_no_face_in_the_frame(self, scene: Scene, code: str) -> None:
        """If DetectFaces finds no face in the frame, the result is "no face"."""
        scene.compare = lambda: error(code)
        scene.detect[FRAME] = detected
        examined = await scene.examine()
        assert (examined.problem, examined.percent, examined.frame) == (Problem.NO_FACE, None, FRAME)
        assert scene.calls() == ["DetectFaces", "CompareFaces", "DetectFaces"]

    @pytest.mark.parametrize("code", CODES)
    async def test_frame_unreadable(self, scene: Scene, code: str) -> None:
        """If DetectFaces rejects the frame too, the note is broken."""
        scene.compare = lambda: error(code)
        scene.detect[FRAME] = lambda: error(code)
        assert (await scene.examine()).problem is Problem.BROKEN

    @pytest.mark.parametrize("code", CODES)
    async def test_photo(self, scene: Scene, code: str) -> None:
        """If the frame has a face, the photo is unusable: no try of the student."""
        scene.compare = lambda: error(code)
        with pytest.raises(PhotoUnusable, match=code):
            await scene.examine()


class TestTroubles:
    ANSWERS: Sequence[tuple[str, int, type[FaceError]]] = [
        ("ProvisionedThroughputExceededException", 400, FaceUnavailable),
        ("ThrottlingException", 400, FaceUnavailable),
        ("InternalServerError", 500, FaceUnavailable),
        ("ServiceUnavailable", 503, FaceUnavailable),
        ("LimitExceededException", 400, FaceUnavailable),
        ("InvalidS3ObjectException", 400, FaceUnavailable),
        ("com.amazonaws.rekognition#ThrottlingException", 400, FaceUnavailable),
        ("AccessDeniedException", 400, FaceRefused),
        ("UnrecognizedClientException", 400, FaceRefused),
        ("InvalidSignatureException", 400, FaceRefused),
        ("MissingAuthenticationTokenException", 400, FaceRefused),
        ("ExpiredTokenException", 400, FaceRefused),
        ("ValidationException", 400, FaceRefused),
    ]

    @pytest.mark.parametrize("operation", ["CompareFaces", "DetectFaces"])
    @pytest.mark.parametrize(("code", "status", "expected"), ANSWERS)
    async def test_answers(
        self, scene: Scene, operation: str, code: str, status: int, expected: type[FaceError]
    ) -> None:
        """Each error has its type, is tried once, and has its code but nothing of AWS's message."""
        if operation == "CompareFaces":
            scene.compare = lambda: error(code, status)
        else:
            scene.detect[PHOTO] = lambda: error(code, status)
        with pytest.raises(expected, match=code.rpartition("#")[2]) as caught:
            await scene.examine()
        whole = "".join(traceback.format_exception(caught.value))
        assert KEY_ID not in whole
        assert SECRET not in whole
        assert scene.calls().count(operation) == 1

    async def test_hanging(self, scene: Scene) -> None:
        """A server that never answers ends in a time-out."""
        scene.server.raw = never
        engine = scene.new_engine(timeout=0.2)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(FaceUnavailable, match="Timeout"):
                await engine.template(PHOTO)
        await engine.close()

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html>",
            "[]",
            "null",
            '{"FaceMatches": "abc"}',
            '{"FaceMatches": [5]}',
            '{"FaceMatches": [null]}',
            '{"FaceMatches": [{"Similarity": 99.0}]}',
            '{"FaceMatches": [{"Face": {"BoundingBox": {"Width": 1, "Height": 1}}}]}',
            '{"FaceMatches": [{"Similarity": NaN, "Face": {"BoundingBox": {"Width": 1, "Height": 1}}}]}',
            '{"UnmatchedFaces": [{"Confidence": 99.0}]}',
            '{"UnmatchedFaces": [{"BoundingBox": {"Width": "x", "Height": 1}}]}',
            '{"UnmatchedFaces": [{"BoundingBox": {"Width": 1, "Height": 1}, "Pose": {"Yaw": "x"}}]}',
        ],
    )
    async def test_unreadable_answers(self, scene: Scene, body: str) -> None:
        """An unreadable answer is no try of the student."""
        scene.compare = lambda: web.Response(text=body, content_type=TYPE)
        with pytest.raises(FaceUnavailable):
            await scene.examine()

    async def test_checker_fails(self, scene: Scene) -> None:
        """An error of the challenge checker is passed on unchanged."""

        class Broken(FakeChecker):
            async def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
                raise FaceUnavailable("a worker died")

        scene.checker = Broken()
        engine = scene.new_engine()
        with pytest.raises(FaceUnavailable, match="a worker died"):
            await engine.examine(b"", MOTIONS, PHOTO)


async def test_quota(scene: Scene) -> None:
    """Calls of one operation are spaced, so that no second has more than the quota allows."""
    engine = scene.new_engine(calls_per_second=20.0)
    loop = asyncio.get_running_loop()
    times: list[float] = []

    def compare() -> web.Response:
        times.append(loop.time())
        return compared((99.0, face()))

    scene.compare = compare
    await engine.template(PHOTO)
    begun = loop.time()
    await asyncio.gather(*(engine.examine(b"", MOTIONS, PHOTO) for _ in range(11)))
    await engine.close()
    assert len(times) == 11
    assert max(times) - begun >= 0.49  # ten distances of a twentieth
