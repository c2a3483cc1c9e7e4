"""The operating point, chosen on dev and applied to test."""

from bodysounds.pipelines.threshold.pipeline import create_calibration as create_calibration
from bodysounds.pipelines.threshold.pipeline import create_choice as create_choice
from bodysounds.pipelines.threshold.pipeline import create_pipeline as create_pipeline
