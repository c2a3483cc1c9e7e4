"""CryCeleb2023 is whole or refused: a made corpus of the full size, and one broken each way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader

from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.cryceleb import COMPLETE
from bodysounds.corpora.registry import list_recordings

Tables = dict[str, pd.DataFrame]


def published() -> Tables:
    """Return metadata and pairs of the published size, two expirations a baby and period."""
    periods = [("train", "BD")] * 348 + [("train", "B")] * 183 + [("train", "D")] * 55
    periods += [("dev", "BD")] * 40 + [("test", "BD")] * 160
    rows, sides = [], {"train": [], "dev": [], "test": []}
    for number, (split, sessions) in enumerate(periods):
        baby = f"{number:04d}"
        sides[split].append(baby)
        for period in sessions:
            for index in range(2):
                name = f"{baby}_{period}_{index:03d}"
                path = f"audio/{split}/{baby}/{period}/{name}.wav"
                rows.append((baby, period, 0.9, split, index, path, name))
    columns = [
        "baby_id",
        "period",
        "duration",
        "split",
        "chronological_index",
        "file_name",
        "file_id",
    ]
    pairs = {
        subset: pd.DataFrame(
            [(b, d, f"{b}_{d}", int(b == d)) for b in sides[subset] for d in sides[subset]],
            columns=["baby_id_B", "baby_id_D", "id", "label"],
        )
        for subset in ("dev", "test")
    }
    return {
        "metadata": pd.DataFrame(rows, columns=columns),
        "dev_pairs": pairs["dev"],
        "test_pairs": pairs["test"].drop(columns="label"),
    }


@pytest.fixture(scope="module")
def whole() -> Tables:
    return published()


def listed(folder: Path, tables: Tables, **options: object) -> Listing:
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return list_recordings(Corpus(folder, "cryceleb", "CryCeleb2023", options))


def test_the_published_numbers_are_read_without_any_audio(tmp_path: Path, whole: Tables) -> None:
    listing = listed(tmp_path, whole, complete=True)
    assert listing.recordings["subject_id"].nunique() == 786
    assert listing.sides["side_id"].nunique() == 2 * (348 + 40 + 160) + 183 + 55
    assert len(listing.listed_trials) == 1_600 + 25_600
    assert listing.listed_trials["target"].sum() == 40
    # the parts add up, so no number is a slip of the pen
    assert sum(COMPLETE[f"{subset} babies"] for subset in ("train", "dev", "test")) == 786
    assert COMPLETE["train babies"] == 348 + 183 + 55
    assert (COMPLETE["dev babies"] ** 2, COMPLETE["test babies"] ** 2) == (1_600, 25_600)


def without_baby(split: str) -> Callable[[Tables], Tables]:
    def change(tables: Tables) -> Tables:
        table = tables["metadata"]
        gone = table[table["split"] == split]["baby_id"].iloc[0]
        kept = {"metadata": table[table["baby_id"] != gone]}
        for name in ("dev_pairs", "test_pairs"):
            pairs = tables[name]
            kept[name] = pairs[(pairs["baby_id_B"] != gone) & (pairs["baby_id_D"] != gone)]
        return kept

    return change


def without_period(baby: str, period: str) -> Callable[[Tables], Tables]:
    def change(tables: Tables) -> Tables:
        table = tables["metadata"]
        return tables | {
            "metadata": table[(table["baby_id"] != baby) | (table["period"] != period)]
        }

    return change


def without_rows(name: str, rows: int) -> Callable[[Tables], Tables]:
    return lambda tables: tables | {name: tables[name].iloc[rows:]}


def without_table(name: str) -> Callable[[Tables], Tables]:
    return lambda tables: {k: v for k, v in tables.items() if k != name}


def moved(baby: str, split: str) -> Callable[[Tables], Tables]:
    def change(tables: Tables) -> Tables:
        table = tables["metadata"].copy()
        table.loc[table["baby_id"] == baby, "split"] = split
        return tables | {"metadata": table}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            without_baby("train"),
            {
                "babies 785, expected 786",
                "train babies 585, expected 586",
                "train babies with both periods 347, expected 348",
            },
        ),
        (
            without_baby("dev"),
            {
                "babies 785, expected 786",
                "dev babies 39, expected 40",
                "dev pairs 1,521, expected 1,600",
            },
        ),
        (
            without_baby("test"),
            {
                "babies 785, expected 786",
                "test babies 159, expected 160",
                "test pairs 25,281, expected 25,600",
            },
        ),
        (
            without_period("0000", "D"),
            {
                "train babies with both periods 347, expected 348",
                "train babies with B only 184, expected 183",
            },
        ),
        (
            without_period("0000", "B"),
            {
                "train babies with both periods 347, expected 348",
                "train babies with D only 56, expected 55",
            },
        ),
        (without_rows("dev_pairs", 1), {"dev pairs 1,599, expected 1,600"}),
        (without_rows("test_pairs", 24_576), {"test pairs 1,024, expected 25,600"}),
        (without_table("test_pairs"), {"test pairs 0, expected 25,600"}),
        (
            moved("0400", "dev"),
            {
                "train babies 585, expected 586",
                "dev babies 41, expected 40",
                "train babies with B only 182, expected 183",
            },
        ),
    ],
)
def test_each_number_that_differs_is_named(
    tmp_path: Path, whole: Tables, change: Callable[[Tables], Tables], said: set[str]
) -> None:
    tables = change(whole)
    with pytest.raises(ValueError, match=r"is not the whole of CryCeleb2023 \((.*)\): fetch") as no:
        listed(tmp_path, tables, complete=True)
    sentence = str(no.value)
    listed_there = sentence[sentence.index("(") + 1 : sentence.index("): fetch")]
    assert set(listed_there.split("; ")) == said
    assert "--params complete=false" in sentence
    assert "bodysounds fetch cryceleb" in sentence
    part = listed(tmp_path, tables)  # a part is taken where it is asked for
    assert listed(tmp_path, tables, complete=False).recordings.equals(part.recordings)


def test_a_folder_of_two_babies_needs_no_option(tmp_path: Path, whole: Tables) -> None:
    few = whole["metadata"].iloc[:8]
    assert listed(tmp_path, {"metadata": few}).recordings["subject_id"].nunique() == 2


def test_the_option_is_true_or_false(tmp_path: Path, whole: Tables) -> None:
    with pytest.raises(ValueError, match="complete must be true or false, got 'no'"):
        listed(tmp_path, {"metadata": whole["metadata"]}, complete="no")


@pytest.mark.parametrize(("given", "read"), [(None, True), ("true", True), ("false", False)])
def test_the_environment_asks_for_the_whole_unless_told(
    project_dir: Path, given: str | None, read: bool
) -> None:
    from kedro.framework.cli.utils import _split_params

    # as `--params complete=...` gives it
    runtime = {} if given is None else _split_params(None, None, f"complete={given}")
    config = OmegaConfigLoader(
        str(project_dir / "conf"),
        env="cryceleb",
        base_env="base",
        default_run_env="local",
        runtime_params=runtime,
    )
    assert config["catalog"]["{task}.raw"]["options"] == {"complete": read}
