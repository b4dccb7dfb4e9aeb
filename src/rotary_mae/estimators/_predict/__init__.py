"""Internals of prediction."""
