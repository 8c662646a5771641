"""Quadrature rules along a path, fixed and adaptive."""
