"""A link as a picture that a phone's camera reads."""

import io

import segno

# Pixels for each module: about 400 for a link of ours, which stays sharp on a phone and takes half a kilobyte.
SCALE = 10


def qr_picture(link: str) -> bytes:
    """Return the QR code of a link as a PNG. The same link gives the same picture."""
    picture = io.BytesIO()
    segno.make(link, micro=False).save(picture, kind="png", scale=SCALE)
    return picture.getvalue()
