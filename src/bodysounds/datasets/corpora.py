"""Where sound comes from, as catalog entries: the demo corpus and a folder of recordings."""

from __future__ import annotations

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from bodysounds.datasets.files import on_disk
from bodysounds.types import Corpus


class _RawCorpus(AbstractDataset[Any, Any]):
    """A corpus that is read and never written by a run."""

    def save(self, data: Any) -> NoReturn:
        raise DatasetError(f"{type(self).__name__} is raw data: a run reads it and never writes it")


class DemoCorpus(_RawCorpus):
    """Synthetic sound in a published layout, made on the first load and where `demo` differs.

    `demo` holds, by task, the fields of that demo's parameters (`bodysounds.corpora.demos.DEMOS`),
    and `task` chooses; load returns a Corpus.
    """

    def __init__(
        self,
        *,
        filepath: str,
        task: str,
        demo: dict[str, dict[str, Any]],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = on_disk(filepath, "recordings", "--params work=/path/to/it")
        self._task = task
        self._demo = demo
        self.metadata = metadata

    def load(self) -> Corpus:
        from bodysounds.corpora.demos import make_demo

        return make_demo(self._task, self._filepath, self._demo)

    def _describe(self) -> dict[str, Any]:
        about = {"filepath": str(self._filepath), "task": self._task}
        return {**about, "demo": self._demo.get(self._task)}

    def _exists(self) -> bool:
        return (self._filepath / "demo.json").is_file()


class FolderCorpus(_RawCorpus):
    """A folder of recordings and the reader of its layout; load returns a Corpus.

    `synthetic` says that nobody made these sounds, which whatever is made of them then tells.
    Raises DatasetError where it is neither true nor false.
    """

    def __init__(
        self,
        *,
        filepath: str,
        reader: str,
        name: str,
        options: dict[str, Any] | None = None,
        synthetic: bool = False,
        licence: str = "",
        citation: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = on_disk(filepath, "recordings", "--params raw=/path/to/it")
        if not isinstance(synthetic, bool):
            raise DatasetError(
                f"synthetic is {synthetic!r} for the corpus {name!r}: give true where nobody made "
                "these sounds, and false for real recordings"
            )
        self._about: dict[str, Any] = {
            "reader": reader,
            "name": name,
            "options": options or {},
            "synthetic": synthetic,
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
