"""The parameters of every stage: one frozen dataclass each, checked when it is built."""

from bodysounds.params.featurize import FeaturizeParams as FeaturizeParams
from bodysounds.params.ingest import IngestParams as IngestParams
from bodysounds.params.plain import plain as plain
from bodysounds.params.report import ReportParams as ReportParams
from bodysounds.params.score_pairs import ScorePairsParams as ScorePairsParams
from bodysounds.params.split import SplitParams as SplitParams
from bodysounds.params.threshold import ThresholdParams as ThresholdParams
from bodysounds.params.train_embedding import TrainEmbeddingParams as TrainEmbeddingParams
