"""Finds the face challenge that waits in a student's chat: the motions that it asks for, in any language of the bot."""

import re

from sandbox.telegram.world import Chat

# The bot's words for each motion. A test compares them with the catalogues.
MOTIONS = {
    "turn your head to your left": "left",
    "turn your head to your right": "right",
    "look up": "up",
    "look down": "down",
    "поверните голову к левому плечу": "left",
    "поверните голову к правому плечу": "right",
    "посмотрите вверх": "up",
    "посмотрите вниз": "down",
    "басыңызды өзіңіздің сол жағыңызға бұрыңыз": "left",
    "басыңызды өзіңіздің оң жағыңызға бұрыңыз": "right",
    "жоғары қараңыз": "up",
    "төмен қараңыз": "down",
}
_ANY = re.compile("|".join(map(re.escape, MOTIONS)))


def motions_in(challenge: str) -> tuple[str, ...]:
    """The motions that a text asks for, in order; one may be asked for twice."""
    return tuple(MOTIONS[words] for words in _ANY.findall(challenge))


def pending_motions(chat: Chat) -> tuple[str, ...]:
    """The motions of the newest challenge on the screen; none if there is none: the bot edits one that is answered."""
    for message in reversed(chat.messages.values()):
        if message.by_bot and len(motions := motions_in(message.body.text)) >= 2:  # a challenge has two or three
            return motions
    return ()
