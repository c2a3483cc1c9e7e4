"""A network that names the classes it knows."""

from bodysounds.pipelines.train_classifier.pipeline import create_pipeline as create_pipeline
