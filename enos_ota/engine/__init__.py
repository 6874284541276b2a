"""All that touches Pulumi: property bags, the preview hook, the CLI, interrupts, liveness."""
