"""The Python client of ligserve; it needs no torch."""
