"""What a report says of few subjects, of baselines not beaten, of sessions told by times alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from reporting_tables import made_tables
from test_inspection import page_of as inspected
from test_reporting import Page, metrics_of, page_of

from bodysounds.models.encoder import Encoder
from bodysounds.reporting.cards import model_facts
from bodysounds.reporting.headline import headline
from bodysounds.reporting.page import beside_baselines

FEW = "too few to rely on"


def text_of(html: str) -> str:
    return " ".join(Page(html).text.split())


@pytest.fixture(scope="module")
def tables() -> Any:
    return made_tables()


@pytest.mark.parametrize(("n_subjects", "few"), [(27, True), (30, False)])
def test_fewer_than_ten_subjects_are_said_to_be_few(n_subjects: int, few: bool) -> None:
    tables = made_tables(n_subjects)
    metrics = metrics_of(tables)
    assert metrics["headline"]["eer_ci95"] is not None  # an interval alone looks trustworthy
    assert (f"{n_subjects // 3} subjects ({FEW}), " in headline(metrics)) == few
    text = text_of(page_of(tables, metrics))
    assert (f"Few subjects. Of {n_subjects // 3} with same-subject pairs neither" in text) == few


def test_few_subjects_of_dev_that_chose_the_threshold_are_told_too(tables: Any) -> None:
    metrics = metrics_of(tables)
    told = "chosen on dev by the same-subject pairs of 2."
    assert told not in text_of(page_of(tables, metrics))
    metrics["dev"]["ours"]["n_target_subjects"] = 2
    text = text_of(page_of(tables, metrics))
    assert told in text
    assert "nor its interval" not in text  # test has ten


def test_which_baselines_are_beaten_follows_the_paired_intervals(tables: Any) -> None:
    metrics = metrics_of(tables)
    paired = {
        "untrained": {"difference": 0.1, "ci95": [0.05, 0.15], "excludes_zero": True},
        "mfcc": {"difference": -0.1, "ci95": [-0.2, 0.1], "excludes_zero": False},
        "random": {"difference": -0.3, "ci95": [-0.4, -0.2], "excludes_zero": True},
    }
    metrics["comparisons"] = {name: {"trial": one, "subject": None} for name, one in paired.items()}
    told = (
        "Paired, ours is better than random; worse than untrained network; "
        "not told apart from MFCC mean and deviation."
    )
    assert beside_baselines(metrics) == told
    assert f"Chance is 50%. {told}" in text_of(page_of(tables, metrics))
    metrics["headline"]["weighting"] = "subject"
    assert beside_baselines(metrics) == ""


def test_sessions_that_only_times_tell_are_not_called_unknown(tables: Any) -> None:
    manifest = tables["manifest"].assign(session_id=None)
    timed = manifest.assign(recorded_at=np.arange(len(manifest)) * 7200.0)
    for table, told, said in (
        (manifest, "unknown", "No sessions are known."),
        (timed, "by time", "No session is named; times tell them apart."),
    ):
        changed = tables | {"manifest": table}
        card = text_of(page_of(changed, metrics_of(changed))).split("Data card")[-1]
        assert card.split("Model card")[0].count(told) == 4
        assert said in text_of(inspected(changed)[0])
    assert "60 sessions are known." in text_of(inspected(tables)[0])


def test_the_model_card_counts_what_is_learnt_and_names_what_it_tells() -> None:
    state = {"w": torch.ones(7), "norm.running_mean": torch.ones(5)}
    training = {"audio_s": 1310.4, "dev_eer": 0.25, "n_subjects": 65, "chosen_epoch": 8}
    facts = model_facts(Encoder(state, {"name": "ecapa"}, {"name": "speechbrain"}, training))
    assert facts["Weights"] == "7 parameters"
    assert list(facts)[3:] == ["Audio heard, s", "Dev EER", "Subjects in train", "Chosen epoch"]
