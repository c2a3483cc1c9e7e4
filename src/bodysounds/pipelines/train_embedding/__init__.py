"""An encoder that brings the sounds of one subject together."""

from bodysounds.pipelines.train_embedding.pipeline import create_pipeline as create_pipeline
