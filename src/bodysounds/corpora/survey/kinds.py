"""What the values of a column look like: a split, a class, a day, a session, an id, a count."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

SPLIT = re.compile(r"(train(?:ing)?|dev|val(?:id(?:ation)?)?|test(?:ing)?|eval)(?:[-_ ].*)?", re.I)
SPLITS = {"tr": "train", "de": "dev", "va": "dev", "te": "test", "ev": "test"}
# an id that says what it is
ID = re.compile(
    r"(?:spk|spkr|speaker|sub|subj|subject|baby|infant|newborn|child|kid|pat|patient|person|"
    r"participant|user|id|p|b|m|f)[-_ ]?\d+[a-z]?",
    re.I,
)
SESSION = re.compile(
    r"(?:ses|sess|session|visit|day|week|month|video|call|night|ep|episode)[-_ ]?\w{0,4}|birth|"
    r"discharge|morning|noon|afternoon|evening",
    re.I,
)
MAYBE_SESSION = re.compile(r"[svde]\d{1,2}", re.I)
COUNT = re.compile(
    r"(?:take|utt|utterance|rec|recording|clip|seg|segment|chunk|part|rep|n|r|u|t|x)[-_ ]?\d+", re.I
)
CONTAINER = re.compile(
    r"(?:wave?s?|wav\d+|flac|mp3|ogg|m4a|aac|audio|sounds?|clips?|data|raw|clean|recordings?|"
    r"(?:batch|part|disc|disk|set|chunk|volume|vol|fold)[-_ ]?\d*)",
    re.I,
)
# where or with what somebody was recorded
DEVICE = re.compile(
    r"(?:mic|microphone|phone|device|iphone|android|ios|channel|ch|room|ward|site|hospital|clinic|"
    r"house|home|kitchen|bedroom|nursery|office|car|garden|indoors?|outdoors?|left|right)[-_ ]?\d*",
    re.I,
)
SEXES = {
    **dict.fromkeys(("m", "male", "males", "boy", "boys", "man", "men"), "m"),
    **dict.fromkeys(("f", "female", "females", "girl", "girls", "woman", "women"), "f"),
}
_WORDS = """
cry crying scream screaming normal noise silence speech talk talking laugh laughing laughter
cough coughing sneeze sneezing breath breathing snore snoring wheeze crackle stridor healthy sick
asthma copd pneumonia covid control controls preterm
positive negative yes no hungry hunger pain belly burp burping discomfort
tired sleepy lonely scared happy happiness sad sadness angry anger fear fearful disgust surprise
neutral calm bored joy relief awe amusement background other unknown music dog cat bird rain wind
siren clock door water sea fire crackling helicopter chainsaw rooster engine traffic street
environment ambient babble babbling vowel song singing shout shouting whisper real fake spoof
bonafide
"""
CLASS_WORDS = frozenset(_WORDS.split())
DAY = re.compile(
    r"(?P<y>(?:19|20)\d\d)(?P<gap>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=gap)(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:[T_ -]?(?P<H>[01]\d|2[0-3])[-:.h]?(?P<M>[0-5]\d)(?:[-:.m]?(?P<S>[0-5]\d))?)?"
)
UNIX = re.compile(r"(?P<s>1\d{9})(?P<ms>\d{3})?")
MOST_CLASSES = 100


def kind_of(values: pd.Series[str]) -> str:
    """Return what the values of a column are, by nearly all of its different values.

    `constant`, `split`, `container`, `sex`, `label`, `date` (a day), `time` (to the minute),
    `session`, `maybe_session`, `device`, `id`, `count`, `few` (one letter), `number` (short),
    `long_number`, `mixed` (letters and digits), `word`, or `none` where nothing is there.
    """
    different = values.dropna().unique().tolist()
    if len(different) < 2:
        return "constant" if different else "none"
    times = [when(value) for value in different]
    dated = sum(time is not None for time in times) >= 0.9 * len(times)
    to_the_minute = any(time and "T" in time for time in times)
    looks_like = {
        "split": all(SPLIT.fullmatch(value) for value in different),
        "container": _most(CONTAINER, different),
        "id": _most(ID, different),
        "device": _most(DEVICE, different),
        "sex": all(value.lower() in SEXES for value in different),
        "label": _told(different) and not _numbered(different),
        "time": dated and to_the_minute,
        "date": dated,
        "session": _most(SESSION, different),
        "maybe_session": _most(MAYBE_SESSION, different),
        "count": _most(COUNT, different) or _numbered(different),
    }
    kind = next((kind for kind, fits in looks_like.items() if fits), None)
    if kind is None:
        # a stray name among numbers makes no names of them
        numbers = values.dropna()[values.dropna().str.fullmatch(r"\d+")]
        mostly = len(numbers) >= 0.9 * values.notna().sum() and numbers.nunique() > 1
        kind = _spelling(numbers.unique().tolist() if mostly else different)
    return kind


def _most(pattern: re.Pattern[str], values: list[str]) -> bool:
    return sum(bool(pattern.fullmatch(value)) for value in values) >= 0.9 * len(values)


def _told(different: list[str]) -> bool:
    """Return whether half of the values, of three two, have a word that names a kind of sound."""
    if len(different) > MOST_CLASSES:
        return False
    known = [bool(set(re.findall(r"[a-z]+", value.lower())) & CLASS_WORDS) for value in different]
    return sum(known) >= max(min(2, len(different) - 1), 0.5 * len(different))


def _numbered(different: list[str]) -> bool:
    """Return whether the values are one kind of sound and a number: cry1, cry2, ..."""
    named = [re.fullmatch(r"([a-z]+)[-_ ]?\d+", value.lower()) for value in different]
    words = {match[1] if match else "" for match in named}
    return len(words) == 1 and words <= CLASS_WORDS


def _spelling(different: list[str]) -> str:
    if all(value.isdigit() for value in different):
        numbers = np.array([int(value) for value in different])
        longest = max(map(len, different))
        counted = numbers.min() <= 1 and numbers.max() <= 1.5 * len(different) + 1
        if longest >= 4 and not (counted and longest == 4):
            return "long_number"
        return "count" if counted else "number"
    if all(len(value) == 1 for value in different):
        return "few"
    digits = sum(any(character.isdigit() for character in value) for value in different)
    return "mixed" if digits >= 0.5 * len(different) else "word"


def split_name(value: str) -> str | None:
    """Return train, dev or test for a name such as train-clean-100 or validation, else None."""
    return SPLITS[value[:2].lower()] if SPLIT.fullmatch(value) else None


def when(value: str) -> str | None:
    """Return a day, or a time to the second, in ISO 8601, None for what is none.

    Days are 2024-05-01 or 20240501 (a time may follow), times also unix seconds or milliseconds
    between 2001 and 2033.
    """
    day = DAY.fullmatch(value)
    if day:
        told = f"{day['y']}-{day['m']}-{day['d']}"
        return f"{told}T{day['H']}:{day['M']}:{day['S'] or '00'}" if day["H"] else told
    if UNIX.fullmatch(value):
        seconds = int(value) if len(value) == 10 else int(value) / 1000
        return str(pd.Timestamp(seconds, unit="s").isoformat())
    return None
