"""`make demo`: a rollout is called back with the real `pulumi`, against a simulated EnOS, on this machine alone."""
