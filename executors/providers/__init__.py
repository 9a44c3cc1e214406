"""Adapters to what makes servers and the like: one module each, found by file name."""
