"""A class for each clip, by the classifier and by what it must beat."""

from bodysounds.pipelines.predict.pipeline import create_pipeline as create_pipeline
