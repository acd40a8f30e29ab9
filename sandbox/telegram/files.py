"""Files of the Bot API: uploads by bots and people, reuse by file_id, and getFile."""

import base64
from typing import Any

from sandbox.telegram.arguments import Arguments, Upload
from sandbox.telegram.checks import image
from sandbox.telegram.errors import bad_request
from sandbox.telegram.world import Bot, Json, StoredFile, TelegramWorld

# core.telegram.org/bots/api#sending-files and #getfile
MAX_PHOTO = 10 * 1024 * 1024
MAX_UPLOAD = 50 * 1024 * 1024
MAX_DOWNLOAD = 20 * 1024 * 1024

_FIELDS: dict[str, Json] = {
    "document": {"mime_type": "application/octet-stream"},
    "video": {"mime_type": "video/mp4", "width": 640, "height": 480, "duration": 5},
    "video_note": {"length": 384, "duration": 5},
    "voice": {"mime_type": "audio/ogg", "duration": 5},
    "audio": {"mime_type": "audio/mpeg", "duration": 5},
    "animation": {"mime_type": "video/mp4", "width": 320, "height": 240, "duration": 5},
    "sticker": {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False},
}
_SUFFIXES = {
    "photo": "jpg", "video": "mp4", "video_note": "mp4", "voice": "oga", "audio": "mp3", "animation": "mp4",
    "sticker": "webp",
}  # fmt: skip
KINDS = ("photo", *_FIELDS)
_NAMED = ("document", "video", "audio", "animation")
# One white pixel: what a bot gets if it uses the first size of a photo instead of the last.
_PIXEL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hn"
    "Pk1xeXBkeFxlZ2P/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAB//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8A"
    "QH//2Q=="
)


def keep(bot: Bot, kind: str, content: bytes, name: str = "", about: Json | None = None) -> Json:
    """Store a file for a bot; returns the fields of a message that contains it."""
    about = about or {}
    if kind == "photo":
        small, large = bot.store(kind, _PIXEL, "thumbnail.jpg"), bot.store(kind, content, "photo.jpg")
        size = {"width": about.get("width", 1280), "height": about.get("height", 960)}
        sizes = [{**small.reference(), "width": 90, "height": 67}, {**large.reference(), **size}]
        small.shown = large.shown = sizes
        return {"photo": sizes}
    name = name or f"{kind}.{_SUFFIXES.get(kind, 'bin')}"
    stored = bot.store(kind, content, name)
    stored.shown = {**stored.reference(), **_FIELDS[kind], **about}
    if kind in _NAMED:
        stored.shown["file_name"] = name
    media: Json = {kind: stored.shown}
    if kind == "animation":
        media["document"] = stored.shown  # for backward compatibility (the Bot API on Message.animation)
    return media


def resolve(bot: Bot, kind: str, source: str, arguments: Arguments) -> Json:
    """Return the file of a call: an upload under its own name or as attach://NAME, or a file_id of this bot."""
    file = check_file(bot, kind, source, arguments)
    if isinstance(file, Upload):
        about = {"mime_type": file.content_type} if kind in _NAMED else {}
        return keep(bot, kind, file.content, file.name, about)
    return {kind: file.shown}


def check_file(bot: Bot, kind: str, source: str, arguments: Arguments) -> Upload | StoredFile:
    """Return a call's file without storing it; 400 if Telegram would refuse it."""
    if not source or source.startswith("attach://"):
        return _uploaded(kind, source.removeprefix("attach://") or kind, arguments)
    if source.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")  # the simulator downloads nothing
    stored = bot.files.get(source)
    if stored is None:
        raise bad_request("Wrong remote file identifier specified: Wrong string length")
    if stored.kind != kind:
        raise bad_request(f"Can't use file of type {stored.kind.title()} as {kind.title()}")
    return stored


def _uploaded(kind: str, name: str, arguments: Arguments) -> Upload:
    upload = arguments.files.get(name)
    if upload is None:
        raise bad_request(f"There is no {kind} in the request")
    if not upload.content:
        raise bad_request("File must be non-empty")
    size, most = len(upload.content), MAX_PHOTO if kind == "photo" else MAX_UPLOAD
    if size > most:
        raise bad_request(f"File of size {size} bytes is too big for a {kind}; the maximum size is {most} bytes")
    if kind == "photo":
        image(upload.content)
    return upload


def get_file(_world: TelegramWorld, bot: Bot, arguments: Arguments) -> Json:
    """getFile: the download path of a file of up to 20 MB."""
    identifier = arguments.text("file_id")
    if not identifier:
        raise bad_request("file_id not specified")
    stored = bot.files.get(identifier)
    if stored is None:
        raise bad_request("invalid file_id")
    if len(stored.content) > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    return {**stored.reference(), "file_path": stored.path}


def decoded(value: Any) -> tuple[bytes, str, Json]:
    """Return content, name and other fields of a file given as base64 or {"base64": ..., "duration": 5, ...}."""
    about = dict(value) if isinstance(value, dict) else {"base64": value}
    content = about.pop("base64", None)
    if not isinstance(content, str):
        raise TypeError("a file is base64 text, or an object with it under base64")
    return base64.b64decode(content, validate=True), str(about.pop("file_name", "")), about
