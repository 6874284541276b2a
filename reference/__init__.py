"""Writes the parts of the documents that are made of code: the command line, the configuration, its JSON Schema."""
