"""Several members as one: the rule that combines them, what it says, and the bundle."""

from bodysounds.pipelines.ensemble.pipeline import create_evaluation as create_evaluation
from bodysounds.pipelines.ensemble.pipeline import create_pipeline as create_pipeline
