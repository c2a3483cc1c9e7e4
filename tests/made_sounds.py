"""A made corpus of three kinds of sound, and what two members of an ensemble say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.params import PredictParams
from bodysounds.params.ensemble import EnsembleParams
from bodysounds.scoring.rule import combined_predictions, make_rule

CLASSES = ["crying", "normal", "screaming"]
# corpus, class, sources, recordings a source, seconds, sample rate, suffix
PARTS = (
    ("donateacry", "crying", 90, 2, 7.0, 8_000, "flac"),
    ("esc10", "crying", 16, 2, 5.0, 44_100, "ogg"),
    ("esc10", "normal", 30, 2, 5.0, 44_100, "ogg"),
    ("emogator", "normal", 70, 3, 1.6, 44_100, "mp3"),
    ("emogator", "screaming", 60, 4, 1.3, 48_000, "mp3"),
    ("libri", "normal", 60, 2, 9.0, 16_000, "flac"),
)
SHARPNESS = {"yamnet": 1.0, "wav2vec2": 2.4}
"""What true logits are multiplied by: a member is too sure of itself by that factor."""
SKILL = {"yamnet": 1.5, "wav2vec2": 1.15}


@dataclass(frozen=True)
class Sounds:
    """The tables of a task, and the rule of its ensemble."""

    manifest: pd.DataFrame
    examples: pd.DataFrame
    predictions: pd.DataFrame
    rule: dict[str, Any]


def made_sounds(share: float = 1.0, seed: int = 0, heard_bonus: float = 1.5) -> Sounds:
    """Tables as the task's stages give them; people of emogator are normal and scream.

    `share` of the sources is made; `heard_bonus` is how much better windows of heard sources are.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for corpus, label, sources, recordings, seconds, rate, suffix in PARTS:
        for source in range(max(7, round(sources * share))):
            subset = ("train", "test", "dev", "train", "train", "train", "train")[source % 7]
            for take in range(recordings):
                name = f"{corpus}-{label}-{source:03d}-{take}"
                length = seconds * rng.uniform(0.7, 1.3)
                rows.append((name, f"{corpus}{source:03d}", subset, source % 3, label, corpus,
                             length, rate, f"audio/{name}.{suffix}"))  # fmt: skip
    columns = ["recording_id", "group_id", "subset", "fold", "label", "domain", "duration_s",
               "sample_rate", "path"]  # fmt: skip
    made = pd.DataFrame(rows, columns=columns)
    made["domain"] = made["domain"].where(made["domain"] != "emogator", "emogator:" + made["label"])
    manifest = made.assign(
        subject_id=made["group_id"], session_id=np.nan, codec=made["path"].str[-4:], sex=np.nan,
        age=np.nan, sha256=made["recording_id"],
    )  # fmt: skip
    examples = pd.concat([_window(made, k) for k in range(2)], ignore_index=True)
    heard = (examples["subset"] == "train") & (examples["segment_id"].str.endswith("#1"))
    heard &= rng.random(len(examples)) < 0.25
    examples.loc[heard, ["subset", "condition", "fold"]] = ["test", "heard_source", -1]
    members = {name: _says(examples, name, rng, heard_bonus) for name in SKILL}
    train = (examples["subset"] == "train").to_numpy()
    rule = make_rule(
        {name: table[train] for name, table in members.items()},
        members,
        examples,
        EnsembleParams(),
        {"clip_s": 1.0, "sample_rate": 16_000, "short": "repeat"},
    )
    logs = {name: np.log(table[[f"p_{c}" for c in CLASSES]].to_numpy())
            for name, table in members.items()}  # fmt: skip
    predictions = combined_predictions(
        rule, logs, examples, examples, _describe(examples, made, rng), PredictParams(balanced=True)
    )
    return Sounds(manifest, examples, predictions, rule)


def history(epochs: int = 8) -> pd.DataFrame:
    """A training history as a member's branch has it."""
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss_cross_entropy": 1.1 / epoch**0.9,
            "loss_contrastive_center": np.nan,
            "train_accuracy": 1 - 0.6 / epoch,
            "dev_accuracy": 0.93 - 0.5 / epoch,
            "dev_loss": 0.3 + 0.8 / epoch,
            "chosen": epoch == epochs - 1,
        }
    )


def _window(made: pd.DataFrame, k: int) -> pd.DataFrame:
    table = made[["recording_id", "label", "subset", "fold", "domain"]].copy()
    table.insert(0, "segment_id", table["recording_id"] + f"#{k}")
    table["start_s"], table["end_s"] = 0.5 * k, 0.5 * k + 1.0
    table["session_id"] = made["group_id"]
    table["condition"] = np.where(table["subset"] == "train", "train", "unseen_source")
    table["fold"] = table["fold"].where(table["subset"] == "train", -1)
    return table


def _says(examples: pd.DataFrame, member: str, rng: Any, heard_bonus: float) -> pd.DataFrame:
    """Clips of a source are hard or easy together."""
    own = pd.Index(CLASSES).get_indexer(examples["label"])
    hard = {name: rng.normal(0, 0.9) for name in sorted(set(examples["session_id"]))}
    logits = rng.gumbel(size=(len(examples), 3))
    gain = 2.2 * SKILL[member] + examples["session_id"].map(hard).to_numpy()
    gain = gain + heard_bonus * (examples["condition"] != "unseen_source").to_numpy()
    logits[np.arange(len(own)), own] += gain
    logits *= SHARPNESS[member]
    table = np.exp(logits - logits.max(axis=1, keepdims=True)) + 1e-7
    table = pd.DataFrame(table / table.sum(axis=1, keepdims=True),
                         columns=[f"p_{name}" for name in CLASSES])  # fmt: skip
    return pd.concat([examples[["segment_id", "label", "subset", "condition", "fold"]], table],
                     axis=1)  # fmt: skip


def _describe(examples: pd.DataFrame, made: pd.DataFrame, rng: Any) -> pd.DataFrame:
    """Windows are of one length; bandwidth follows the file's sample rate."""
    rate = examples["recording_id"].map(made.set_index("recording_id")["sample_rate"]).to_numpy()
    n = len(examples)
    table = pd.DataFrame({"segment_id": examples["segment_id"], "duration_s": 1.0})
    table["bandwidth_hz"] = np.minimum(rate / 2, 7_000) * rng.uniform(0.5, 1, n)
    for name in ("level_dbfs", "peak_dbfs", "noise_floor_dbfs", "silence_share"):
        table[name] = rng.normal(size=n)
    table["clipped_share"] = 0.0
    own = pd.Index(CLASSES).get_indexer(examples["label"])
    for k in range(6):
        table[f"mfcc_mean_{k:02d}"] = rng.normal(size=n) + 0.8 * (own == k % 3)
    return table
