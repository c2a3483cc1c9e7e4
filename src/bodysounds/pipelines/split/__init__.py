"""Who is in train, dev and test, and which pairs are compared."""

from bodysounds.pipelines.split.pipeline import create_pipeline as create_pipeline
