"""What an `up` of a stack would do to a rollout, as a report that can be approved."""
