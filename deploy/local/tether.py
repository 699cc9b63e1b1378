"""How a program is bound to its starter: it drops to another user, dies when the starter dies, and becomes the command.

Run by path with ``python -I -S``, and not a ``preexec_fn``: that one may deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, death_signal: int, user: int, group: int, command: list[str]) -> None:
    """Turn this process into ``command``; a negative ``user`` keeps the present one."""
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # After the change of user, which clears the death signal.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            sys.exit("the starter ended before the start")
    # Python ignores SIGPIPE, and what is ignored stays so in the new program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
