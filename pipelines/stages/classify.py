"""Message -> Classified: is there work in it?"""

from schemas.messages import Kind, Message
from schemas.verdicts import Category, Classified, DecidedBy, Judge, Verdict

_DELETED = Verdict(Category.NOISE, 1.0, DecidedBy.RULE, "deletion@1", "the message was deleted")


def classify(batch: list[Message], *, judge: Judge) -> list[Classified]:
    """Attach the judge's verdict to each message; same length, same order. A deletion is noise, unasked."""
    asked = [message for message in batch if message.raw.kind is not Kind.DELETE]
    verdicts = judge(asked)
    if len(verdicts) != len(asked):
        raise ValueError(f"the judge gave {len(verdicts)} verdicts for {len(asked)} messages")
    given = iter(verdicts)
    return [Classified(message, _DELETED if message.raw.kind is Kind.DELETE else next(given)) for message in batch]
