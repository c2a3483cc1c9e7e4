"""One member of an ensemble: its classifier, and what it says of what it has not heard."""

from bodysounds.pipelines.member.pipeline import MEMBERS as MEMBERS
from bodysounds.pipelines.member.pipeline import create_pipeline as create_pipeline
