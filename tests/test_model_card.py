"""The model card: made from the run alone, every number found in its metrics, safe to publish."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import FinishedRun
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import load_classifier
from bodysounds.models.encoder import load_encoder
from bodysounds.models.ensemble import load_ensemble
from bodysounds.reporting.model_card import model_card
from bodysounds.reporting.model_card_classes import class_card
from bodysounds.reporting.model_card_front import licence_id
from bodysounds.reporting.model_card_markdown import escaped, fenced, one_line

RUNS = {
    "cry_verification": "finished_run",
    "speaker_verification": "finished_speakers",
    "speaker_identification": "finished_identification",
    "cry_scream_ensemble": "finished_screams",
    "respiratory_scl": "finished_respiratory",
}
VERIFICATIONS = ("cry_verification", "speaker_verification")
CLASSES = tuple(task for task in RUNS if task not in VERIFICATIONS)
READERS = {
    "cry_verification": "cryceleb", "speaker_verification": "zalo",
    "speaker_identification": "voxceleb", "cry_scream_ensemble": "manifest",
    "respiratory_scl": "icbhi",
}  # fmt: skip
HOSTILE = (
    "A|B: \"c\" 'd'\n---\nlicense: mit\n| x | y |\n# E ```f``` <script>g</script> &lt; "
    "[h](http://i) *j* _k_ $l$ ~~m~~ \\| \u2028n\x00\x1b é: - {{ o }} `"
)


# --- a card and what it was made from


def json_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def card_of(run: FinishedRun) -> str:
    return run.latest("08_reporting", "model_card.md").read_text(encoding="utf-8")


def metrics_of(run: FinishedRun) -> dict[str, Any]:
    return json_of(run.latest("08_reporting", "metrics.json"))


def made_again(run: FinishedRun, **changes: Any) -> str:
    """The card from the results on disk, by the library alone, with some of them changed."""
    tables, protocol = run.results("02_intermediate"), run.results("03_primary")
    arguments = {
        "metrics": metrics_of(run),
        "manifest": pd.read_parquet(tables / "manifest.parquet"),
        "rejected": pd.read_csv(tables / "rejected.csv"),
        "corpus": Corpus(Path("/nowhere"), READERS[run.task], "demo", synthetic=True),
        "record": json_of(run.latest("08_reporting", "record.json")),
        "task": run.task,
    }
    if run.task in VERIFICATIONS:
        arguments |= {
            "operating_point": json_of(run.latest("07_model_output", "operating_point.json")),
            "subsets": pd.read_parquet(protocol / "subsets.parquet"),
            "sides": pd.read_parquet(tables / "sides.parquet"),
            "gallery_curve": pd.read_csv(run.latest("08_reporting", "gallery_curve.csv")),
            "encoder": load_encoder(run.results("06_models") / "encoder.safetensors"),
        }
        return model_card(**(arguments | changes))
    if run.task == "cry_scream_ensemble":
        ensemble = load_ensemble(run.results("06_models") / "bundle")
        arguments |= {"classifiers": ensemble.members, "rule": ensemble.rule}
    else:
        one = load_classifier(run.results("06_models") / "classifier.safetensors")
        arguments |= {"classifiers": {"": one}, "rule": {}}
    arguments |= {
        "examples": pd.read_parquet(protocol / "examples.parquet"),
        "split_facts": json_of(protocol / "split_facts.json"),
    }
    return class_card(**(arguments | changes))


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


@pytest.fixture(params=VERIFICATIONS)
def verification(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


@pytest.fixture(params=CLASSES)
def classification(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


# --- reading a card, independently of how it is written


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("\n---\n", maxsplit=1)[0])


def section(card: str, title: str) -> str:
    found = re.search(rf"\n##+ {re.escape(title)}\n(.*?)(?=\n##+ |\Z)", card, re.DOTALL)
    assert found, title
    return found[1]


def table(text: str, which: int = 0) -> list[list[str]]:
    """Cells of the rows of a table, its heading left out, backslashes taken away."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    lines = blocks[which].strip().split("\n")
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert len({len(row) for row in cells}) == 1, lines
    return [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in cells[2:]]


def shares(text: str) -> list[float]:
    return [float(found) / 100 for found in re.findall(r"(-?\d+\.\d+)%", text)]


