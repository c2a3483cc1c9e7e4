"""The worker's own figures, beside Temporal's at the same endpoint."""

from __future__ import annotations

from temporalio.common import MetricMeter

SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0]
SIZES = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]
BUCKETS = {"bodysounds_ready_to_stored_seconds": SECONDS, "bodysounds_batch_clips": SIZES}


class Meters:
    """Counters and histograms; without an endpoint they cost nothing."""

    def __init__(self, meter: MetricMeter) -> None:
        self.windows = meter.create_counter("bodysounds_windows", "Windows stored")
        self.unheard = meter.create_counter("bodysounds_unheard", "Windows without an answer")
        self.rejected = meter.create_counter("bodysounds_rejected", "Chunks refused")
        self.events = meter.create_counter("bodysounds_events", "Events stored")
        self.latency = meter.create_histogram_float(
            "bodysounds_ready_to_stored_seconds", "From a window's last sample to its row"
        )
        self.batch = meter.create_histogram(
            "bodysounds_batch_clips", "Clips in a call of the model"
        )
