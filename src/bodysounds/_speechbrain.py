"""The layers taken from SpeechBrain, imported in one place.

Its import would allow TF32 in every float32 product and switch off the profiling of compiled code,
for the whole process: results would then depend on whether, and when, it was imported.
"""

from __future__ import annotations

import os

__all__ = ["ECAPA_TDNN", "Fbank"]

os.environ.setdefault("SB_DISABLE_QUIRKS", "allow_tf32,disable_jit_profiling")

from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
