"""What the marker's profile says."""

from telegram_app.profile import Profile

MARKER = Profile(
    lambda _: _(
        "I watch the university's registration portal for you. When a lesson opens I mark your attendance, or tell "
        "you, and you press the button yourself. Only for lessons that you attend: your university's rules are yours "
        "to check. You need an invitation code from the person who runs this bot. Your password is kept encrypted and "
        "used for the portal only; you can delete all your data at any time."
    ),
    lambda _: _(
        "Marks your attendance on the university's portal when a lesson opens. Only for lessons that you attend."
    ),
)
