"""Policies for sets of cancelled OTA tasks.

The pack is independent: it needs pulumi-policy, but neither the package `enos_ota` nor an EnOS.
"""
