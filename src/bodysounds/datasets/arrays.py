"""Named arrays as a catalog entry."""

from __future__ import annotations

from bodysounds.datasets.files import StoredFiles
from bodysounds.types import Array


class ArraysDataset(StoredFiles):
    """A safetensors file; save takes and load returns {name: numpy array}."""

    def load(self) -> dict[str, Array]:
        from safetensors.numpy import load_file

        with self._reading(self._get_load_path()) as path:
            arrays: dict[str, Array] = load_file(path)
            return arrays

    def save(self, data: dict[str, Array]) -> None:
        from safetensors.numpy import save_file

        with self._saving() as path:
            save_file(data, path)