def is_rate(cell: str, entry: dict[str, Any], name: str) -> bool:
    """Whether a cell has a rate and its interval, at the printed precision."""
    low, high = entry.get(f"{name}_ci95") or (None, None)
    wanted = [value for value in (entry[name], low, high) if value is not None]
    found = shares(cell)
    return len(found) == len(wanted) and np.allclose(found, wanted, rtol=0, atol=0.0005001)


# --- all tasks


def test_the_hub_accepts_the_front_matter_whose_numbers_are_those_of_the_run(run):
    card, metrics = card_of(run), metrics_of(run)
    head = metrics["headline"]
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert data.to_dict() == ModelCard(card).data.to_dict()
    assert front(card)["library_name"] == data.library_name == "bodysounds"
    assert data.license == "other"
    assert {"audio", "synthetic-data", run.task.replace("_", "-")} <= set(data.tags)
    assert "datasets" not in front(card)  # nobody published it
    keys = {
        "eer": "eer", "accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy",
        "f1": "macro_f1", "top5": "top5", "icbhi_score": "score", "sensitivity": "se",
        "specificity": "sp", "icbhi_score_any_abnormality": "score_any",
        "sensitivity_any_abnormality": "se_any",
    }  # fmt: skip
    beside = metrics[head["subset"]]["ours"]
    assert data.eval_results
    for result in data.eval_results:
        key = keys.get(result.metric_type, result.metric_type)
        assert result.metric_value == (head[key] if key in head else beside[key])
        assert "synthetic sound" in result.metric_name
        assert result.dataset_args == {"synthetic": True}
        if key in head and head.get(f"{key}_ci95"):
            assert np.allclose(shares(result.metric_name), head[f"{key}_ci95"], atol=0.0005001)
    named = {keys.get(result.metric_type, result.metric_type) for result in data.eval_results}
    assert head.get("rate", "eer") in named


def test_the_results_on_disk_alone_give_the_same_bytes(run):
    assert made_again(run) == card_of(run)


def test_the_headline_the_making_and_the_limits_are_there(run):
    card, metrics = card_of(run), metrics_of(run)
    head = metrics["headline"]
    key = head.get("rate", "eer")
    first = section(card, "Results").strip().split("\n")[0]
    low, high = head[f"{key}_ci95"]
    assert f"{head[key]:.1%} (95% interval {low:.1%} to {high:.1%})" in first
    record = json_of(run.latest("08_reporting", "record.json"))
    making = section(card, "How it was made")
    assert record["command"] in making
    assert record["data"]["recordings_sha256"] in making
    for name, version in record["packages"].items():
        assert f"{name} {version}" in making
    for title in ("Intended use", "Out of scope", "Limits", "Recommendations", "Definitions"):
        assert len(section(card, title)) > 60
    training = section(card, "Training") + "".join(
        section(card, name) for name in ("YAMNet", "Wav2Vec2") if f"### {name}\n" in card
    )
    for fact in ("Network", "Front end", "Weights", "Chosen epoch", "Epochs", "Seed"):
        assert f"- **{fact}:**" in training
    assert "learning_rate:" in training


def test_every_line_of_a_result_says_that_the_sound_is_synthetic(run):
    card = card_of(run)
    results = card[card.index("## Results") : card.index("## Intended use")]
    silent = [
        line
        for line in results.split("\n")
        if re.search(r"\d%", line.replace("95%", ""))
        and "ynthetic" not in line.replace("SYNTHETIC", "synthetic")
        and line != "Chance is 50%."  # nobody's result
    ]
    assert silent == []
    real = Corpus(Path("/nowhere"), READERS[run.task], "Mine", licence="CC-BY-4.0")
    metrics = metrics_of(run)
    metrics["headline"]["synthetic"] = False
    told = made_again(run, corpus=real, metrics=metrics)
    assert front(told)["model-index"][0]["results"][0]["dataset"]["args"] == {"synthetic": False}
    assert "ynthetic" not in told.replace("synthetic: false", "")
    assert "real recordings" in section(told, "Results")


