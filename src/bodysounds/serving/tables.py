"""The tables of the results, for any database that SQLAlchemy knows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()


def _stream() -> Column[str]:
    return Column("stream_id", String(100), ForeignKey("streams.stream_id"), primary_key=True)


streams = Table(
    "streams",
    metadata,
    Column("stream_id", String(100), primary_key=True),
    Column("run", String(64), nullable=False),  # the workflow's first run
    Column("spec", JSON, nullable=False),
    Column("sample_rate", Integer, nullable=False),  # of the timeline, Hz
    Column("labels", JSON, nullable=False),
    Column("events", JSON, nullable=False),  # the rules that make them
    Column("model", String(200), nullable=False),
    Column("opened_at", Float, nullable=False),  # unix seconds, as every _at
    Column("closed_at", Float),
    Column("totals", JSON),
)

chunks = Table(
    "chunks",
    metadata,
    _stream(),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),
    Column("start_s", Float, nullable=False),  # where it stands, or would have stood
    Column("duration_s", Float, nullable=False),  # 0 where it was refused
    Column("reason", Text),  # why it was refused
)

windows = Table(
    "windows",
    metadata,
    _stream(),
    Column("window", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),
    Column("label", String(100)),
    Column("confidence", Float),  # the label's mean probability
    Column("abstained", Boolean),  # no class is probable enough
    Column("probabilities", JSON),  # {label: mean over the clips that are not silent}
    Column("frames", JSON),  # a row a clip: start_s, end_s, unsure, a probability a label
    Column("reason", Text),  # why it has no label: unreadable, silent, clipped, given up
    Column("model", String(200), nullable=False),
    Column("ready_at", Float, nullable=False),
    Column("stored_at", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    _stream(),
    Column("onset_sample", Integer, primary_key=True, autoincrement=False),
    Column("label", String(100), primary_key=True),
    Column("onset_s", Float, nullable=False),
    Column("offset_s", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("stored_at", Float, nullable=False),
)
