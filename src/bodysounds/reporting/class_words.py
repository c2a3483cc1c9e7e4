"""What readers call the systems, conditions and properties of a classification."""

from __future__ import annotations

CONDITIONS = {
    "across_sessions": "sessions not heard",
    "same_session": "heard sessions",
    "unknown": "sessions unknown",
    "all": "all test clips",
}
SYSTEMS = {
    "mfcc": "MFCC + logistic regression",
    "recording": "level, noise, bandwidth, duration",
    "most_frequent": "most frequent class",
}
TOGETHER = "together"
"""The property of the shortcut audit that stands for the system `recording`."""


def system_label(system: str) -> str:
    """Return a system's name."""
    return SYSTEMS.get(system, system.replace("_", " "))


def property_label(name: str) -> str:
    """Return the name of a recording's property, without its unit."""
    if name == TOGETHER:
        return SYSTEMS["recording"]
    for unit in ("_s", "_dbfs", "_hz"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")
