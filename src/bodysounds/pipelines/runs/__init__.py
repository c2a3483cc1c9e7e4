"""Runs of several methods: over folds of patients, or over seeds."""

from bodysounds.pipelines.runs.pipeline import create_fold as create_fold
from bodysounds.pipelines.runs.pipeline import create_gathering as create_gathering
from bodysounds.pipelines.runs.pipeline import create_pool as create_pool
from bodysounds.pipelines.runs.pipeline import create_seed as create_seed
