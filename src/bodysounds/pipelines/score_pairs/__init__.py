"""An embedding a side, a score a trial, for every system of the table."""

from bodysounds.pipelines.score_pairs.pipeline import create_pipeline as create_pipeline
