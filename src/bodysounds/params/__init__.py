"""The parameters of every stage: one frozen dataclass each, checked when it is built."""

from bodysounds.params.bundle import BundleParams as BundleParams
from bodysounds.params.ensemble import EnsembleParams as EnsembleParams
from bodysounds.params.featurize import FeaturizeParams as FeaturizeParams
from bodysounds.params.ingest import IngestParams as IngestParams
from bodysounds.params.plain import plain as plain
from bodysounds.params.predict import PredictParams as PredictParams
from bodysounds.params.report import ReportParams as ReportParams
from bodysounds.params.report_classes import ReportClassesParams as ReportClassesParams
from bodysounds.params.runs import RunsParams as RunsParams
from bodysounds.params.score_pairs import ScorePairsParams as ScorePairsParams
from bodysounds.params.split import SplitParams as SplitParams
from bodysounds.params.split_closed import SplitClosedParams as SplitClosedParams
from bodysounds.params.split_patients import SplitPatientsParams as SplitPatientsParams
from bodysounds.params.split_sources import SplitSourcesParams as SplitSourcesParams
from bodysounds.params.tasks import TasksParams as TasksParams
from bodysounds.params.threshold import ThresholdParams as ThresholdParams
from bodysounds.params.train_classifier import TrainClassifierParams as TrainClassifierParams
from bodysounds.params.train_embedding import TrainEmbeddingParams as TrainEmbeddingParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams as TrainRespiratoryParams
from bodysounds.params.train_wav2vec2 import TrainWav2vec2Params as TrainWav2vec2Params
from bodysounds.params.train_yamnet import TrainYamnetParams as TrainYamnetParams