def test_nothing_is_nan_none_or_left_of_the_template(run):
    card = card_of(run)
    body = card[card.index("\n# ") :]
    assert not re.search(
        r"\bNone\b(?! of the)|\bnan\b|\bNaN\b|\binf\b|undefined|\{\{|\{%|\n\n\n", body
    )
    assert card.endswith("\n")
    # Markdown wants an empty line before a heading, a table, a quotation and a block of code
    lines = re.sub(r"```.*?```", "```", body, flags=re.DOTALL).split("\n")
    for before, line in itertools.pairwise(lines):
        if line.startswith(("#", "```", "<details")) or (
            line.startswith(("|", ">", "- ")) and before[:1] != line[0]
        ):
            assert before == "", (before, line)


def test_the_shortcut_audit_has_its_verdict_and_the_flagged_first(run):
    metrics = metrics_of(run)
    first, *_, last = [name for name in metrics["shortcuts"] if name != "verdict"]
    metrics["shortcuts"][last] = {**metrics["shortcuts"][first], "flagged": True}
    metrics["shortcuts"]["verdict"] = "A made verdict."
    card = made_again(run, metrics=metrics)
    audit = section(card, "Shortcut audit")
    assert "A made verdict." in audit
    assert "> **Shortcut audit (synthetic).** A made verdict." in section(card, "Results")
    rows = table(audit)
    assert len(rows) == len(metrics["shortcuts"]) - 1
    flags = [row[2] == "**flagged**" for row in rows]
    assert flags == sorted(flags, reverse=True)
    key = metrics["headline"].get("rate", "eer")
    by_name = {row[0].removesuffix(" (synthetic)"): row[1] for row in rows}
    audited = {
        re.sub("_(s|dbfs|hz)$", "", name).replace("_", " "): entry
        for name, entry in metrics["shortcuts"].items()
        if name != "verdict" and entry[key] is not None and name != "together"
    }
    assert audited
    for name, entry in audited.items():
        assert is_rate(by_name[name], entry, key), name


# --- text that others wrote


def shape(card: str) -> list[tuple[str, str, int]]:
    """The tags of a card as a Markdown reader sees them."""
    body = card.split("\n---\n", 1)[1]
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(body)
    return [
        (token.type, token.tag, token.nesting)
        for outer in tokens
        for token in (outer, *(outer.children or ()))
        if token.type not in ("text", "text_special", "softbreak")
    ]


def plain_and_hostile(run: FinishedRun, text: str) -> str:
    corpus = Corpus(
        Path("/nowhere"), READERS[run.task], text, synthetic=True, licence=text, citation=text
    )
    record = json_of(run.latest("08_reporting", "record.json"))
    metrics = metrics_of(run)
    manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
    manifest["domain"] = text
    if run.task in VERIFICATIONS:
        entry = next(iter(metrics["breakdown"].values()))
        entry[text] = next(iter(entry.values()))
    else:
        found = metrics["test"]["ours"]["per_class"]
        found[text] = next(iter(found.values()))
    return made_again(
        run,
        corpus=corpus,
        metrics=metrics,
        manifest=manifest,
        rejected=pd.DataFrame({"path": [text], "reason": [text]}),
        record=record | {"command": f"kedro run --params 'x={text}'", "platform": text},
    )


