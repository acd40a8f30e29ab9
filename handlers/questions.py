"""The questions that wait for a typed answer: the names of their steps, and how long an answer is one."""

import asyncio
from datetime import timedelta

from handlers.services import Services
from ledger import Step

CODE, USERNAME, PASSWORD, NEW_PASSWORD = "code", "username", "password", "new password"  # steps' names
NOTE = "note"
STEPS = (CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE)
# A question this old is no longer in the person's mind: what they type is not the answer.
ANSWER_WITHIN = timedelta(minutes=30)


async def open_step(services: Services, person: int, name: str) -> Step | None:
    """Return the step the person is at; None where it is another one, or too old to be meant."""
    step = await asyncio.to_thread(services.people.step, person)
    if step is None or step.name != name or services.clock.now() - step.at > ANSWER_WITHIN:
        return None
    return step
