"""Nodes of `tasks`."""

from __future__ import annotations

from bodysounds.params.tasks import TasksParams
from bodysounds.types import Array, Classifier, Corpus, Figure, Metrics, Packed, Table


def embed(
    classifier: Classifier, waveforms: Packed, examples: Table, params: TasksParams
) -> dict[str, Array]:
    """Return the embedding of every cycle, a row an example, in their order."""
    from bodysounds.models.class_embeddings import embeddings_of

    names = examples["segment_id"].tolist()
    return {"embeddings": embeddings_of(classifier, waveforms, names, params.device)}


def probe(
    embeddings: dict[str, Array], waveforms: Packed, examples: Table, params: TasksParams
) -> tuple[Table, Metrics]:
    """Return what is told from the embeddings, beside log-mel statistics, and how it was fitted."""
    from bodysounds.scoring.downstream import task_predictions
    from bodysounds.scoring.log_mel_baseline import log_mel_statistics

    statistics = log_mel_statistics(waveforms, examples["segment_id"].tolist())
    features = {"ours": embeddings["embeddings"], "log_mel": statistics}
    return task_predictions(features, examples, params)


def draw_map(
    embeddings: dict[str, Array], examples: Table, raw: Corpus, params: TasksParams
) -> Figure:
    """Return a map of the cycles that training did not hear, by class and by device."""
    from bodysounds.figures.embedding_map import embedding_map_figure

    tested = (examples["subset"] == "test").to_numpy()
    return embedding_map_figure(
        embeddings["embeddings"][tested],
        examples[tested],
        synthetic=raw.synthetic,
        seed=params.seed,
    )


def draw_gallery(
    predictions: Table, metrics: Metrics, waveforms: Packed, examples: Table, raw: Corpus
) -> Figure:
    """Return spectrograms of cycles that ours named right, and of some that it named wrong."""
    from bodysounds.figures.breath_gallery import breath_gallery_figure
    from bodysounds.reporting.class_details import headline_rows

    rows = headline_rows(predictions, metrics)
    return breath_gallery_figure(rows, waveforms, examples, synthetic=raw.synthetic)
