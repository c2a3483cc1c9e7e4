"""Who or what is heard in a synthetic scene, one sound at a time, and in everyday scenes what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bodysounds.corpora import _scream_sounds as sounds
from bodysounds.corpora._cry_synthesis import expiration
from bodysounds.corpora._cry_voice import aroused, draw_voice
from bodysounds.corpora._scream_voice import (
    Manner,
    draw_scream,
    draw_shout,
    exclamation,
    laughter,
    song,
)
from bodysounds.corpora._speaker_speech import SHORTEST_S, utterance
from bodysounds.corpora._speaker_voice import SEXES, Speaker, draw_speaker
from bodysounds.types import Floats

Maker = Callable[[float, np.random.Generator], Floats]
"""Makes one sound at 16 kHz, about as long as it is told (seconds)."""
EVERYDAY = (
    "talk", "shout", "music", "laughter", "kitchen", "song", "quiet talk", "steps", "toy",
    "machine",
)  # fmt: skip
"""What is normal; scenes go through them in turn, so that few scenes have most of them."""
_ROUGH_BABIES = 0.3


def draw_makers(label: str, turn: int, rng: np.random.Generator) -> list[Maker]:
    """Draw who is heard in a scene of this class; of several makers the first is heard most.

    `turn` counts the scenes of the class: it chooses among everyday ones.
    """
    if label == "crying":
        return [_baby(rng)]
    if label == "screaming":
        return [_screamer(rng)]
    return [everyday(EVERYDAY[turn % len(EVERYDAY)], rng), any_everyday(rng)]


def any_everyday(rng: np.random.Generator) -> Maker:
    """Draw one everyday sound of any kind."""
    return everyday(EVERYDAY[int(rng.integers(len(EVERYDAY)))], rng)


def everyday(kind: str, rng: np.random.Generator) -> Maker:
    """Draw what makes an everyday sound: a person, or a thing."""
    speaker = _adult(rng)
    if kind in ("talk", "quiet talk"):
        if kind == "quiet talk":  # nearly a whisper
            speaker = replace(speaker, breath_db=speaker.breath_db + 14.0, tilt_db=7.0)
        return lambda length_s, r: utterance(speaker, max(length_s, SHORTEST_S), r)
    if kind == "shout":
        return _exclaiming(speaker, draw_shout(speaker, rng))
    if kind == "laughter":
        return lambda length_s, r: laughter(speaker, length_s, r)
    if kind == "song":
        return lambda length_s, r: song(speaker, length_s, r)
    things = {
        "music": (sounds.chords, sounds.lead),
        "kitchen": (sounds.clatter, sounds.water),
        "steps": (sounds.steps, sounds.creak),
        "toy": (sounds.squeak, sounds.lead),
        "machine": (sounds.machine, sounds.machine),
    }[kind]
    return lambda length_s, r: things[int(r.integers(2))](length_s, r)


def _adult(rng: np.random.Generator) -> Speaker:
    return draw_speaker(SEXES[int(rng.integers(2))], int(rng.integers(18, 70)), rng)


def _screamer(rng: np.random.Generator) -> Maker:
    speaker = _adult(rng)
    return _exclaiming(speaker, draw_scream(speaker, rng))


def _exclaiming(speaker: Speaker, manner: Manner) -> Maker:
    return lambda length_s, rng: exclamation(speaker, manner, length_s, rng)


def _baby(rng: np.random.Generator) -> Maker:
    voice = draw_voice(rng)
    if rng.uniform() < _ROUGH_BABIES:
        voice = replace(voice, roughness=float(rng.uniform(0.2, 0.6)))

    def cry(length_s: float, rng: np.random.Generator) -> Floats:
        return expiration(aroused(replace(voice, duration_s=length_s), rng, 1.0), rng)

    return cry
