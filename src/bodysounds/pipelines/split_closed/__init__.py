"""Which clips of the same speakers train, choose and test."""

from bodysounds.pipelines.split_closed.pipeline import create_pipeline as create_pipeline
