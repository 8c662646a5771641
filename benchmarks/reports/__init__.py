"""Measurements as tables and as a plot."""
