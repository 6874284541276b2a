"""`make demo`: cancel a rollout with the real `pulumi` and a simulated EnOS, on this machine alone."""
