"""QR codes of links."""

import io

import segno

# Pixels per module: a link's picture is about 400 pixels wide, sharp on a phone, and half a kilobyte.
SCALE = 10


def qr_picture(link: str) -> bytes:
    """Return the QR code of a link as a PNG; equal links give equal pictures."""
    picture = io.BytesIO()
    segno.make(link, micro=False).save(picture, kind="png", scale=SCALE)
    return picture.getvalue()
