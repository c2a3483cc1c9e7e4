"""What the name of an ICBHI 2017 recording says: patient_index_location_mode_device."""

from __future__ import annotations

from typing import NamedTuple

LOCATIONS = ("Tc", "Al", "Ar", "Pl", "Pr", "Ll", "Lr")
MODES = ("sc", "mc")
DEVICES = ("AKGC417L", "LittC2SE", "Litt3200", "Meditron")


class Name(NamedTuple):
    """The five parts of a recording's name."""

    patient: str
    take: str
    """The recording index, such as 1b1: what was recorded at once."""
    location: str
    mode: str
    device: str


def parse_name(stem: str) -> Name:
    """Return the parts of a recording's name without its ending, such as 101_1b1_Al_sc_Meditron.

    Raises ValueError for a name of another form, and for a location, mode or device that the
    corpus does not have.
    """
    parts = stem.split("_")
    if len(parts) != 5 or not parts[0].isdigit() or not parts[1]:
        raise ValueError(
            f"{stem} is not named patient_index_location_mode_device, such as "
            "101_1b1_Al_sc_Meditron: rename it, or keep it elsewhere"
        )
    name = Name(*parts)
    for what, value, allowed in (
        ("location", name.location, LOCATIONS),
        ("mode", name.mode, MODES),
        ("device", name.device, DEVICES),
    ):
        if value not in allowed:
            raise ValueError(
                f"{stem} names the {what} {value!r}, which is none of {', '.join(allowed)}: "
                "correct the file's name"
            )
    return name


def key_of(stem: str) -> str:
    """Return a name without its device.

    The published tables and files name other devices for some recordings (226_1b1_Pl_sc is a
    Meditron in the split and a LittC2SE on disk), and the rest is unique: it joins the two.
    """
    return stem.rsplit("_", 1)[0]
