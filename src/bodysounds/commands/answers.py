"""One recording after another is asked, behind a bar that leaves standard output alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def answers(
    ask: Callable[[S], T], asked: Sequence[S], about: str, printed: bool = False
) -> Iterator[tuple[S, T | ValueError]]:
    """Yield each that was asked with its answer, or with what is wrong with it, behind a bar.

    The bar is on standard error. There is none for one alone, nor where answers are `printed` as
    they come and a terminal shows them.
    """
    from bodysounds.progress import track

    out = sys.stdout
    seen = printed and out is not None and out.isatty()
    with bars_on_stderr():
        for one in track(asked, about) if len(asked) > 1 and not seen else asked:
            try:
                found: T | ValueError = ask(one)
            except ValueError as error:
                found = error
            with redirect_stdout(out):  # else a bar catches what is printed
                yield one, found


def some_answered(found: Iterable[tuple[S, T | ValueError]]) -> Iterator[tuple[S, T | ValueError]]:
    """Yield what `answers` yields; where all is wrong, raise what is wrong with the first.

    What is wrong before the first answer is yielded with it.
    """
    wrong: list[tuple[S, T | ValueError]] = []
    answered = False
    for one, said in found:
        answered = answered or not isinstance(said, ValueError)
        wrong.append((one, said))
        if answered:
            yield from wrong
            wrong = []
    for _, said in wrong:
        if isinstance(said, ValueError):
            raise said


@contextmanager
def bars_on_stderr() -> Iterator[None]:
    """Send the progress bars to standard error: standard output is for results."""
    import rich

    rich.reconfigure(stderr=True)
    try:
        yield
    finally:
        rich.reconfigure()
