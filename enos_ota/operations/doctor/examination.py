"""All checks in their order. Each goes on where it makes sense: one run is to tell as much as there is to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.enos import SYSTEM_CLOCK, ConfigurationError, RetryPolicy, Timeout
from enos_ota.operations.doctor.configuration import address_of, check_configuration, check_files
from enos_ota.operations.doctor.engine import check_engine, check_state
from enos_ota.operations.doctor.findings import Cause, Finding, State
from enos_ota.operations.doctor.reach import Reach, reach
from enos_ota.operations.doctor.service import check_access, check_job, check_markers
from enos_ota.settings.client import create_client
from enos_ota.settings.project import locate_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from enos_ota.enos import Clock
    from enos_ota.settings import Connection
    from enos_ota.settings.project import StackConfig

IMPATIENT: Final = RetryPolicy(attempts=2, cap=2, standstill=10)
"""Somebody is waiting: what takes longer is told as it is."""

_UNUSABLE: Final = "the configuration cannot be used"

_TIMEOUT: Final = Timeout(connect=5, read=10)  # where the settings that say better are wrong


@dataclass(frozen=True, slots=True)
class Examination:
    """What to look at.

    Attributes:
        directory: where the command runs.
        stack: the stack that was asked for, if any.
        job_id: the job to look at, if any.
        environ: the environment.
        clock: this machine's.
    """

    directory: Path
    stack: str | None
    job_id: str | None
    environ: Mapping[str, str]
    clock: Clock = SYSTEM_CLOCK

    def findings(self) -> Iterator[Finding]:
        """Every check, as soon as it is done."""
        found, config, connection = check_configuration(self.directory, self.stack, self.environ)
        yield found
        files = check_files(self.directory, self.stack, self.environ)
        yield files
        way = self._way(config, connection)
        yield from way.findings
        if connection and way.reached:
            yield from self._service(connection, way.skew)
        else:
            unsaid = "the configuration does not say how" if config else _UNUSABLE
            why = "the gateway was not reached" if connection else unsaid
            for check in ("credentials", "permission", "job", "marker text"):
                yield Finding(check, State.SKIPPED, why)
        engine = check_engine(self.environ)
        yield engine
        yield self._state(files, engine)

    def _state(self, files: Finding, engine: Finding) -> Finding:
        if engine.state is not State.OK:
            return Finding("state", State.SKIPPED, "there is no engine that fits")
        if files.state is not State.OK:
            return Finding("state", State.SKIPPED, "there is no stack file that can be used")
        project, stack, file = locate_stack(self.directory, self.stack, self.environ)
        return check_state(project.root, stack, file, self.environ)

    def _way(self, config: StackConfig | None, connection: Connection | None) -> Reach:
        address = connection or (address_of(config, self.environ) if config else None)
        if address is None:
            why = "the configuration names no gateway" if config else _UNUSABLE
            return Reach(
                tuple(Finding(check, State.SKIPPED, why) for check in ("network", "TLS", "clock")), reached=False
            )
        bundle = connection.ca_bundle if connection else None
        try:
            return reach(address.gateway, bundle, connection.timeout if connection else _TIMEOUT, self.clock)
        except ConfigurationError as error:
            skipped = (Finding(check, State.SKIPPED, "there is nothing to trust") for check in ("network", "clock"))
            network, clock = skipped
            tls = Finding("TLS", State.FAILED, str(error), cause=Cause.CONFIGURATION)
            return Reach((network, tls, clock), reached=False)

    def _service(self, connection: Connection, skew: float | None) -> Iterator[Finding]:
        with create_client(connection, clock=self.clock, retry=IMPATIENT) as client:
            credentials, permission = check_access(client, skew)
            yield credentials
            yield permission
            if self.job_id is None:
                why = "no job was named: --job"
            elif permission.state is not State.OK:
                why = "nothing can be asked"
            else:
                job, there = check_job(client, self.job_id)
                yield job
                if there:
                    yield check_markers(client, self.job_id, connection.cancelled_markers)
                    return
                yield Finding("marker text", State.SKIPPED, "there is no job to look at")
                return
            yield Finding("job", State.SKIPPED, why)
            yield Finding("marker text", State.SKIPPED, why)
