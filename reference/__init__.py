"""Generates parts of the documents from code: the command line, the configuration, the JSON Schemas."""
