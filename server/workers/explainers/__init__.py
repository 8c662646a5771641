"""Explainers: what a request asks, as paths and targets, and the answer, as events."""
