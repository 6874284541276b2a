"""All checks of `doctor`, in order. One run reports as much as possible, so later checks run after failed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.enos import SYSTEM_CLOCK, ConfigurationError, RetryPolicy, Timeout
from enos_ota.operations.doctor.configuration import check_configuration, check_files
from enos_ota.operations.doctor.engine import check_engine, check_state
from enos_ota.operations.doctor.findings import CONFIGURATION, Finding, FindingState, skip
from enos_ota.operations.doctor.gateway import GatewayCheck, check_gateway
from enos_ota.operations.doctor.service import check_service
from enos_ota.settings import SettingsError, load_address
from enos_ota.settings.client import create_client
from enos_ota.settings.project import locate_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from enos_ota.enos import Clock
    from enos_ota.settings import Connection
    from enos_ota.settings.project import StackConfig

_RETRY: Final = RetryPolicy(attempts=2, cap=2, standstill=10)
"""The operator waits for the answer."""
_TIMEOUT: Final = Timeout(connect=5, read=10)
"""Used if the settings are invalid."""


def examine(
    directory: Path, stack: str | None, job_id: str | None, environ: Mapping[str, str], clock: Clock = SYSTEM_CLOCK
) -> Iterator[Finding]:
    """Run every check. Return each finding as soon as it is known."""
    configuration, config, connection = check_configuration(directory, stack, environ)
    yield configuration
    files = check_files(directory, stack, environ)
    yield files
    gateway = _check_gateway(config, connection, environ, clock)
    yield from gateway.findings
    if connection and gateway.is_reached:
        with create_client(connection, clock=clock, retry=_RETRY) as client:
            yield from check_service(client, job_id, connection.cancelled_markers, gateway.skew)
    else:
        why = "the gateway was not reached" if connection else "the configuration is invalid"
        yield from skip(why, "credentials", "permission", "job", "marker text")
    engine = check_engine(environ)
    yield engine
    if engine.state is FindingState.OK and files.state is FindingState.OK:
        project, name, file = locate_stack(directory, stack, environ)
        yield check_state(project.root, name, file, environ)
    else:
        yield from skip("this needs a valid stack file and an engine", "state")


def _check_gateway(
    config: StackConfig | None, connection: Connection | None, environ: Mapping[str, str], clock: Clock
) -> GatewayCheck:
    """Check the gateway, even if the rest of the configuration, such as the credentials, is missing."""
    bundle, timeout = (connection.ca_bundle, connection.timeout) if connection else (None, _TIMEOUT)
    try:
        address = connection or (load_address(config.get, environ) if config else None)
        if address:
            return check_gateway(address.gateway, bundle, timeout, clock)
    except SettingsError:
        pass
    except ConfigurationError as error:
        network, clock_check = skip("the TLS settings are invalid", "network", "clock")
        tls = Finding("TLS", FindingState.FAILED, str(error), failure_code=CONFIGURATION)
        return GatewayCheck([network, tls, clock_check], is_reached=False)
    return GatewayCheck(skip("the configuration is invalid", "network", "TLS", "clock"), is_reached=False)
