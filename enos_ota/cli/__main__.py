"""`enos-ota` and `python -m enos_ota.cli`: a command in a process of its own."""

from __future__ import annotations

import signal

from enos_ota.cli import main
from enos_ota.cli.output import end_process, prepare_streams, say_aside


def run() -> None:
    """Run a command and end the process."""
    prepare_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    try:
        main(prog_name="enos-ota")
    except SystemExit as end:
        end_process(end.code if isinstance(end.code, int) else 0)
    except OSError as error:  # of stdout: `enos-ota --help` on a full disk
        say_aside(f"Error: stdout cannot be written ({error.strerror})")
        end_process(3)


if __name__ == "__main__":
    run()
