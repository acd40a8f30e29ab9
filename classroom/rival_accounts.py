"""What a teacher sees of the accounts that sent one student ID, to accept one of them."""

from classroom.check_in.claims import account_number
from classroom.domain import code_attempts as codes
from classroom.domain.sessions import CheckIn
from classroom.services import Classroom
from telegram_app.i18n import Texts
from telegram_app.outbox import Button


def is_rivalled(check_in: CheckIn) -> bool:
    return bool(check_in.rivals) or check_in.note == codes.CLAIMED_TWICE


async def account_lines(classroom: Classroom, _: Texts, check_in: CheckIn) -> list[str]:
    """Return what is known of the accounts that sent an ID, and of the linked one; nobody is accused."""
    zone, bound = classroom.settings.zone, await classroom.store.binding_for(check_in.student_id)
    came = {check_in.telegram_id: check_in.code_at} | {each.telegram_id: each.at for each in check_in.rivals}
    text, times = _("No. {number}: came at {time}"), {each: at.astimezone(zone) for each, at in came.items()}
    lines = [text.format(number=account_number(each), time=f"{at:%H:%M}") for each, at in times.items()]
    if bound is not None:
        since, text = f"{bound.bound_at.astimezone(zone):%d.%m.%Y %H:%M}", _("No. {number}: linked since {date}")
        lines.append(text.format(number=account_number(bound.telegram_id), date=since))
    return [*lines, _("Whose ID is it? Each chat shows its number.")]


def accept_buttons(_: Texts, check_in: CheckIn, data: str) -> list[Button]:
    """Return a button for each account; ``data`` is what stands before the account in the button's data."""
    accounts = [check_in.telegram_id, *(each.telegram_id for each in check_in.rivals)]
    text = _("Accept No. {number}")
    return [Button(text.format(number=account_number(each)), f"{data}:{each}") for each in accounts]
