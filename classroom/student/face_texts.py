"""The student bot's texts for face checks: consent, challenge, and why a video does not count."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from classroom.domain.face_policy import LONGEST_NOTE, SHORTEST_NOTE, Examined, Motion, NoteRefusal, Problem
from classroom.domain.video_notes import Unusable
from core.settings import Settings
from telegram_app.i18n import Texts


def consent_text(_: Texts, settings: Settings, until: date) -> str:
    """Return the whole consent text: what is kept, how long, who sees it, and the alternative.

    ``until`` is the end of the term. As a caption it may have at most 1024 characters. After a change of content raise
    the versions in ``face_policy``: people are then asked again.
    """
    kept = _(
        "Kept until the end of the term ({day}) or until you send /delete_me: an encrypted template of the face on your"
        " ID photo."
    )
    where = _("It is compared on this bot's own server.")
    if settings.face_engine == "rekognition":
        kept = _("No template of your face is kept. Your consent is kept until the end of the term ({day}).")
        where = _("Amazon (AWS Rekognition, {region}) compares pictures from it with your ID photo.")
    lines = [
        _("Now your face check: send a round video of a few seconds, which is compared with your ID photo."),
        where.format(region=settings.aws_region),
        kept.format(day=until.strftime("%d.%m.%Y")),
        _("Videos are never kept: each is deleted from this chat after the check."),
        _(
            "Nobody sees your video. Only if the result is unclear, your teacher sees two pictures, which are kept"
            " encrypted until the decision, at most a day."
        ),
        _("Nobody has to agree: without the face check your teacher confirms your attendance just as well."),
    ]
    if settings.face_compare_class:
        text = _(
            "{button}: the video is also compared with the templates of classmates who agree to this, so that nobody"
            " stands in for you. Nobody is named. /my_data ends it."
        )
        lines.append(text.format(button=f"<i>{_('I Agree, Also With My Class')}</i>"))
    return "\n".join(lines)


def motion_text(_: Texts, motion: str) -> str:
    words = {
        Motion.LEFT: _("turn your head to your left"),
        Motion.RIGHT: _("turn your head to your right"),
        Motion.UP: _("look up"),
        Motion.DOWN: _("look down"),
    }
    return words[Motion(motion)]


def challenge_text(_: Texts, motions: Sequence[str], seconds: int) -> str:
    ahead = _("look straight ahead again")
    between = f", {ahead}, "
    ask = _(
        "Record a round video, with your face in it all the time. Look straight ahead, {motions}, and send it. Move"
        " slowly."
    )
    how = _("Hold the camera beside the message field; where there is a microphone, tap it first.")
    left = _("You have {seconds} s.")
    asked = between.join(f"<b>{motion_text(_, motion)}</b>" for motion in motions)
    return "\n".join([ask.format(motions=asked), how, left.format(seconds=seconds)])


def run_out_text(_: Texts) -> str:
    return _("The time for this video is over. Tap New Challenge, and record a new one.")


def note_refusal_text(_: Texts, refusal: NoteRefusal) -> str:
    """Return why a message does not answer the challenge, and what to do."""
    again = _("Record a new round video for the challenge above.")
    why = {
        NoteRefusal.VIDEO: _("An ordinary video does not count."),
        NoteRefusal.PHOTO: _("A photo does not count."),
        NoteRefusal.FORWARDED: _("A forwarded video does not count."),
        NoteRefusal.VIA_BOT: _("A video sent through another bot does not count."),
        NoteRefusal.REPEATED: _("This video was sent before: each video counts once."),
        NoteRefusal.EARLY: _("That video is older than the challenge."),
        NoteRefusal.LATE: _("That video came too late."),
        NoteRefusal.SHORT: _("That video is too short: at least {seconds} seconds.").format(seconds=SHORTEST_NOTE),
        NoteRefusal.LONG: _("That video is too long: at most {seconds} seconds.").format(seconds=LONGEST_NOTE),
        NoteRefusal.LARGE: _("That video is too large: at most 20 MB."),
    }[refusal]
    return why + " " + (_("Tap New Challenge.") if refusal is NoteRefusal.LATE else again)


def problem_text(_: Texts, examined: Examined, asked: Sequence[str]) -> str:
    """Return what was seen in a video and what was not, and what to do; never that somebody cheats."""
    texts = {
        None: _("I could not match your face with your ID photo. Come closer, with light on your face, uncovered."),
        Problem.BROKEN: _("The video can't be read. Record it again."),
        Problem.CRASHED: _("This video can't be read. Record a new one, with Telegram's own app."),
        Problem.NO_FACE: _("No face was found. Turn to the light, and hold the phone in front of your face."),
        Problem.TWO_FACES: _("There are two faces in the video. Make sure that yours is the only one."),
        Problem.CUT: _("Your face was not in view all the time. Keep it in the circle from the beginning to the end."),
        Problem.DARK: _("It is too dark to see your face. Turn to a window or a lamp."),
    }
    return texts[examined.problem] if examined.problem in texts else _not_seen_text(_, examined.seen, asked)


def _not_seen_text(_: Texts, seen: Sequence[Motion], asked: Sequence[str]) -> str:
    """Return which motions were seen and which were not. A mirrored camera swaps the sides: a turn is a turn."""
    words = {"turn": _("the turn"), Motion.UP: _("the look up"), Motion.DOWN: _("the look down")}
    left = Counter(_kind(motion) for motion in seen)
    found, missing = list[str](), list[str]()
    for kind in map(_kind, asked):
        is_second = kind == "turn" and words["turn"] in (*found, *missing)
        (found if left[kind] > 0 else missing).append(_("the other turn") if is_second else words[kind])
        left[kind] -= 1
    if not found:
        return _("I did not see the motions. Turn to the light, and make each one slowly and far enough.")
    if missing:
        text = _("I saw {seen}, but not {missing}. Once more?")
        return text.format(seen=", ".join(found), missing=", ".join(missing))
    return _("I saw these motions, but not in this order or not only them. Once more, slowly?")


def _kind(motion: str) -> str:
    return "turn" if motion in (Motion.LEFT, Motion.RIGHT) else motion


def unusable_text(_: Texts, why: Unusable) -> str:
    """Return why a video could not be checked, through no fault of the student."""
    texts = {
        Unusable.NO_PHOTO: _("There is no ID photo of you for the comparison: ask your university to add one."),
        Unusable.PHOTO: _("Your ID photo can't be used for the comparison: ask your university for a better one."),
        Unusable.NOTE: _("Telegram has lost your video."),
        Unusable.NO_CONSENT: "",  # the consent question follows
        Unusable.TECHNICAL: _("The check does not work at the moment."),
    }
    return texts[why]
