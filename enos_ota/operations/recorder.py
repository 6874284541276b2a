"""A declaration that is written at the last moment, and never too late: right before the first request that writes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from enos_ota.enos import EnosError
from enos_ota.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import WriteWatch
    from enos_ota.operations.declaration import Declaration
    from enos_ota.reconciler.sent import WriteLog


class NotRecorded(EnosError):  # noqa: N818 - says what happened, as its relatives do
    """What was about to be cancelled could not be written into the project, so it was not sent."""


class Recorder:
    """Writes a declaration once. Whatever ends the run after that, a power cut too, the project says what was meant.

    Args:
        declaration: What to write.
        tell: Called once it is written.
        advice: What to do if it cannot be.
    """

    def __init__(self, declaration: Declaration, tell: Callable[[], None], advice: str = "") -> None:
        self.declaration = declaration
        """What is written; until it is, another one may take its place."""
        self._tell = tell
        self._advice = advice
        self._lock = threading.Lock()
        self.is_written = False

    def write(self) -> None:
        """Write it if that was not done yet.

        Raises:
            SettingsError: It could not be.
        """
        with self._lock:
            if not self.is_written:
                try:
                    self.declaration.write()
                except SettingsError as error:
                    raise SettingsError(error.findings, self._advice) from None
                self.is_written = True
                self._tell()

    def watch(self, inner: WriteLog) -> WriteWatch:
        """A watch that writes the declaration before the request; what cannot be logged is not even declared."""
        return _Watch(self, inner)


class _Watch:
    def __init__(self, recorder: Recorder, inner: WriteLog) -> None:
        self._recorder = recorder
        self._inner = inner

    def before(self) -> None:
        if not self._recorder.is_written:
            self._inner.try_out()
        try:
            self._recorder.write()
        except SettingsError as error:
            text = f"{'; '.join(error.problems)}. What cannot be declared is not sent. {error.advice}"
            raise NotRecorded(text.rstrip()) from None
        self._inner.before()

    def after(self, outcome: str | EnosError) -> None:
        self._inner.after(outcome)
