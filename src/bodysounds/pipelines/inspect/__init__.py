"""The recordings and pairs of a corpus looked at, and where the decisions fail."""

from bodysounds.pipelines.inspect.pipeline import create_pipeline as create_pipeline
