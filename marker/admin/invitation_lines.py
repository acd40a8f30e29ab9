"""A code's line in the admin's list: its note, age and remaining days, or how it was used."""

import math
from datetime import datetime, timedelta
from html import escape

from marker.admin.screens import LINE, shortened
from marker.services import Services
from storage import NOBODY, Invitation
from telegram_app.i18n import Texts


def is_unused(services: Services, invitation: Invitation) -> bool:
    over = invitation.used_by is not None or invitation.revoked_at is not None
    return not over and services.storage.expires_at(invitation) > services.clock.now()


def order(services: Services, entry: tuple[str, Invitation]) -> tuple[int, str]:
    """Return a sort key for descending order: unused codes, then used ones, then the rest, each newest first."""
    _code, invitation = entry
    if is_unused(services, invitation):
        return 2, invitation.created_at
    return (1, invitation.used_at or "") if invitation.used_by is not None else (0, invitation.created_at)


def line(services: Services, _: Texts, code: str, invitation: Invitation) -> str:
    parts = [f"<code>{code}</code>"]
    if invitation.note:
        parts.append(escape(invitation.note))
    if invitation.used_by == NOBODY:
        parts.append(_("used"))
    elif invitation.used_by is not None:
        student = services.storage.student(invitation.used_by)
        # of a student who was removed, or registered again with another code, only the number is known
        ours = student is not None and student.invitation_code == code
        who = student.username if student is not None and ours else str(invitation.used_by)
        parts.append(_("used by {who}").format(who=escape(shortened(who, LINE))))
    elif invitation.revoked_at is not None:
        parts.append(_("revoked"))
    elif not is_unused(services, invitation):
        parts.append(_("expired"))
    else:
        now = services.clock.now()
        days = (now - datetime.fromisoformat(invitation.created_at)).days
        made = _.ngettext("made {n} day ago", "made {n} days ago", days).format(n=days)
        parts.append(made if days > 0 else _("made today"))
        left = math.ceil((services.storage.expires_at(invitation) - now) / timedelta(days=1))
        parts.append(_.ngettext("{n} day left", "{n} days left", left).format(n=left))
    return ", ".join(parts)
