"""Writing a set right before the first request that cancels anything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from enos_ota.enos import EnosError
from enos_ota.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import WriteWatch
    from enos_ota.operations.set_writer import SetFileChange
    from enos_ota.reconciler.sent import WriteLog


class NotRecorded(EnosError):  # noqa: N818 - named after what happened, like its relatives
    """The set could not be written, so the cancel was not sent."""


class Recorder:
    """Writes the files of a set once, so that the project records the cancel whatever ends the run afterwards.

    Args:
        change: The files.
        notify: Called after they were written.
        advice: What to do if they cannot be written.
    """

    def __init__(self, change: SetFileChange, notify: Callable[[], None], advice: str = "") -> None:
        self.change = change
        """The files; may be replaced until they are written."""
        self._notify = notify
        self._advice = advice
        self._lock = threading.Lock()
        self.is_written = False

    def write(self) -> None:
        """Write the files, if that was not done before.

        Raises:
            SettingsError: They could not be written.
        """
        with self._lock:
            if not self.is_written:
                try:
                    self.change.write()
                except SettingsError as error:
                    raise SettingsError(error.findings, self._advice) from None
                self.is_written = True
                self._notify()

    def watch(self, log: WriteLog) -> WriteWatch:
        """Return a watch that writes the files before the request, if the audit log can be written."""
        return _RecordingWatch(self, log)


class _RecordingWatch:
    def __init__(self, recorder: Recorder, log: WriteLog) -> None:
        self._recorder = recorder
        self._log = log

    def before(self) -> None:
        if not self._recorder.is_written:
            self._log.try_out()
        try:
            self._recorder.write()
        except SettingsError as error:
            text = f"{'; '.join(error.problems)}. No cancel was sent, because the set was not written. {error.advice}"
            raise NotRecorded(text.rstrip()) from None
        self._log.before()

    def after(self, outcome: str | EnosError) -> None:
        self._log.after(outcome)
