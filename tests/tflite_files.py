"""Small TensorFlow Lite files, written with the schema that Google generates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bodysounds.types import Array

KINDS = schema.BuiltinOperator
TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int32": schema.TensorType.INT32,
    "int8": schema.TensorType.INT8,
}
NO_ACTIVATION, RELU = 0, 1


class Writer:
    """One graph, tensor by tensor and operation by operation."""

    def __init__(self) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.model.subgraphs = [], [self.graph]
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []

    def tensor(self, shape: Sequence[int], kind: str = "float32", buffer: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), TYPES[kind], buffer
        tensor.name = f"tensor_{len(self.graph.tensors)}".encode()
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(
        self,
        values: Array,
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        axis: int = 0,
    ) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        number = self.tensor(values.shape, str(values.dtype), len(self.model.buffers) - 1)
        if len(scales):
            quantised = schema.QuantizationParametersT()
            quantised.scale, quantised.zeroPoint = list(scales), list(zero_points)
            quantised.quantizedDimension = axis
            self.graph.tensors[number].quantization = quantised
        return number

    def operation(
        self, kind: int, inputs: Sequence[int], shape: Sequence[int], options: Any = None
    ) -> int:
        """Add an operation, and return the tensor that it computes."""
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 3
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), [self.tensor(shape)]
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return int(operator.outputs[0])

    def write(self, path: Path) -> Path:
        path.write_bytes(packed(self.model))
        return path


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convolution(writer: Writer, depthwise: bool, inputs: Sequence[int], shape: Any) -> int:
    """Add a convolution with ReLU, padded as TensorFlow's SAME; `shape` ends with its stride."""
    *size, stride = shape
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding, options.fusedActivationFunction = schema.Padding.SAME, RELU
    options.strideH = options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = 1
    if depthwise:
        options.depthMultiplier = 1
    kind = KINDS.DEPTHWISE_CONV_2D if depthwise else KINDS.CONV_2D
    return writer.operation(kind, inputs, size, options)


def yamnet_file(
    path: Path,
    width: float = 0.25,
    n_classes: int = 5,
    change: Callable[[str, Array, Array], tuple[Array, Array]] = lambda name, w, b: (w, b),
    n_blocks: int = 13,
) -> Path:
    """Write a YAMNet of random float weights, from patches (1, 96, 64, 1) to scores (1, classes).

    `change` is given each layer's name, weight and bias as TensorFlow Lite stores them, and returns
    what is written instead.
    """
    rng, writer = np.random.default_rng(0), Writer()

    def layer(name: str, shape: Sequence[int], n_out: int) -> list[int]:
        fan_in = int(np.prod(shape)) // n_out
        weight = rng.normal(0.0, (2.0 / fan_in) ** 0.5, shape).astype(np.float32)
        bias = rng.normal(0.05, 0.1, n_out).astype(np.float32)
        return [writer.constant(values) for values in change(name, weight, bias)]

    n_in, rows, columns = round(32 * width), 48, 32
    found = writer.tensor((1, 96, 64, 1))
    writer.graph.inputs = [found]
    inputs = [found, *layer("stem", (n_in, 3, 3, 1), n_in)]
    found = convolution(writer, False, inputs, (1, rows, columns, n_in, 2))
    published = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    for number in range(n_blocks):
        n_out, stride = round(published[number] * width), strides[number]
        rows, columns = rows // stride, columns // stride
        inputs = [found, *layer(f"block_{number + 1}.depthwise", (1, 3, 3, n_in), n_in)]
        found = convolution(writer, True, inputs, (1, rows, columns, n_in, stride))
        inputs = [found, *layer(f"block_{number + 1}.pointwise", (n_out, 1, 1, n_in), n_out)]
        found = convolution(writer, False, inputs, (1, rows, columns, n_out, 1))
        n_in = n_out
    axes = writer.constant(np.array([1, 2], np.int32))
    options = schema.ReducerOptionsT()
    options.keepDims = False
    found = writer.operation(KINDS.MEAN, [found, axes], (1, n_in), options)
    head = [found, *layer("head", (n_classes, n_in), n_classes)]
    options = schema.FullyConnectedOptionsT()
    found = writer.operation(KINDS.FULLY_CONNECTED, head, (1, n_classes), options)
    writer.graph.outputs = [writer.operation(KINDS.LOGISTIC, [found], (1, n_classes))]
    return writer.write(path)
