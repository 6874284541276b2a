"""How a fresh machine gets what the project needs: a virtual environment and a Pulumi engine.

Runs before anything is installed: standard library only, any Python from 3.10.
"""
