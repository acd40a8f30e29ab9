"""What a message says of a place, as the policy judges it."""

from datetime import UTC

from telegram import Message

from classroom.domain import location_policy as policy


def evidence_of(message: Message) -> policy.Evidence:
    """Return what a location message says of itself; Telegram's servers set all but the coordinates' truth.

    A live location that moves comes as an edit, whose date is that of the movement.
    """
    location = message.location
    if location is None:
        raise ValueError("a message without a location")
    return policy.Evidence(
        latitude=location.latitude,
        longitude=location.longitude,
        accuracy=location.horizontal_accuracy,
        at=(message.edit_date or message.date).astimezone(UTC),
        live=location.live_period is not None,
        forwarded=message.forward_origin is not None,
        via_bot=message.via_bot is not None,
        venue=message.venue is not None,
        offline=bool(message.is_from_offline),
    )
