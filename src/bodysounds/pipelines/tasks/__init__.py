"""Other questions asked of the embeddings of a classifier, and what it is like to listen."""

from bodysounds.pipelines.tasks.pipeline import create_gallery as create_gallery
from bodysounds.pipelines.tasks.pipeline import create_pipeline as create_pipeline
