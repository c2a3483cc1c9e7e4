"""One recipe of `train_embedding`, and the table that sets several side by side."""

from bodysounds.pipelines.recipe.pipeline import create_gathering as create_gathering
from bodysounds.pipelines.recipe.pipeline import create_pipeline as create_pipeline
