"""One fold of a cross-validation, and the pool of all of them."""

from bodysounds.pipelines.fold.pipeline import create_pipeline as create_pipeline
from bodysounds.pipelines.fold.pipeline import create_pool as create_pool
