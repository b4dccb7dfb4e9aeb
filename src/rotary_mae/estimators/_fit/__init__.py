"""Internals of ``fit``."""
