"""The verifier as one folder to take away."""

from bodysounds.pipelines.bundle.pipeline import create_pipeline as create_pipeline
