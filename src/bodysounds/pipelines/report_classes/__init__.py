"""Metrics, figures, confusions and one page."""

from bodysounds.pipelines.report_classes.pipeline import create_details as create_details
from bodysounds.pipelines.report_classes.pipeline import create_pipeline as create_pipeline
