"""`python3 -m toolchain COMMAND`: refuses an old Python in words that an old Python can still say."""

import sys

OLDEST = (3, 10)

if sys.version_info < OLDEST:
    sys.exit(
        "enos-ota needs Python 3.10 or newer; {} is {}.{}. Name another one: make PYTHON=python3.12 ...".format(
            sys.executable, *sys.version_info[:2]
        )
    )

from toolchain.commands import main  # noqa: E402 - only a Python that is new enough can read it

sys.exit(main(sys.argv[1:]))
