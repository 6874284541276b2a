"""`enos-ota simulate` starts the simulator, which is a package of its own."""

from enos_simulator.command import simulate

__all__ = ["simulate"]
