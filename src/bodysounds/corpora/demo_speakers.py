"""Synthetic adult speakers in several videos each, for the demo corpora of speakers.

Identity lives in a speaker's voice, and goes with sex as it does in nature. What differs between a
speaker's videos, the mood of the day, room, microphone, background and gain, is drawn anew and says
nothing about identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bodysounds.corpora._cry_channel import draw_channel, record
from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.corpora._demo_rules import check_counts, check_ranges, check_switches
from bodysounds.corpora._speaker_speech import draw_length_s, utterance
from bodysounds.corpora._speaker_voice import SEXES, draw_speaker, of_the_day
from bodysounds.progress import track
from bodysounds.types import Floats

VERSION = 1
"""Raised whenever the same parameters make other sounds, so that a kept folder is made again."""
_COLOUR = 0.5
"""Microphones of videos colour the sound half as much as those beside a cot (in dB)."""
_QUIETER_DB = 6.0
"""Adults speak into them: the background is that much lower (dB)."""
_PERSON, _VOICE, _CHANNEL, _SPEECH, _NOISE = range(5)


@dataclass(frozen=True)
class SpeakersParams:
    """How many adults speak, how often, and which control is wanted."""

    seed: int = 0
    n_train: int = 40
    """Speakers to train on; in an identification, all there are."""
    videos: list[int] = field(default_factory=lambda: [3, 3])
    """Fewest and most videos of a speaker."""
    utterances: list[int] = field(default_factory=lambda: [2, 3])
    """Fewest and most utterances of a video."""
    shared_identity: bool = False
    """Control: all speakers have one voice, so that nothing can tell them apart."""
    constant_channel: bool = False
    """Control: a speaker keeps room, microphone and background, a shortcut to the identity."""

    def __post_init__(self) -> None:
        check_counts(self, {"seed": 0, "n_train": 1})
        check_ranges(self, ["videos", "utterances"])
        check_switches(self, ["shared_identity", "constant_channel"])


@dataclass(frozen=True)
class Person:
    """A speaker as a corpus knows one."""

    number: int
    """Counts from 0: the seed of all that is drawn for the speaker."""
    sex: str
    """`F` or `M`."""
    age: int
    n_utterances: tuple[int, ...]
    """Of each video."""


PathOf = Callable[[Person, int, int], Path]
"""Where an utterance is, of a person, by the numbers of video and utterance, both from 0."""


def draw_people(n: int, params: SpeakersParams) -> list[Person]:
    """Return n speakers; the first of them are the same for every n."""
    people = []
    for number in range(n):
        rng = np.random.default_rng((params.seed, number, _PERSON))
        n_videos = rng.integers(params.videos[0], params.videos[1] + 1)
        counts = rng.integers(params.utterances[0], params.utterances[1] + 1, n_videos)
        sex = SEXES[int(rng.integers(2))]
        age = int(np.clip(round(rng.gamma(5.0, 5.0) + 12), 18, 80))
        people.append(Person(number, sex, age, tuple(map(int, counts))))
    return people


def speak(person: Person, params: SpeakersParams) -> list[list[Floats]]:
    """Synthesise a speaker: per video the utterances, float64 in [-1, 1] at 16 kHz."""

    def stream(kind: int, video: int = 0) -> np.random.Generator:
        # independent streams, so that a control changes what it names and nothing else
        return np.random.default_rng((params.seed, person.number, kind, video))

    if params.shared_identity:
        speaker = draw_speaker(SEXES[0], 40, np.random.default_rng((params.seed, _VOICE)))
    else:
        speaker = draw_speaker(person.sex, person.age, stream(_VOICE))
    videos = []
    for video, count in enumerate(person.n_utterances, start=1):
        rng = stream(_SPEECH, video)
        today = of_the_day(speaker, rng)
        waves = [utterance(today, draw_length_s(rng), rng) for _ in range(count)]
        channel = draw_channel(stream(_CHANNEL, 0 if params.constant_channel else video))
        channel = replace(
            channel,
            response_db=_COLOUR * channel.response_db,
            noise_db=channel.noise_db - _QUIETER_DB,
        )
        videos.append(record(waves, channel, stream(_NOISE, video)))
    return videos


def write_people(people: Sequence[Person], params: SpeakersParams, path_of: PathOf) -> None:
    """Write every utterance (WAV, 16 kHz, mono, 16 bit) where path_of puts it."""

    def write(person: Person) -> None:
        for video, waves in enumerate(speak(person, params)):
            for index, wave in enumerate(waves):
                path = path_of(person, video, index)
                path.parent.mkdir(parents=True, exist_ok=True)
                pcm = np.round(wave * 32767).astype(np.int16)
                soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")

    with ThreadPoolExecutor() as pool:
        done: Any = pool.map(write, people)
        for _ in track(done, "synthesise speakers", len(people)):
            pass
