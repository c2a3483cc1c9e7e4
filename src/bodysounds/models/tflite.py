"""The constants of a TensorFlow Lite file, operation by operation, without TensorFlow."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bodysounds.types import Array, Floats

CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, FULLY_CONNECTED = 3, 4, 6, 9
"""Numbers of operations, as TensorFlow Lite's schema.fbs gives them."""
IDENTIFIER = b"TFL3"
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 7: "<i2", 9: "i1"}
"""Number types of tensors; the others hold no weights."""
# far above what any network needs; they bound the time that a damaged file can take
LARGEST_BYTES, MOST_TABLES, MOST_INPUTS = 256 << 20, 20_000, 64


@dataclass(frozen=True)
class Constant:
    """A tensor stored in the file, quantised or not."""

    values: Array
    """As stored, of any of `DTYPES`, in the tensor's shape."""
    scales: Floats
    """What a step of the stored integers is worth: none, one, or one for each index of `axis`."""
    zero_points: Array
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def floats(self) -> Floats:
        """Return float32 values: scale * (stored - zero point), or what is stored if unscaled."""
        if not len(self.scales):
            return np.array(self.values, np.float32)
        along = [1] * self.values.ndim
        if len(self.scales) > 1:
            along[self.axis] = -1
        zeros = self.zero_points.reshape(along) if len(self.zero_points) else np.int64(0)
        # scales that are not finite are for the caller to find, in what comes out
        with np.errstate(all="ignore"):
            steps = self.values.astype(np.int64) - zeros
            return np.asarray(steps * self.scales.reshape(along), np.float32)


@dataclass(frozen=True)
class Operation:
    """One operation of the graph."""

    kind: int
    """Its number in schema.fbs, such as `CONV_2D`."""
    constants: tuple[Constant, ...]
    """Those of its inputs that are stored in the file, dequantised on the way or not, in order."""


def read_tflite(path: str | Path) -> list[Operation]:
    """Return the operations of a .tflite file's first graph, in their order, with their constants.

    Nothing is executed, and what the file says of its own sizes is not believed. Raises ValueError
    that names the file where it is none, is cut short or contradicts itself.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path} is no file: give a TensorFlow Lite file (.tflite)")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{path} is larger than {LARGEST_BYTES >> 20} MiB: it is not read")
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ValueError(f"{path} is no TensorFlow Lite file: it does not begin as one does")
    try:
        return _operations(_Tables(data))
    except _DamagedError as error:
        raise ValueError(
            f"{path} is cut short or damaged ({error}): fetch the TensorFlow Lite file again"
        ) from error


class _DamagedError(Exception):
    """The file contradicts itself."""


@dataclass(frozen=True)
class _Tables:
    """Access to a flatbuffer that never reads outside of it."""

    data: bytes

    def number(self, at: int, form: str) -> int:
        if not 0 <= at <= len(self.data) - struct.calcsize(form):
            raise _DamagedError(f"something lies at byte {at} of {len(self.data)}")
        return int(struct.unpack_from(form, self.data, at)[0])

    def follow(self, at: int) -> int:
        return at + self.number(at, "<I")

    def field(self, table: int, index: int) -> int | None:
        """Return where the field of a table lies, None where the table leaves it out."""
        layout = table - self.number(table, "<i")
        slot = 4 + 2 * index
        if slot + 2 > self.number(layout, "<H"):
            return None
        offset = self.number(layout + slot, "<H")
        return table + offset if offset else None

    def value(self, table: int, index: int, form: str) -> int:
        at = self.field(table, index)
        return 0 if at is None else self.number(at, form)

    def vector(self, table: int, index: int, dtype: str, most: int = LARGEST_BYTES) -> Array:
        at = self.field(table, index)
        if at is None:
            return np.empty(0, dtype)
        start = self.follow(at)
        count, size = self.number(start, "<I"), np.dtype(dtype).itemsize
        if count > most or start + 4 + count * size > len(self.data):
            raise _DamagedError(f"a list of {count} at byte {start} of {len(self.data)}")
        return np.frombuffer(self.data, dtype, count, start + 4)

    def table(self, table: int, index: int) -> int | None:
        at = self.field(table, index)
        return None if at is None else self.follow(at)

    def tables(self, table: int, index: int) -> list[int]:
        offsets = self.vector(table, index, "<u4", MOST_TABLES)
        if not len(offsets):
            return []
        at = self.field(table, index)
        assert at is not None
        first = self.follow(at) + 4
        return [first + 4 * k + int(offset) for k, offset in enumerate(offsets)]


def _operations(tables: _Tables) -> list[Operation]:
    model = tables.follow(0)
    # the number of an operation is in the first field up to 127, in the fourth beyond
    kinds = [
        max(tables.value(code, 0, "<b"), tables.value(code, 3, "<i"))
        for code in tables.tables(model, 1)
    ]
    graphs = tables.tables(model, 2)
    if not graphs:
        raise _DamagedError("it has no graph")
    buffers = tables.tables(model, 4)
    found = [_constant(tables, tensor, buffers) for tensor in tables.tables(graphs[0], 0)]
    operations = []
    for operator in tables.tables(graphs[0], 3):
        code = tables.value(operator, 0, "<I")
        if code >= len(kinds):
            raise _DamagedError(f"an operation is of kind {code} of {len(kinds)}")
        inputs = [
            _tensor(found, n) for n in tables.vector(operator, 1, "<i4", MOST_INPUTS) if n >= 0
        ]
        if kinds[code] == DEQUANTIZE:
            # what it makes of a constant is one to those that read it
            for n in tables.vector(operator, 2, "<i4", MOST_INPUTS):
                _tensor(found, n)
                found[n] = inputs[0] if inputs else None
        constants = tuple(constant for constant in inputs if constant is not None)
        operations.append(Operation(kinds[code], constants))
    return operations


def _tensor(found: list[Constant | None], number: int) -> Constant | None:
    if not 0 <= number < len(found):
        raise _DamagedError(f"an operation names tensor {number} of {len(found)}")
    return found[number]


def _constant(tables: _Tables, tensor: int, buffers: list[int]) -> Constant | None:
    """Return the constant that a tensor is, None where it is computed or no number."""
    number, kind = tables.value(tensor, 2, "<I"), tables.value(tensor, 1, "<b")
    if number >= len(buffers):
        raise _DamagedError(f"a tensor lies in buffer {number} of {len(buffers)}")
    stored = tables.vector(buffers[number], 0, "u1")
    if not len(stored) or kind not in DTYPES:
        return None
    shape = tuple(int(size) for size in tables.vector(tensor, 0, "<i4", MOST_INPUTS))
    dtype = np.dtype(DTYPES[kind])
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(stored):
        raise _DamagedError(f"a tensor of shape {shape} has {len(stored)} bytes")
    values = stored.view(dtype).reshape(shape)
    scales, zeros, axis = np.empty(0, "<f4"), np.empty(0, "<i8"), 0
    quantised = tables.table(tensor, 4)
    if quantised is not None:
        scales = tables.vector(quantised, 2, "<f4", MOST_TABLES)
        zeros = tables.vector(quantised, 3, "<i8", MOST_TABLES)
        axis = tables.value(quantised, 6, "<i")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise _DamagedError(f"a tensor of shape {shape} has {len(scales)} scales")
    if len(scales) and len(zeros) not in (0, 1, len(scales)):
        raise _DamagedError(f"a tensor has {len(scales)} scales and {len(zeros)} zero points")
    return Constant(values, scales, zeros, axis)
