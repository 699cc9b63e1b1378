"""How much processor time a piece of work takes, and whether that grows with its size and no faster."""

import signal
from collections.abc import Callable
from functools import partial
from time import thread_time

SMALL, LARGE = 8 * 1024, 64 * 1024
RATIO = 20
"""Times as long that eight times as much may take: 8 is linear, 64 quadratic."""

SLACK_SECONDS = 0.05
CAP_SECONDS = 1.0
_NOT_WORTH_SECONDS = 0.0007
"""What takes less at the small size stays within the slack at the large one, were it quadratic."""


class TooLong(Exception):
    """The work was given up after CAP_SECONDS."""


def seconds(work: Callable[[], object]) -> float:
    """Measure the processor time of this thread alone; at most CAP_SECONDS, then the work is broken off."""

    def give_up(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, give_up)
    begun = thread_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, CAP_SECONDS)
        work()
    except TooLong:
        return max(CAP_SECONDS, thread_time() - begun)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return thread_time() - begun


def linear(work: Callable[[str], object], small: str, large: str, *, first: float) -> bool:
    """Tell whether the large text takes no more than its share of time over the small one, which took ``first``."""
    if first >= CAP_SECONDS:
        return False
    if first < _NOT_WORTH_SECONDS:
        return True
    for _ in range(3):  # a doubt is cleared up by measuring both again
        second = seconds(partial(work, large))
        if second < min(CAP_SECONDS, RATIO * first + SLACK_SECONDS):
            return True
        if second >= CAP_SECONDS:
            return False
        first = seconds(partial(work, small))
    return False
