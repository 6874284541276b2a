"""`python -m enos_ota.cli`."""

from __future__ import annotations

from enos_ota.cli import main

main(prog_name="enos-ota")
