"""Metrics, figures, submission and one page."""

from bodysounds.pipelines.report.pipeline import create_pipeline as create_pipeline
