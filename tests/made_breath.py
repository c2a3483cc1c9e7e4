"""A made task of breath cycles: patients, devices, and what networks and baselines say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.scoring.classes import prediction_table

CLASSES = ["both", "crackle", "normal", "wheeze"]
SHARES = [0.08, 0.27, 0.5, 0.15]
DEVICES = ("AKGC417L", "Litt3200", "LittC2SE", "Meditron")
SKILL = {
    "ours": 1.6, "log_mel": 0.9, "mfcc": 0.5, "alone_device": 0.3, "alone_duration_s": 0.0,
}  # fmt: skip
METHODS = {"sl": 1.3, "scl": 1.2, "hybrid": 1.6, "mscl": 2.4}


@dataclass(frozen=True)
class Breath:
    """The tables of a task."""

    manifest: pd.DataFrame
    examples: pd.DataFrame
    predictions: pd.DataFrame


def made_examples(n_patients: int = 40, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return manifest and examples: two recordings a patient, of one device, 6 to 13 cycles each.

    Every fifth patient is dev, two of five test; the first two of train are also heard in test. The
    patients of one location have no normal cycle.
    """
    rng = np.random.default_rng(seed)
    recordings, rows = [], []
    for k in range(n_patients):
        patient, device = f"{101 + k}", DEVICES[k % 4]
        age = (
            np.nan if k == 7 else float(rng.integers(2, 16) if k % 3 == 0 else rng.integers(30, 90))
        )
        told = {
            "domain": device,
            "sex": np.nan if k == 7 else "FM"[k % 2],
            "age_group": np.nan if k == 7 else "child" if k % 3 == 0 else "adult",
            "location": "Tc" if k % 20 == 4 else ("Al", "Pr", "Ll")[k % 3],
            "mode": "sc",
        }
        subset = ("train", "train", "dev", "test", "test")[k % 5]
        for take in range(2):
            name = f"{patient}_{take + 1}b1_{told['location']}_sc_{device}"
            recordings.append(
                {
                    "recording_id": name, "subject_id": patient, "group_id": patient,
                    "session_id": f"{patient}_{take}", "path": f"{name}.wav", "codec": "wav",
                    "duration_s": 20.0, "sample_rate": 44_100 if k % 4 else 4_000,
                    "sha256": name, "age": "" if np.isnan(age) else f"{age:g}",
                    "label": ("COPD", "Healthy", "URTI")[k % 3], **told,
                }
            )  # fmt: skip
            heard = k < 2 and take == 1
            for cycle in range(int(rng.integers(6, 14))):
                label = rng.choice(CLASSES, p=SHARES)
                if told["location"] == "Tc" and label == "normal":
                    label = "crackle"
                rows.append(
                    {
                        "segment_id": f"{name}#{cycle:03d}", "recording_id": name,
                        "start_s": 2.0 * cycle, "end_s": 2.0 * cycle + 1.8, "label": str(label),
                        "subset": "test" if heard else subset,
                        "condition": "heard_patient" if heard else "unseen_patient"
                        if subset == "test" else subset,
                        "session_id": patient, "fold": k % 5, **told,
                    }
                )  # fmt: skip
    manifest = pd.DataFrame(recordings)
    manifest["age"] = manifest["age"].where(manifest["age"] != "")
    return manifest, pd.DataFrame(rows)


def said(examples: pd.DataFrame, system: str, skill: float, seed: int = 0) -> pd.DataFrame:
    """Return predictions whose true class's logit is raised by `skill`, more for heard patients."""
    rng = np.random.default_rng(seed)
    own = pd.Index(CLASSES).get_indexer(pd.Index(examples["label"]))
    hard = {name: rng.normal(0, 0.5) for name in sorted(set(examples["session_id"]))}
    logits = rng.gumbel(size=(len(examples), 4))
    gain = skill + (skill > 0) * examples["session_id"].map(hard).to_numpy()
    logits[np.arange(len(own)), own] += gain + 2.0 * (examples["condition"] == "heard_patient")
    if system == "most_frequent":
        logits = np.tile(np.log(SHARES), (len(examples), 1))
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return prediction_table(system, examples, logits, CLASSES, 50)


