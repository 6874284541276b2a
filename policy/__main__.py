"""Starts the policy pack: `pulumi preview --policy-pack policy`."""  # noqa: INP001 - Pulumi runs the directory

from enos_ota_policies.pack import start

start()
