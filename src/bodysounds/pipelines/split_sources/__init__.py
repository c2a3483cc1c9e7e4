"""Windows of one length, and which sources train, choose and test."""

from bodysounds.pipelines.split_sources.pipeline import create_pipeline as create_pipeline
