"""A process that compares expressions with math-verify: JSON pairs in, `1` or `0` out, one line each.

Run by path, not imported: it knows nothing of the package. It ends when its input closes.
"""

import json
import os
import sys

MEMORY = 3 * 2**30
"""Address space of one worker, in bytes: towers of powers fail instead of filling the machine."""
ALARM = 4
"""Seconds after which math-verify's own alarm ends a comparison."""


def main() -> None:
    """Answer until the input ends."""
    _limit()
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not be taken for a verdict
    from math_verify import parse, verify

    def same(gold: str, answer: str) -> bool:
        """Whether both parse and are equal, within ALARM seconds for each step."""
        parsed = [parse(f"${text}$", parsing_timeout=ALARM) for text in (gold, answer)]
        return bool(verify(*parsed, timeout_seconds=ALARM))

    same("1", "x+1")
    out.write(b"ready\n")
    for line in sys.stdin.buffer:
        try:
            verdict = same(*json.loads(line))
        except (Exception, MemoryError, RecursionError):  # an edge: whatever algebra does, the answer is "not equal"
            verdict = False
        out.write(b"1\n" if verdict else b"0\n")


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
