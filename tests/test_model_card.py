"""The model card: made from the run alone, every number found in its metrics, safe to publish."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun
from huggingface_hub import ModelCard
from made_card import (
    READERS,
    RUNS,
    VERIFICATIONS,
    card_of,
    front,
    is_rate,
    json_of,
    made_again,
    metrics_of,
    section,
    shares,
    table,
)
from markdown_it import MarkdownIt

from bodysounds.corpora.base import Corpus
from bodysounds.reporting.model_card_front import licence_id
from bodysounds.reporting.model_card_markdown import escaped, fenced, one_line

HOSTILE = (
    "A|B: \"c\" 'd'\n---\nlicense: mit\n| x | y |\n# E ```f``` <script>g</script> &lt; "
    "[h](http://i) *j* _k_ $l$ ~~m~~ \\| \u2028n\x00\x1b é: - {{ o }} `"
)


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


# --- all tasks


def test_the_hub_accepts_the_front_matter_whose_numbers_are_those_of_the_run(run):
    card, metrics = card_of(run), metrics_of(run)
    head = metrics["headline"]
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert data.to_dict() == ModelCard(card).data.to_dict()
    assert front(card)["library_name"] == data.to_dict()["library_name"] == "bodysounds"
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


# --- which pipelines describe a model


def test_pipelines_of_one_model_have_a_card_and_those_of_several_have_none():
    from bodysounds.pipeline_registry import register_pipelines

    found = {
        name
        for name, pipeline in register_pipelines().items()
        if any(output.endswith(".model_card") for output in pipeline.all_outputs())
    }
    assert found == {"__default__", *RUNS, *(f"{task}_evaluate" for task in RUNS)}
