"""`bodysounds embed`: a vector for each recording of a folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from bodysounds.commands.answers import bars_on_stderr
from bodysounds.commands.models import model_path
from bodysounds.commands.shared import (
    ALL,
    SOME,
    add_results,
    check_out,
    command_parser,
    count,
    parsed,
    recordings_of,
    say,
    say_json,
    shown,
    whole,
    write_csv,
)
from bodysounds.types import Floats, Table

Embedded: TypeAlias = tuple[Floats, float]
"""An embedding, and the seconds of its recording."""

ENDINGS = (".parquet", ".csv", ".npz", ".safetensors")
ABOUT = """\
Write a vector of unit length for each recording below a folder; the cosine of two says how alike
they are.

A row a recording, in the order of the paths: path (below FOLDER), duration_s, and e000, e001, ...
(float32). A .npz or .safetensors file has the arrays embeddings (n, dim) and duration_s (n,), and
the paths.

A bundle hears each recording as its run heard sides, so that where its score is the cosine, the
cosine of two rows is the score that `bodysounds verify` gives; what it would not answer (too short,
silent, clipped) is left out. Any other encoder hears recordings whole, up to --max-side-s seconds.

Recordings that cannot be used are left out, told on standard error, and listed in
<name of FILE>.rejected.csv beside it. Exit codes: 0 all are embedded; 1 some were left out;
2 an error, nothing is written.
"""
EXAMPLE = """\
such as:
  bodysounds embed recordings --out embeddings.parquet \\
      --model data/06_models/demo/cry_verification/bundle
