"""From recordings to packed waveforms and descriptors."""

from bodysounds.pipelines.featurize.pipeline import create_pipeline as create_pipeline
