"""The pairs that are most wrongly judged, with their recordings: what to listen to first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.reporting.side_facts import side_facts
from bodysounds.reporting.trial_table import trial_table
from bodysounds.types import Metrics, Table

MOST_PATHS = 4
COLUMNS = (
    "kind", "trial_id", "score", "margin",
    "enrol_subject", "test_subject", "enrol_s", "test_s", "enrol_domain", "test_domain",
    "enrol_session", "test_session", "enrol_recordings", "test_recordings",
)  # fmt: skip


def worst_errors(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    segments: Table,
    metrics: Metrics,
    operating_point: Metrics,
    n: int,
) -> Table:
    """Return the worst errors among the headline's pairs, at most `n` of each kind.

    A row an error: kind (`false_accept`: different subjects at or above the threshold,
    `false_reject`: one subject below it), trial_id, score, margin (how far beyond the threshold it
    lies, at least 0), and of each side its subject, duration (`_s`, seconds), domain, session and
    paths of recordings. False accepts stand first, each kind by falling margin, ties by trial_id.
    """
    head, system = metrics["headline"], str(operating_point["system"])
    joined = trial_table(scores, trials, sides, manifest, str(operating_point["score"]))
    chosen = joined.select(str(head["subset"]), str(head["condition"]))
    margin = chosen.scores[system] - float(operating_point["threshold"])
    wrong = np.where(chosen.labels, margin < 0, margin >= 0)
    table = pd.DataFrame(
        {
            "kind": np.where(chosen.labels, "false_reject", "false_accept"),
            "trial_id": joined.table["trial_id"].to_numpy(object)[chosen.rows],
            "score": chosen.scores[system],
            "margin": np.abs(margin),
            "enrol_subject": chosen.enrol,
            "test_subject": chosen.test,
            "enrol_id": chosen.enrol_id,
            "test_id": chosen.test_id,
        }
    )[wrong]
    table = table.sort_values(["kind", "margin", "trial_id"], ascending=[True, False, True])
    table = table.groupby("kind", sort=False).head(n).reset_index(drop=True)
    facts = side_facts(sides, manifest, segments)
    for side in ("enrol", "test"):
        own = facts.reindex(table[f"{side}_id"])
        for name, column in (("s", "duration_s"), ("domain", "domain"), ("session", "session_id")):
            table[f"{side}_{name}"] = own[column].to_numpy()
        table[f"{side}_recordings"] = [_paths(paths) for paths in own["recordings"]]
    return table[list(COLUMNS)]


def _paths(paths: list[str]) -> str:
    shown = " | ".join(map(str, paths[:MOST_PATHS]))
    more = len(paths) - MOST_PATHS
    return f"{shown} | and {more} more" if more > 0 else shown
