"""What the sets that are there already ask of a cancel by hand that concerns them: their guard, firmware and last day.

A set is concerned when it gets keys, or declares some of them already. What `pulumi up` keeps to holds by hand too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enos_ota.cli.failures import Refused
from enos_ota.cli.plain import plain
from enos_ota.operations.context import counted
from enos_ota.operations.declaration import see_that_its_day_stays
from enos_ota.plan import Guard, days
from enos_ota.plan.guard import strictest
from enos_ota.plan.naming import one_line, shown
from enos_ota.settings import SettingsError, read_stack_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from enos_ota.operations.context import Station
    from enos_ota.operations.order import Order
    from enos_ota.settings import SetSettings


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a cancel must keep to.

    Attributes:
        guard: The strictest limits of the stack and all sets concerned.
        firmware_version: What the job must be about; empty for anything.
        sets: The sets concerned.
    """

    guard: Guard
    firmware_version: str = ""
    sets: tuple[SetSettings, ...] = ()

    def told(self) -> Iterator[str]:
        """A line for each set that asks for something."""
        for each in self.sets:
            asks = [
                f"maxDevices {each.guard.max_devices}" if each.guard.max_devices is not None else "",
                f"maxShare {each.guard.max_share:g}" if each.guard.max_share is not None else "",
                f"firmware {one_line(each.expect_firmware_version)}" if each.expect_firmware_version else "",
            ]
            if said := ", ".join(filter(None, asks)):
                yield f"set {shown(each.name)!r} is concerned, and what it asks for holds: {said}"


def sets_there(here: Station) -> tuple[SetSettings, ...]:
    """The sets that are declared, those that were recorded aside among them; none that has a problem.

    Of a stack file of which nothing is used there are none.
    """
    files = {here.config.file, here.stack_file} if not here.is_blind else {here.stack_file}
    return tuple(each for file in sorted(each for each in files if each) for each in _sets_in(here, file))


def _sets_in(here: Station, file: Path) -> tuple[SetSettings, ...]:
    try:
        return read_stack_file(file, here.environ, project=here.project_name)[0]
    except SettingsError:
        return ()  # cannot be read at all: declaring keys in it says so, or it is left alone


def see_that_days_stay(here: Station, order: Order) -> None:
    """Keys join a set of the project, those recorded aside later on: its last day is not to change.

    Raises:
        SettingsError: It would have to be.
    """
    file = here.config.file
    if order.name and order.expires and file and not here.is_blind:
        for each in _sets_in(here, file):
            if each.name == order.name:
                see_that_its_day_stays(each, order.expires, stack_file=file)


def has_guard(here: Station, order: Order, sets: Iterable[SetSettings]) -> bool:
    """Whether any limit may hold, whatever the keys turn out to be."""
    return here.guard.is_set or any(each.guard.is_set for each in sets if each.job_id == order.job_id)


def bounds_of(here: Station, order: Order, sets: Iterable[SetSettings], keys: frozenset[str]) -> Bounds:
    """What a cancel of some keys must keep to.

    Args:
        here: Where it takes place.
        order: What was asked for.
        sets: Those that are there.
        keys: The keys; none where they are not known yet.

    Raises:
        Refused: A set's last day is over, or no job can be what is expected.
    """
    concerned = tuple(
        each
        for each in sets
        if each.job_id == order.job_id and (each.name == order.name or not keys.isdisjoint(each.device_keys))
    )
    for each in concerned:
        _refuse_expired(here, order, each, keys)
    guards = (here.guard, *(each.guard for each in concerned))
    return Bounds(strictest(guards), _expected(here, order, concerned), concerned)


def _refuse_expired(here: Station, order: Order, found: SetSettings, keys: frozenset[str]) -> None:
    if not is_over(here, found):
        return
    common = len(keys.intersection(found.device_keys))
    if found.name == order.name:
        what, otherwise = "so no key can be added to it", "choose another --name"
    else:
        what = f"and declares {counted(common, 'device key')} of these, for which nothing may be sent any more"
        otherwise = "take the keys out of it"
    text = f"set {shown(found.name)!r} expired on {found.expires}, {what}: {otherwise}, or set a later day"
    raise Refused(plain(f"{text}. {here.nothing_done}"))


def _expected(here: Station, order: Order, concerned: Iterable[SetSettings]) -> str:
    """The one firmware that all expect."""
    who = {order.firmware_version: "--expect-firmware"} if order.firmware_version else {}
    for each in concerned:
        if each.expect_firmware_version:
            who.setdefault(each.expect_firmware_version, f"set {shown(each.name)!r}")
    if len(who) > 1:
        said = " and ".join(f"{one_line(version)} ({source})" for version, source in who.items())
        text = f"different firmware is expected, {said}, and no job is about both: check --job and `expect`"
        raise Refused(plain(f"{text}. {here.nothing_done}"))
    return next(iter(who), "")


def is_over(here: Station, found: SetSettings) -> bool:
    """Whether a set's last day is over."""
    return days.is_over(found.expires or "", here.today)
