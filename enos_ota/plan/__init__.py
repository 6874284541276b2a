"""What a change of a set would do: the set, its record, what EnOS says now. Pure data, no network."""
