"""From a folder of recordings to tables."""

from bodysounds.pipelines.ingest.pipeline import create_pipeline as create_pipeline
