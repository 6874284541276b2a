"""A stand-in for Pulumi's Python language host, for machines that cannot reach Pulumi's own download host.

The engine starts a language host once per command and asks it over gRPC to run the program. The official one comes
with Pulumi's installer and is on no package registry; this one does the part of its work that a Python program and a
policy pack need. What it does not do: other plugins written in Python, type checkers, debuggers, code generation.
"""
