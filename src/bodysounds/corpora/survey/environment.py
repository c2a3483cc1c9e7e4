"""The three files of an environment, with comments that teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bodysounds.corpora.survey.write import MARK, yaml_text

MANY_PAIRS = 500_000
TWO_PATCHES_S = 1.935


def globals_text(name: str, folder: Path) -> str:
    """Return globals.yml: the corpus's name, below which its results lie."""
    return (
        f"{MARK} for the folder {folder.name}: edit it as you like\n"
        "# results lie below data/<layer>/<corpus>/<task>/, so no corpus overwrites another\n"
        f"corpus: {name}\n"
        "data: data\n"
    )


def catalog_text(
    name: str, folder: Path, options: Mapping[str, str], classes: Sequence[str] = ()
) -> str:
    """Return catalog.yml: where the recordings are, and which column means what."""
    if classes:
        reader = "manifest"
        about = (
            "  # the classes that data_manifest.csv may name; split_sources.classes is the same\n"
        )
        listed = ", ".join(map(yaml_text, classes))
        told = f"{about}  options: {{ labels: [{listed}] }}\n"
    else:
        reader = "table"
        lines = "".join(f"    {role}: {yaml_text(column)}\n" for role, column in options.items())
        told = (
            "  # columns of metadata.csv; all but subject may be absent\n"
            f"  options:\n{lines}"
            "    # a list of pairs, in any format that is known: --params trials=/path/to/list\n"
            "    trials: ${runtime_params:trials, null}\n"
        )
    return (
        f"{MARK}\n"
        f"_folder: {yaml_text(str(folder))}\n\n"
        "# where every task reads the recordings; everything else stands in conf/base/catalog.yml\n"
        '"{task}.raw":\n'
        "  type: bodysounds.datasets.corpora.FolderCorpus\n"
        "  # the folder may move: --params raw=/new/place\n"
        "  filepath: ${runtime_params:raw, ${_folder}}\n"
        f"  reader: {reader}\n"
        "  # as the report calls the corpus\n"
        f"  name: {yaml_text(name)}\n"
        f"{told}"
        "  # who may use it, and how to cite it: both stand in the report and in the model card\n"
        '  licence: ""\n'
        '  citation: ""\n'
        "  # true where nobody made these sounds: every result then says so\n"
        "  synthetic: ${runtime_params:synthetic, false}\n"
        "  metadata: { kedro-viz: { layer: 1_raw, preview: false } }\n"
    )


def subjects_text(
    split: Mapping[str, Any], defaults: Mapping[str, Any], ingest: Mapping[str, Any], many: bool
) -> str:
    """Return parameters.yml of a folder of subjects: for verification and identification.

    `split` is what the survey found to work, `ingest` what differs from base, `many` whether pairs
    must be bounded.
    """
    changed = {name: value for name, value in split.items() if value != defaults[name]}
    dealt = "".join(f"    {name}: {value}\n" for name, value in changed.items())
    dealt = dealt and f"    # so that dev and test have subjects of two recordings\n{dealt}"
    bounded = f"    # of all pairs of test\n    max_trials: {MANY_PAIRS}\n" if many else ""
    return f"""{MARK}
# What differs from conf/base/parameters_<task>.yml, which has every parameter with its default.
_recipes:
  # a small network from scratch; --params recipe=<name> chooses another
  ours: {{}}
  # sessions have any name here: every recording trains
  aam_baseline: {{ train_session: null, validate_session: null }}
  triplet_2023: {{}}
  large_margin: {{}}
  zalo_2020: {{}}

_speaker_recipes:
  ours:
    # voices come from microphones and rooms of every kind: training imitates more of them
    augment:
      - {{ name: tilt, p: 0.8 }}
      - {{ name: noise, p: 1.0, snr_db: [5, 30] }}
      - {{ name: spec_augment, p: 0.5 }}
  aam_baseline: {{}}
  triplet_2023: {{}}
  large_margin: {{}}
  zalo_2020: {{}}

# of infants: every two recordings of dev, and of test, are compared
cry_verification:
{_ingest(ingest)}  train_embedding: ${{_recipes.${{runtime_params:recipe, ours}}}}
  recipes: ${{_recipes}}
  split:
    # CryCeleb has periods B and D; here every session enrols and is tested
    enrol_session: null
    test_session: null
{dealt}{bounded}
# of speakers
speaker_verification:
{_ingest(ingest)}  train_embedding: ${{_speaker_recipes.${{runtime_params:recipe, ours}}}}
  recipes: ${{_speaker_recipes}}
  split:
    dev_share: {split["dev_share"]}
    test_share: {split["test_share"]}
    seed: {split["seed"]}

# who of the people it was taught is it? whole sessions are held out where they are known
speaker_identification:
{_ingest(ingest) or "  ingest: {}" + chr(10)}"""


def classes_text(classes: Sequence[str], window: float, ingest: Mapping[str, Any]) -> str:
    """Return parameters.yml of a folder of classes."""
    listed = ", ".join(map(yaml_text, classes))
    return f"""{MARK}
# What differs from conf/base/parameters_cry_scream_ensemble.yml, which has every parameter.
cry_scream_ensemble:
{_ingest(ingest)}  split_sources:
    # as the reader's labels in catalog.yml
    classes: [{listed}]
    # one window of one length a recording, so that length tells no class; what is shorter is
    # repeated
    window_s: {window:g}
    hop_s: {window:g}
    at_most: 1
    choose: loudest
    short: repeat
  # what training hears of a window: a patch of YAMNet, or two where they fit, and all of it
  train_yamnet:
    crop_s: {1.935 if window >= TWO_PATCHES_S else 0.975}
  train_wav2vec2:
    crop_s: null
"""


def _ingest(changed: Mapping[str, Any]) -> str:
    if not changed:
        return ""
    lines = []
    if "duplicates" in changed:
        lines += ["    # some files are copies of others: one of each is kept"]
        lines += [f"    duplicates: {changed['duplicates']}"]
    if "max_rejected_share" in changed:
        lines += [
            "    # so many files are broken, silent or too short: they are listed in `rejected`"
        ]
        lines += [f"    max_rejected_share: {changed['max_rejected_share']:g}"]
    return "  ingest:\n" + "\n".join(lines) + "\n"
