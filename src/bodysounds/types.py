"""Names for the types of arguments, resolvable without importing pandas or numpy.

Kedro resolves the annotations of every node when a session starts; a real `pd.DataFrame`
there would import pandas for `kedro registry list`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from matplotlib.figure import Figure as Figure

    from bodysounds.audio.packed import Packed as Packed
    from bodysounds.corpora.base import Corpus as Corpus
    from bodysounds.figures.picture import Picture as Picture
    from bodysounds.models.classifier import Classifier as Classifier
    from bodysounds.models.encoder import Encoder as Encoder
    from bodysounds.models.ensemble import Ensemble as Ensemble
    from bodysounds.models.verifier import VerifierBundle as VerifierBundle

    Table: TypeAlias = pd.DataFrame
    Floats: TypeAlias = npt.NDArray[np.floating[Any]]
    Ints: TypeAlias = npt.NDArray[np.integer[Any]]
    Array: TypeAlias = npt.NDArray[Any]
else:
    Table = Floats = Ints = Array = Figure = Packed = Corpus = Picture = Any
    Classifier = Encoder = Ensemble = VerifierBundle = Any

Metrics: TypeAlias = dict[str, Any]
