"""Reading TensorFlow Lite files without TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_files import KINDS, Writer, yamnet_file

from bodysounds.models.tflite import Constant, read_tflite
from bodysounds.types import Array

RNG = np.random.default_rng(0)
STORED = RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8)


def read_one(tmp_path: Path, values: Array, *quantised: object) -> Constant:
    writer = Writer()
    given = writer.tensor((1, 4))
    writer.operation(KINDS.FULLY_CONNECTED, [given, writer.constant(values, *quantised)], (1, 3))  # type: ignore[arg-type]
    (operation,) = read_tflite(writer.write(tmp_path / "one.tflite"))
    assert operation.kind == KINDS.FULLY_CONNECTED
    (constant,) = operation.constants
    return constant


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_unscaled_values_are_what_was_stored(tmp_path: Path, dtype: str) -> None:
    values = RNG.normal(0, 50, (3, 4)).astype(dtype)
    found = read_one(tmp_path, values)
    assert found.shape == (3, 4)
    assert found.floats().dtype == np.float32
    np.testing.assert_array_equal(found.floats(), values.astype(np.float32))


def test_one_scale_for_all(tmp_path: Path) -> None:
    found = read_one(tmp_path, STORED, [0.25], [-3]).floats()
    np.testing.assert_array_equal(found, (STORED.astype(float) + 3) * 0.25)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("zeros", [True, False])
def test_a_scale_for_each_channel(tmp_path: Path, axis: int, zeros: bool) -> None:
    scales = 2.0 ** -np.arange(STORED.shape[axis])
    points = np.arange(len(scales)) - 1 if zeros else np.zeros(0, int)
    found = read_one(tmp_path, STORED, scales, points, axis).floats()
    for index in np.ndindex(STORED.shape):
        channel = index[axis]
        point = points[channel] if zeros else 0
        assert found[index] == (float(STORED[index]) - point) * scales[channel]


def test_a_constant_is_seen_through_dequantize_and_computed_tensors_are_not(
    tmp_path: Path,
) -> None:
    writer = Writer()
    given = writer.tensor((1, 4))
    stored = writer.constant(STORED, [0.5], [0])
    plain = writer.operation(KINDS.DEQUANTIZE, [stored], STORED.shape)
    # -1 is an input that is left out
    first = writer.operation(KINDS.DEPTHWISE_CONV_2D, [given, plain, -1], (1, 4))
    writer.operation(KINDS.DEQUANTIZE, [first], (1, 4))
    writer.operation(KINDS.LOGISTIC, [first], (1, 4))
    found = read_tflite(writer.write(tmp_path / "seen.tflite"))
    counts = [(one.kind, len(one.constants)) for one in found]
    assert counts == [
        (KINDS.DEQUANTIZE, 1), (KINDS.DEPTHWISE_CONV_2D, 1), (KINDS.DEQUANTIZE, 0),
        (KINDS.LOGISTIC, 0),
    ]  # fmt: skip
    np.testing.assert_array_equal(found[1].constants[0].floats(), STORED * np.float32(0.5))


def test_operations_numbered_beyond_127(tmp_path: Path) -> None:
    writer = Writer()
    writer.operation(KINDS.GELU, [writer.tensor((1,))], (1,))
    assert [one.kind for one in read_tflite(writer.write(tmp_path / "a.tflite"))] == [KINDS.GELU]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [2, 3, 5]}, r"a tensor of shape \(2, 3, 5\) has 24 bytes"),
        ({"shape": [-2, -3, 4]}, r"a tensor of shape \(-2, -3, 4\) has 24 bytes"),
        ({"buffer": 9}, "a tensor lies in buffer 9 of 2"),
        ({"scale": [1.0] * 5}, r"a tensor of shape \(2, 3, 4\) has 5 scales"),
        ({"quantizedDimension": 2}, r"a tensor of shape \(2, 3, 4\) has 3 scales"),
        ({"quantizedDimension": -1}, r"a tensor of shape \(2, 3, 4\) has 3 scales"),
        ({"zeroPoint": [0, 0]}, "a tensor has 3 scales and 2 zero points"),
        ({"inputs": [7]}, "an operation names tensor 7 of 2"),
        ({"opcodeIndex": 4}, "an operation is of kind 4 of 1"),
        ({"inputs": [0] * 65}, "a list of 65"),
        ({"subgraphs": []}, "it has no graph"),
    ],
)
def test_what_contradicts_itself(tmp_path: Path, change: dict[str, object], message: str) -> None:
    writer = Writer()
    stored = writer.constant(STORED, [1.0, 2.0, 3.0], [0, 0, 0], 1)
    writer.operation(KINDS.CONV_2D, [stored], (1,))
    tensor = writer.graph.tensors[0]
    for name, value in change.items():
        parts = (writer.model, tensor, tensor.quantization, writer.graph.operators[0])
        # a graph and an operator both have inputs
        setattr(next(part for part in parts if hasattr(part, name)), name, value)
    path = writer.write(tmp_path / "bad.tflite")
    with pytest.raises(ValueError, match=f"bad.tflite is cut short or damaged .*{message}"):
        read_tflite(path)


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    whole = yamnet_file(tmp_path / "whole.tflite", width=0.25).read_bytes()
    cut = tmp_path / "cut.tflite"
    lengths = {*range(64), *np.linspace(64, len(whole) - 1, 40, dtype=int).tolist()}
    for length in sorted(lengths):
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.tflite is (no TensorFlow Lite file|cut short)"):
            read_tflite(cut)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(8, 10_000), st.integers(0, 255)), min_size=1, max_size=12))
def test_damaged_bytes_give_a_sentence_or_operations(
    tmp_path: Path, damage: list[tuple[int, int]]
) -> None:
    writer = Writer()
    stored = writer.constant(STORED, [1.0, 2.0, 3.0], [0, 0, 0], 1)
    for _ in range(5):
        writer.operation(KINDS.CONV_2D, [stored], (1,))
    path = writer.write(tmp_path / "x.tflite")
    content = bytearray(path.read_bytes())
    for at, value in damage:
        content[8 + at % (len(content) - 8)] = value
    path.write_bytes(content)
    try:
        for operation in read_tflite(path):
            for constant in operation.constants:
                assert constant.floats().shape == constant.shape
    except ValueError as error:
        assert "is cut short or damaged" in str(error)  # noqa: PT017


def test_long_lists_cost_no_time(tmp_path: Path) -> None:
    # a list that says it has four thousand million entries, in a file that has a few hundred bytes
    writer = Writer()
    writer.operation(KINDS.CONV_2D, [writer.constant(STORED)], (1,))
    content = writer.write(tmp_path / "long.tflite").read_bytes()
    begun = time.process_time()
    for at in range(8, len(content) - 4):
        path = tmp_path / "long.tflite"
        path.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
        try:
            read_tflite(path)
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017
    assert time.process_time() - begun < 5


def test_files_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.tflite is no file"):
        read_tflite(tmp_path / "missing.tflite")
    with pytest.raises(ValueError, match="is no file"):
        read_tflite(tmp_path)
    other = tmp_path / "other.tflite"
    for content in (b"", b"TFL3", b"RIFF....WAVEfmt ", b"\0" * 100, b"\x28\0\0\0TFL3"):
        other.write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.tflite is (no TensorFlow Lite|cut short)"):
            read_tflite(other)
    with open(other, "wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(ValueError, match="is larger than 256 MiB"):
        read_tflite(other)
