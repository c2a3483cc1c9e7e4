"""Which patients train, choose and test."""

from bodysounds.pipelines.split_patients.pipeline import create_pipeline as create_pipeline
