"""What can go wrong, in the terms of those who must act on it."""


class Rejected(Exception):
    """A message that no retry can save: it is buried at once, with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(Exception):
    """A server we depend on is away: nothing was accepted, try again later."""

    retry_after_seconds = 2


class Full(Unavailable):
    """The stream of raw messages has no room: nothing was accepted, try again later."""

    retry_after_seconds = 30


class TooLarge(Exception):
    """A message above the size that NATS carries: it can never be accepted."""


class NotFound(Exception):
    """No such row in this workspace."""


class Conflict(Exception):
    """The row was changed by somebody else since it was read, or the change contradicts its state."""
