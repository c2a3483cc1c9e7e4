"""Losses, one a file: a pure function under each module."""