def test_text_that_others_wrote_breaks_neither_yaml_nor_markdown(run):
    plain, hostile = plain_and_hostile(run, "plain"), plain_and_hostile(run, HOSTILE)
    assert shape(hostile) == shape(plain)
    # a reader drops the cells that a row has too many
    without_code = re.sub(r"^(`{3,}).*?^\1$", "", hostile, flags=re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", without_code, re.MULTILINE)
    assert len(blocks) > 4
    for block in blocks:
        assert table(block)
    html = [token for token in shape(hostile) if token[0].startswith("html")]
    assert len(html) <= 3 * hostile.count("<details>")
    assert (
        "<script"
        not in re.sub(r"`{4,}bash.*?`{4,}", "", hostile, flags=re.DOTALL)
        .replace("\\<script", "")
        .split("\n---\n", 1)[1]
    )
    data = ModelCard(hostile, ignore_metadata_errors=False).data
    assert data.license == "other"
    assert data.eval_results[0].dataset_name == f"{one_line(HOSTILE).strip()} (synthetic sound)"
    ours = ModelCard(plain).data
    assert [r.metric_value for r in data.eval_results] == [
        r.metric_value for r in ours.eval_results
    ]
    shown = (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parseInline(escaped(HOSTILE))[0]
    )
    assert {child.type for child in shown.children} <= {"text", "text_special"}
    assert "".join(child.content for child in shown.children) == one_line(HOSTILE).rstrip()
    assert fenced("a\n````\nb").split("\n")[0] == "`" * 5


def test_licences_and_published_corpora_are_named_as_the_hub_names_them(finished_run):
    assert licence_id("CC-BY-NC-ND-4.0") == "cc-by-nc-nd-4.0"
    assert licence_id("CC BY 4.0") == "cc-by-4.0"
    assert licence_id("ODbL 1.0") == "odbl"
    assert licence_id("Apache-2.0") == "apache-2.0"
    assert licence_id("for research") == licence_id("") == "other"
    real = Corpus(
        Path("/nowhere"), "cryceleb", "CryCeleb2023", licence="CC-BY-NC-ND-4.0", citation="D. B."
    )
    card = made_again(finished_run, corpus=real)
    told = front(card)
    assert told["license"] == "cc-by-nc-nd-4.0"
    assert told["datasets"] == ["Ubenwa/CryCeleb2023"]
    assert "no freer" in section(card, "Data")
    assert "- **Citation:** D. B." in section(card, "Data")
    own = Corpus(Path("/nowhere"), "table", "Ward 3", licence="ours alone")
    told = front(made_again(finished_run, corpus=own))
    assert (told["license"], told["license_name"]) == ("other", "ours-alone")
    assert "datasets" not in told


# --- verification


def test_systems_threshold_conditions_and_calibration_are_those_of_the_run(verification):
    card, metrics = card_of(verification), metrics_of(verification)
    head = metrics["headline"]
    by_subject = head["weighting"] == "subject"
    systems = metrics[head["subset"]]
    rows = table(section(card, "Results"))
    labels = ("ours", "untrained network", "MFCC mean and deviation", "random")
    for row, (name, label) in zip(
        rows, zip(("ours", "untrained", "mfcc", "random"), labels, strict=True), strict=True
    ):
        assert row[0] == f"{label} (synthetic)"
        entry = systems[name]["by_subject"] if by_subject else systems[name]
        assert is_rate(row[1], entry, "eer")
        if name != "ours":
            paired = metrics["comparisons"][name][head["weighting"]]
            found = [float(x.replace("−", "-")) for x in re.findall(r"[+−]\d+\.\d", row[2])]  # noqa: RUF001
            wanted = [100 * paired["difference"], *(100 * edge for edge in paired["ci95"])]
            assert np.allclose(found, wanted, rtol=0, atol=0.0501)
    point = json_of(verification.latest("07_model_output", "operating_point.json"))
    told = section(card, "Threshold")
    assert f"**{point['threshold']:.4f}**" in told
    assert f"chose it on {point['chosen_on']}" in told
    rates = ("far", "frr", "accuracy", "balanced_accuracy")
    for row, name in zip(table(told), rates, strict=True):
        assert is_rate(row[1], point["dev"], name)
        assert is_rate(row[2], point["test"], name)
    assert f"If they rise by {point['drift']['scores']:.4f}" in told
    calibrated = section(card, "Calibration")
    for name in ("cllr", "min_cllr", "act_dcf", "min_dcf"):
        assert f"{systems['ours'][name]:.3f}" in calibrated
    for row, (name, rated) in zip(
        table(section(card, "Conditions")), metrics["subgroups"].items(), strict=True
    ):
        assert row[0] == f"{name.replace('_', ' ')} (synthetic)"
        assert row[1] == f"{rated['ours']['n_target']:,}"
        entry = rated["ours"]["by_subject"] if by_subject else rated["ours"]
        assert is_rate(row[3], entry, "eer") or "not rated" in row[3]


def test_rates_are_weighed_as_the_headline_is(finished_run):
    metrics = metrics_of(finished_run)
    metrics["headline"]["weighting"] = "subject"
    metrics["test"]["ours"]["by_subject"] |= {"eer": 0.123, "eer_ci95": [0.1, 0.2]}
    for rated in metrics["subgroups"].values():
        rated["ours"]["by_subject"] |= {"eer": 0.321, "eer_ci95": [0.3, 0.4]}
    card = made_again(finished_run, metrics=metrics)
    assert table(section(card, "Results"))[0][1] == "12.3% (10.0% to 20.0%)"
    rows = table(section(card, "Conditions"))
    assert [row[3] for row in rows] == ["32.1% (30.0% to 40.0%)"] * len(rows)
    assert "subjects weighed equally" in section(card, "Results")


def test_each_subgroup_is_rated_or_counted(verification):
    card, metrics = card_of(verification), metrics_of(verification)
    rows = [row for row in table(section(card, "Subgroups")) if not row[0].startswith("**")]
    entries = [
        (name, entry)
        for dimension, groups in metrics["breakdown"].items()
        if dimension != "skipped"
        for name, entry in groups.items()
    ]
    assert len(rows) == len(entries) > 0
    for row, (name, entry) in zip(rows, entries, strict=True):
        assert row[:2] == [f"{name} (synthetic)", f"{entry['n_target_subjects']:,}"]
        if entry["eer"] is None:
            assert f"not rated, {entry['why']}" in row[2]
            assert row[3] == f"{entry['n_false_accepts']:,} of {entry['n_nontarget']:,}"
            assert "%" not in "".join(row)
        else:
            for cell, key in zip(row[2:], ("eer", "far", "frr"), strict=True):
                assert is_rate(cell, entry, key)


def test_a_similarity_is_not_an_identity_and_errors_grow_with_the_gallery(verification):
    card = card_of(verification)
    point = json_of(verification.latest("07_model_output", "operating_point.json"))
    curve = pd.read_csv(verification.latest("08_reporting", "gallery_curve.csv"))
    limits = section(card, "Limits")
    assert "**A similarity is not an identity.**" in limits
    assert f"About {point['test']['far']:.1%} of the pairs of different individuals" in limits
    searched = section(card, "Searching a gallery")
    if curve.empty:
        assert "Not measured" in searched
        return
    for row, (_, wanted) in zip(table(searched), curve.iterrows(), strict=True):
        assert row[0] == f"{wanted['gallery_size']:,.0f} (synthetic)"
        for cell, key in zip(row[1:], ("fpir", "fnir", "rank1"), strict=True):
            entry = {"x": wanted[key], "x_ci95": [wanted[f"{key}_low"], wanted[f"{key}_high"]]}
            assert is_rate(cell, entry, "x")
    assert f"{curve['fpir'].iloc[-1]:.1%} of strangers find someone" in limits


def test_encoders_that_heard_other_recordings_or_those_of_test_say_so(finished_run):
    encoder = load_encoder(finished_run.results("06_models") / "encoder.safetensors")
    assert "was not trained on the train recordings" not in card_of(finished_run)
    encoder.training["heard"] = []
    told = made_again(finished_run, encoder=encoder)
    assert "was not trained on the train recordings" in told
    manifest = pd.read_parquet(finished_run.results("02_intermediate") / "manifest.parquet")
    encoder.training["heard"] = list(manifest["sha256"].str[:16])
    assert "> **Not unseen.** This encoder has heard" in made_again(finished_run, encoder=encoder)


def test_scores_without_calibration_and_rates_that_nobody_knows_are_told_in_words(finished_run):
    point = json_of(finished_run.latest("07_model_output", "operating_point.json"))
    point["calibration"] = {"ours": {"why_not": "too few subjects on dev"}}
    point["drift"] = None
    for name in ("far", "frr", "accuracy", "balanced_accuracy"):
        point["test"] |= {name: None, f"{name}_ci95": None}
    metrics = metrics_of(finished_run)
    metrics["test"]["ours"] |= {"cllr": None, "min_cllr": None, "act_dcf": None}
    card = made_again(finished_run, operating_point=point, metrics=metrics, gallery_curve=None)
    assert "not calibrated: too few subjects on dev" in section(card, "Calibration")
    assert "no probability" in section(card, "How to use it")
    assert [row[2] for row in table(section(card, "Threshold"))] == ["n/a"] * 4
    assert f"About {point['dev']['far']:.1%} of the pairs" in section(card, "Limits")
    assert "cllr" not in front(card)["metrics"]
    assert "could not be measured" in section(card, "Threshold")


# --- classification


def test_systems_classes_and_conditions_are_those_of_the_run(classification):
    card, metrics = card_of(classification), metrics_of(classification)
    head = metrics["headline"]
    key = head["rate"]
    rows = {row[0]: row for row in table(section(card, "Results"))}
    assert is_rate(next(iter(rows.values()))[1], metrics["test"]["ours"], key)
    assert is_rate(
        rows["most frequent class (synthetic)"][1], metrics["test"]["most_frequent"], key
    )
    assert is_rate(rows["MFCC + logistic regression (synthetic)"][1], metrics["test"]["mfcc"], key)
    found = metrics["test"]["ours"]["per_class"]
    rows = table(section(card, "By class"))
    assert [row[0].removesuffix(" (synthetic)") for row in rows] == list(found)
    for row, entry in zip(rows, found.values(), strict=True):
        assert row[1] == f"{entry['n']:,}"
        for cell, name in zip(row[2:], ("precision", "recall", "f1"), strict=True):
            assert is_rate(cell, entry, name) or (entry[name] is None and cell == "n/a")
    for row, rated in zip(
        table(section(card, "Conditions")), metrics["subgroups"].values(), strict=True
    ):
        assert is_rate(row[3], rated["ours"], key)
        assert row[1] == f"{rated['ours']['n']:,}"
    if metrics["leak"]:
        leak = 100 * metrics["leak"]["ours"]["difference"]
        assert f"{leak:+.1f}".replace("-", "−") in section(card, "Conditions")  # noqa: RUF001
    if "calibration" in metrics:
        ece = metrics["calibration"]["ours"]["ece"]
        assert f"(ECE) {ece:.1%}" in card
    else:
        assert "Not measured" in section(card, "Calibration")


def test_subsets_are_counted_with_their_minutes(classification):
    examples = pd.read_parquet(classification.results("03_primary") / "examples.parquet")
    train = examples[examples["subset"] == "train"]
    rows = table(section(card_of(classification), "Data"))
    whole = next(row for row in rows if row[:2] == ["train (synthetic)", "all"])
    minutes = (train["end_s"] - train["start_s"]).sum() / 60
    assert whole[2:] == [
        f"{train['session_id'].nunique():,}", f"{train['recording_id'].nunique():,}",
        f"{len(train):,}", f"{minutes:.1f}",
    ]  # fmt: skip


def test_breath_has_both_definitions_its_subgroups_and_is_no_medical_device(finished_respiratory):
    card, metrics = card_of(finished_respiratory), metrics_of(finished_respiratory)
    head = metrics["headline"]
    very, any_class = table(section(card, "Sensitivity and specificity"))
    for cell, name in zip(very[1:], ("se", "sp", "score"), strict=True):
        assert is_rate(cell, head, name)
    for cell, name in zip(any_class[1:], ("se_any", "sp", "score_any"), strict=True):
        assert is_rate(cell, head, name)
    rows = [row for row in table(section(card, "Subgroups")) if not row[0].startswith("**")]
    entries = [
        (value, entry) for part in metrics["groups"].values() for value, entry in part.items()
    ]
    for row, (value, entry) in zip(rows, entries, strict=True):
        assert row[:3] == [f"{value} (synthetic)", f"{entry['n_groups']:,}", f"{entry['n']:,}"]
        for cell, name in zip(row[3:], ("score", "se", "sp"), strict=True):
            assert is_rate(cell, entry["ours"], name) or cell == "not rated"
    assert "no medical device" in section(card, "Out of scope")
    assert "no medical device" in section(card, "Limits")


def test_cries_and_screams_have_their_false_alarms_an_hour(finished_screams):
    card, metrics = card_of(finished_screams), metrics_of(finished_screams)
    alarms = metrics["false_alarms"]["ours"]
    low, high = alarms["per_hour_ci95"]
    told = section(card, "False alarms")
    assert f"**{alarms['per_hour']:.1f} an hour**" in told
    assert f"{low:.1f} to {high:.1f}" in told
    assert f"About {alarms['per_hour']:.1f} false alarms an hour" in section(card, "Limits")
    silent = made_again(finished_screams, metrics={**metrics, "false_alarms": {}})
    assert "Not measured" in section(silent, "False alarms")


# --- which pipelines describe a model


def test_pipelines_of_one_model_have_a_card_and_those_of_several_have_none():
    from bodysounds.pipeline_registry import register_pipelines

    found = {
        name
        for name, pipeline in register_pipelines().items()
        if any(output.endswith(".model_card") for output in pipeline.all_outputs())
    }
    assert found == {"__default__", *RUNS, *(f"{task}_evaluate" for task in RUNS)}
