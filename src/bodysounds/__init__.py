"""Verify infants and speakers by their sounds, and say how sure one may be."""

__version__ = "0.1.0"
