"""`python -m demo`: exit code 0 when everything came about as told, 1 when not, 3 when it could not be tried."""

import sys

from demo.interrupts import Interrupted, Interrupts


def main() -> int:
    """Tell the story; gives the exit code, 128 + its number after a signal."""
    interrupts = Interrupts()
    try:
        # Signals are in hand before the imports that take a while.
        with interrupts:
            from demo import story  # noqa: PLC0415

            return story.tell(interrupts)
    except Interrupted as interrupted:
        sys.stderr.write(f"{interrupted}\n")
        return 128 + interrupted.number


if __name__ == "__main__":
    sys.exit(main())
