"""Tests, whose helpers are imported by name: `from tests.api.stores import fill`.

Without this file Python and pyright would find the package `tests` that torch-fidelity installs.
"""
