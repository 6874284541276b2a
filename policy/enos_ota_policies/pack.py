"""The policy pack: calls the rules with what pulumi-policy passes."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ResourceValidationPolicy,
    StackValidationPolicy,
)

from enos_ota_policies import recorded, rules, settings
from enos_ota_policies.sets import TYPE, DeclaredSet, PlannedSet, stack_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from pulumi_policy import Policy, ReportViolation, ResourceValidationArgs, StackValidationArgs


def policies(today: Callable[[], date]) -> list[Policy]:
    """Return all policies of the pack."""

    def reason(declared: DeclaredSet, args: ResourceValidationArgs) -> str | None:
        return rules.reason(declared, settings.pattern(args.get_config()))

    def guard_and_expectation(declared: DeclaredSet, args: ResourceValidationArgs) -> str | None:
        return rules.guard_and_expectation(declared, stack_of(args.urn), settings.stacks(args.get_config()))

    def expires(declared: DeclaredSet, args: ResourceValidationArgs) -> str | None:
        return rules.expires(declared, today(), settings.whole(args.get_config(), settings.DAYS))

    return [
        _of_each_set(
            "reason-pattern",
            "A set says why its tasks are cancelled, and under which ticket.",
            reason,
            settings.PATTERN,
        ),
        _of_each_set(
            "guard-and-expectation",
            "In protected stacks a set has a guard and says which firmware its job is about.",
            guard_and_expectation,
            settings.STACKS,
        ),
        _of_each_set(
            "expires-within",
            "A set has a last day that is not too far away.",
            expires,
            settings.DAYS,
        ),
        StackValidationPolicy(
            "max-keys-per-change",
            "One change adds a limited number of device keys, over all its sets.",
            _max_keys,
            config_schema=PolicyConfigSchema(settings.MAX_KEYS),
        ),
    ]


def start() -> None:
    """Serve the pack until the engine ends it."""
    PolicyPack("enos-ota", policies(_today), enforcement_level=EnforcementLevel.MANDATORY)


def _of_each_set(
    name: str,
    description: str,
    rule: Callable[[DeclaredSet, ResourceValidationArgs], str | None],
    schema: Mapping[str, Any],
) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type != TYPE:
            return
        try:
            problem = rule(DeclaredSet.parse(args.name, args.props), args)
        except settings.SettingsError as error:
            problem = _misset(name, error)
        if problem:
            report(problem, None)

    return ResourceValidationPolicy(name, description, validate, config_schema=PolicyConfigSchema(dict(schema)))


def _max_keys(args: StackValidationArgs, report: ReportViolation) -> None:
    planned = [
        PlannedSet.parse(each.name, (each.urn, *each.opts.aliases), each.props)
        for each in args.resources
        if each.resource_type == TYPE
    ]
    try:
        limit = settings.whole(args.get_config(), settings.MAX_KEYS)
    except settings.SettingsError as error:
        report(_misset("max-keys-per-change", error), None)
        return
    problem = rules.max_keys(planned, limit, None)
    if problem:
        # Reading the state takes a second, so it is read only after a violation.
        state = recorded.read(os.environ)
        problem = problem if state is None else rules.max_keys(planned, limit, state)
    if problem:
        report(problem, None)


def _misset(policy: str, error: settings.SettingsError) -> str:
    return f"policy {policy}, in the file given with --policy-pack-config: {error}"


def _today() -> date:
    return datetime.now(timezone.utc).date()
