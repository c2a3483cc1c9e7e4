"""A network that names what is heard in a breath cycle."""

from bodysounds.pipelines.train_respiratory.pipeline import create_pipeline as create_pipeline
