"""The progress bar of a training run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingBar:
    """Steps done and left, with the epoch, the loss and dev's last EER or accuracy."""

    def __init__(self, n_steps: int, n_epochs: int, shown: bool = True) -> None:
        self.n_epochs = n_epochs
        self.progress = Progress(
            TextColumn("train"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=not shown,
        )
        self.task = self.progress.add_task("", total=n_steps)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def show(
        self,
        step: int,
        epoch: int,
        loss: float | None,
        dev_eer: float | None,
        dev_accuracy: float | None = None,
    ) -> None:
        """Show that `step` steps are done, in an epoch counted from 1."""
        words = [f"epoch {epoch}/{self.n_epochs}"]
        if loss is not None:
            words.append(f"loss {loss:.3f}")
        if dev_eer is not None:
            words.append(f"dev EER {100 * dev_eer:.1f}%")
        if dev_accuracy is not None:
            words.append(f"dev accuracy {100 * dev_accuracy:.1f}%")
        self.progress.update(self.task, completed=step, description="  ".join(words))