"""


def run(arguments: Sequence[str]) -> int:
    """Embed a folder and return 0, or 1 where recordings were left out; ValueError, OSError."""
    asked = parsed(_parser(), arguments)
    model = model_path(asked.model, ("bundle", "encoder.safetensors"), "embed")
    out = check_out(asked.out, asked.force, ENDINGS)
    if not asked.folder.expanduser().is_dir():
        raise ValueError(f"{shown(asked.folder)} is no folder: give the one with the recordings")
    folder = asked.folder.expanduser()
    paths = recordings_of([folder])

    found = _embedded(model, paths, asked)
    rejected = [(path, one) for path, one in zip(paths, found, strict=True) if isinstance(one, str)]
    for _, reason in rejected:
        say(f"left out: {shown(reason)}", to_stderr=True)
    listed = [path for path, one in zip(paths, found, strict=True) if not isinstance(one, str)]
    kept = [one for one in found if not isinstance(one, str)]
    if not kept:
        raise ValueError(f"none of {count(len(paths), 'recording')} could be used")
    table = embedding_table(listed, folder, kept)
    write_embeddings(out, table)
    told = _list_rejected(out, folder, rejected)
    if asked.json:
        say_json({
            "out": out, "recordings": len(kept), "dim": len(kept[0][0]),
            "rejected": [{"path": below(path, folder), "reason": why} for path, why in rejected],
        })  # fmt: skip
        return SOME if rejected else ALL
    say(f"{shown(out)} holds {count(len(kept), 'embedding')} of {len(kept[0][0])} numbers{told}")
    return SOME if rejected else ALL


def _embedded(
    model: Path, paths: Sequence[Path], asked: argparse.Namespace
) -> list[Embedded | str]:
    """Return each recording's embedding and seconds, or why it has none.

    A verifier hears it as `Verifier.embed` does, any other encoder as `embed_files` does.
    """
    from bodysounds.models.verifier import bundled_encoder

    if bundled_encoder(model) is None:
        return _by_encoder(model, paths, asked)
    from bodysounds.models.verifier import load_verifier
    from bodysounds.progress import track
    from bodysounds.verifier import Verifier

    bundle = load_verifier(model)
    if asked.max_side_s is not None:
        heard = {**bundle.about["heard"], "max_side_s": asked.max_side_s}
        bundle = replace(bundle, about={**bundle.about, "heard": heard})
    verifier = Verifier(bundle, asked.device)
    with bars_on_stderr():
        sides = list(track(verifier.hear_each(paths), "embed files", len(paths)))
    return [
        _naming(path, str(side.abstained))
        if side.embedding is None
        else (side.embedding, side.seconds)
        for path, side in zip(paths, sides, strict=True)
    ]


def _naming(path: Path, reason: str) -> str:
    """Return a reason that names its recording."""
    return reason if str(path) in reason else f"{path}: {reason}"


def _by_encoder(
    model: Path, paths: Sequence[Path], asked: argparse.Namespace
) -> list[Embedded | str]:
    from bodysounds.models.encoder import load_encoder
    from bodysounds.scoring.embed_files import embed_files

    rejected: list[tuple[str, str]] = []
    with bars_on_stderr():
        found = embed_files(
            load_encoder(model), paths, device=asked.device, rejected=rejected, progress=True,
            max_side_s=60.0 if asked.max_side_s is None else asked.max_side_s,
        )  # fmt: skip
    why = dict(rejected)
    return [
        why[str(path)] if str(path) in why else (embedding, _duration_s(path))
        for path, embedding in zip(paths, found, strict=True)
    ]


def embedding_table(paths: Sequence[Path], folder: Path, found: Sequence[Embedded]) -> Table:
    """Return a row a recording: path (str), duration_s (float64), and e000 ... (float32)."""
    import numpy as np
    import pandas as pd

    embeddings = np.stack([embedding for embedding, _ in found])
    dim = embeddings.shape[1]
    digits = max(3, len(str(dim - 1)))
    table = pd.DataFrame(embeddings, columns=[f"e{column:0{digits}d}" for column in range(dim)])
    table.insert(0, "path", pd.Series([below(path, folder) for path in paths], dtype="str"))
    table.insert(1, "duration_s", [float(seconds) for _, seconds in found])
    return table


def write_embeddings(out: Path, table: Table) -> None:
    """Write `embedding_table` in the format of the ending, all or nothing."""
    import numpy as np

    paths, durations = table["path"].tolist(), table["duration_s"].to_numpy()
    embeddings = np.ascontiguousarray(table.iloc[:, 2:].to_numpy())
    with whole(out) as partial:
        if out.suffix.lower() == ".parquet":
            table.to_parquet(partial, index=False)
        elif out.suffix.lower() == ".csv":
            table.to_csv(partial, index=False)
        elif out.suffix.lower() == ".npz":
            np.savez(partial, path=np.array(paths), duration_s=durations, embeddings=embeddings)
        else:
            from safetensors.numpy import save_file

            arrays = {"embeddings": embeddings, "duration_s": durations}
            save_file(arrays, partial, metadata={"paths": json.dumps(paths)})


def below(path: str | Path, folder: Path) -> str:
    """Return a path relative to the folder, with slashes."""
    return shown(Path(path).relative_to(folder).as_posix())


def _duration_s(path: Path) -> float:
    import soundfile

    from bodysounds.audio.read import decode_samples

    try:
        about = soundfile.info(path)
        if about.frames < 2**62:  # a stream of unknown length declares 2**63 - 1
            return float(about.frames / about.samplerate)
    except (soundfile.LibsndfileError, RuntimeError):
        pass  # what ffmpeg decodes
    samples, rate = decode_samples(path)
    return len(samples) / rate


def _list_rejected(out: Path, folder: Path, rejected: Sequence[tuple[Path, str]]) -> str:
    """Write the list beside the result, or remove that of an earlier one; return what to say."""
    listing = out.with_suffix(".rejected.csv")
    if not rejected:
        listing.unlink(missing_ok=True)
        return ""
    write_csv(listing, [{"path": below(p, folder), "reason": shown(why)} for p, why in rejected])
    return f"; {count(len(rejected), 'recording')} left out, listed in {shown(listing)}"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("embed", ABOUT, EXAMPLE)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the recordings are")
    add_results(parser, f"where the embeddings go: a name in {', '.join(ENDINGS)}")
    parser.add_argument(
        "--max-side-s", type=float, metavar="SECONDS",
        help="seconds that are heard of a longer recording (default: the bundle's, or 60)",
    )  # fmt: skip
    return parser