def made_breath(n_patients: int = 40) -> Breath:
    """Return one split: train, dev, test of unseen patients and of heard ones."""
    manifest, examples = made_examples(n_patients)
    parts = [
        said(examples, name, skill, k)
        for k, (name, skill) in enumerate({**SKILL, "most_frequent": 0.0}.items())
    ]
    return Breath(manifest, examples, pd.concat(parts, ignore_index=True))


def made_folds(n_patients: int = 40) -> tuple[Breath, dict[str, Any]]:
    """Return pooled folds, each patient tested once by four methods, and the rule; ours is mscl.

    Ours also speaks of the same cycles dealt at random.
    """
    manifest, examples = made_examples(n_patients)
    tested = examples.assign(subset="test", condition="unseen_patient")
    parts = [said(tested, name, skill, k) for k, (name, skill) in enumerate(METHODS.items())]
    ours = parts[-1].assign(system="ours")
    leak = said(tested, "ours", 4.0, 9).assign(condition="random_cycle")
    table = pd.concat([ours, *parts, said(tested, "most_frequent", 0.0), leak], ignore_index=True)
    table["fold"] = table["segment_id"].map(examples.set_index("segment_id")["fold"])
    rule = {
        "labels": CLASSES, "members": list(METHODS), "chosen_by": "dev",
        "chosen": "the method that scored best in the dev of each fold",
        "choices": [{"fold": k, "chosen": "mscl", "dev_score": {}} for k in range(5)],
    }  # fmt: skip
    return Breath(manifest, examples, table), rule


def made_runs(n: int = 4, seed: int = 0) -> pd.DataFrame:
    """Return a row a run: mscl is better than sl at each seed, and seeds move both alike."""
    rng = np.random.default_rng(seed)
    rows = []
    for run in range(n):
        luck = rng.normal(0, 0.02)
        for method, better in (("sl", 0.0), ("mscl", 0.03)):
            se, sp = 0.4 + luck + better, 0.7 + rng.normal(0, 0.002)
            rows.append((method, run, 0.55, (se + sp) / 2, se, sp, (se + sp) / 2 + 0.1, se + 0.2))
    columns = ["method", "seed", "dev_score", "score", "se", "sp", "score_any", "se_any"]
    return pd.DataFrame(rows, columns=columns)


def made_tasks(examples: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return what the embeddings say of cycles, normal or not, and of patients."""
    rng = np.random.default_rng(seed)
    test = examples[examples["subset"] == "test"]

    def task(name: str, units: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
        right = rng.random(len(units)) < 0.75
        other = units["label"].map(lambda label: classes[(classes.index(label) + 1) % len(classes)])
        predicted = units["label"].where(right, other)
        shares = {
            f"p_{c}": np.where(predicted == c, 0.8, 0.2 / (len(classes) - 1)) for c in classes
        }
        return units.assign(task=name, predicted=predicted, **shares)

    cycles = pd.DataFrame(
        {
            "unit_id": test["segment_id"], "patient": test["session_id"],
            "condition": test["condition"],
            "label": test["label"].where(test["label"] == "normal", "abnormal"),
        }
    )  # fmt: skip
    first = test.drop_duplicates("session_id")
    group = ("chronic", "healthy", "acute")
    patients = pd.DataFrame(
        {
            "unit_id": first["session_id"], "patient": first["session_id"],
            "condition": first["condition"],
            "label": [group[(int(name) - 101) % 3] for name in first["session_id"]],
        }
    )  # fmt: skip
    tables = [
        task(name, units, classes).assign(system=system)
        for name, units, classes in (
            ("binary", cycles, ["abnormal", "normal"]),
            ("diagnosis", patients, ["acute", "chronic", "healthy"]),
        )
        for system in ("ours", "log_mel")
    ]
    return pd.concat(tables, ignore_index=True)
