"""An encoder as a catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Encoder


class EncoderDataset(StoredWeights):
    """A safetensors file with architecture, front end and training record as its metadata.

    Where `filepath` itself is a file, or a folder that SpeechBrain published, it is loaded as it
    stands, so an encoder from elsewhere needs no folder of versions. The best epochs of a training,
    where several were kept, are best_1.safetensors (the best) and so on in the folder of the
    version: encoders by themselves.
    """

    kind = "encoder"

    def load(self) -> Encoder:
        from bodysounds.models.encoder import load_encoder

        with self._to_load() as path:
            return load_encoder(path)

    def save(self, data: Encoder) -> None:
        from bodysounds.models.encoder import save_encoder

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single encoder, and a run saves a version beside others: "
                "leave out --params encoder=... when training"
            )
        with self._saving() as path:
            save_encoder(path, data)
            for number, best in enumerate(data.best, start=1):
                save_encoder(path.with_name(f"best_{number}.safetensors"), best)
