"""`python -m demo`: exit code 0 if every check passed, 1 if one failed, 3 if the demo could not run."""

import sys

from demo.interrupts import Interrupted, Interrupts


def main() -> int:
    """Run the demo; return the exit code, 128 + its number after a signal."""
    interrupts = Interrupts()
    try:
        # Handle signals before the slow imports.
        with interrupts:
            from demo import steps  # noqa: PLC0415

            return steps.run(interrupts)
    except Interrupted as interrupted:
        sys.stderr.write(f"{interrupted}\n")
        return 128 + interrupted.number


if __name__ == "__main__":
    sys.exit(main())
