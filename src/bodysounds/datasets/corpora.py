"""Where sound comes from, as catalog entries: the demo corpus and a folder of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from bodysounds.types import Corpus


class _RawCorpus(AbstractDataset[Any, Any]):
    """A corpus that is read and never written by a run."""

    def save(self, data: Any) -> NoReturn:
        raise DatasetError(f"{type(self).__name__} is raw data: a run reads it and never writes it")


class DemoCorpus(_RawCorpus):
    """Synthetic cries in the CryCeleb layout, made on the first load and where `demo` differs.

    `demo` holds the fields of `bodysounds.corpora.demo.DemoParams`; load returns a Corpus.
    """

    def __init__(
        self, *, filepath: str, demo: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = Path(filepath)
        self._demo = demo
        self.metadata = metadata

    def load(self) -> Corpus:
        from bodysounds.corpora.base import Corpus
        from bodysounds.corpora.demo import DemoParams, synthesise

        synthesise(self._filepath, DemoParams(**self._demo))
        return Corpus(root=self._filepath, reader="cryceleb", name="demo", synthetic=True)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "demo": self._demo}

    def _exists(self) -> bool:
        return (self._filepath / "metadata.csv").is_file()


class FolderCorpus(_RawCorpus):
    """A folder of recordings and the reader of its layout; load returns a Corpus."""

    def __init__(
        self,
        *,
        filepath: str,
        reader: str,
        name: str,
        options: dict[str, Any] | None = None,
        licence: str = "",
        citation: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = Path(filepath).expanduser()
        self._about: dict[str, Any] = {
            "reader": reader,
            "name": name,
            "options": options or {},
            "licence": licence,
            "citation": citation,
        }
        self.metadata = metadata

    def load(self) -> Corpus:
        from bodysounds.corpora.base import Corpus

        if not self._filepath.is_dir():
            raise DatasetError(
                f"{self._filepath} is no folder: name the one that holds the recordings of the "
                f"corpus {self._about['name']!r} with --params raw=/path/to/it"
            )
        return Corpus(root=self._filepath, **self._about)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), **self._about}

    def _exists(self) -> bool:
        return self._filepath.is_dir()
