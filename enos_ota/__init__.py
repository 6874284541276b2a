"""Call back a firmware rollout on Envision EnOS as safely as a code change."""

__version__ = "0.1.0"
