"""Operations with trained weights."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from keras import ops
from numpy.typing import NDArray

from relens.lift.layers import Convolution, Dense, DepthwiseConvolution, ParametricRelu, TransposedConvolution
from relens.lift.site import Block, Rule, Site, Unliftable, Value

PADDINGS = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}


def conv_2d(site: Site) -> Value:
    """Kernel (D, h, w, C / groups)."""
    kernel = site.constant(1).transpose(1, 2, 3, 0)
    strides, dilation = _steps(site)
    if site.data().shape[-1] % kernel.shape[2]:
        raise Unliftable("its channels do not divide into groups")
    return _block(
        site,
        Convolution(
            kernel,
            _bias(site),
            strides,
            PADDINGS[site.options.padding],
            dilation,
            **_names(site),
        ),
    )


def depthwise_conv_2d(site: Site) -> Value:
    """Kernel (1, h, w, C * m)."""
    stored = site.constant(1)
    channels = site.data().shape[-1]
    kernel = stored.reshape(*stored.shape[1:3], channels, -1)
    strides, dilation = _steps(site, alike=True)
    return _block(
        site,
        DepthwiseConvolution(
            kernel,
            _bias(site),
            strides,
            PADDINGS[site.options.padding],
            dilation,
            **_names(site),
        ),
    )


def transpose_conv(site: Site) -> Value:
    """Operands: output shape, kernel (D, h, w, C), data, bias."""
    kernel = site.constant(1).transpose(1, 2, 0, 3)
    options = site.options
    strides, padding = (options.strideH, options.strideW), PADDINGS[options.padding]
    shape = site.data(2).shape
    size = [
        length * stride + (max(reach - stride, 0) if padding == "valid" else 0)
        for length, stride, reach in zip(shape[1:3], strides, kernel.shape[:2], strict=True)
    ]
    if tuple(size) != site.results[0].shape[1:3]:
        raise Unliftable(f"its output is {site.results[0].shape[1:3]} where strides and padding give {tuple(size)}")
    bias = _bias(site, 3)
    return _block(site, TransposedConvolution(kernel, bias, strides, padding, **_names(site)), position=2)


def fully_connected(site: Site) -> Value:
    """Kernel (D, C); the data is flattened to rows of C unless its dimensions are kept."""
    kernel = site.constant(1).T
    data = site.data()
    if not site.options.keepNumDims and len(data.shape) != 2:
        data = ops.reshape(data, (-1, kernel.shape[0]))
    return _block(site, Dense(kernel, _bias(site), **_names(site)), data=data)


def prelu(site: Site) -> Value:
    """The slope broadcasts against the data; it is trained."""
    slope = site.constant(1)
    if slope.ndim == len(site.data().shape) and slope.shape[0] != 1:
        raise Unliftable("its slope differs along the batch")
    layer = ParametricRelu(slope)
    site.blocks[site.op.index] = Block(layer, None)
    return layer(site.data())


def _steps(site: Site, *, alike: bool = False) -> tuple[tuple[int, int], tuple[int, int]]:
    """Strides and dilation, of which TensorFlow takes one; a depthwise convolution's strides are to be alike."""
    options = site.options
    strides, dilation = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    if (max(strides) > 1 and max(dilation) > 1) or (alike and strides[0] != strides[1]):
        raise Unliftable(f"its strides are {strides}, and its dilation {dilation}")
    return strides, dilation


def _bias(site: Site, position: int = 2) -> NDArray[np.float32] | None:
    given = position < len(site.inputs) and site.inputs[position] is not None
    return site.constant(position) if given else None


def _names(site: Site) -> dict[str, Any]:
    name = f"{site.op.name.lower()}_{site.op.index}"
    return {"kernel_layer": site.additions.kernel(site.op), "name": name}


def _block(site: Site, layer: Any, *, position: int = 0, data: Value | None = None) -> Value:
    """Data through weights, normalization and activation. Operations that share a kernel share all of these."""
    tied = _tied(site, layer)
    if tied is None:
        channels = site.results[0].shape[-1]
        tied = Block(layer, site.additions.linear(site.op, channels) if len(site.results[0].shape) == 4 else None)
    site.blocks[site.op.index] = tied
    value = tied.layer(site.data(position) if data is None else data)
    return site.activated(value if tied.normalization is None else tied.normalization(value))


def _tied(site: Site, layer: Any) -> Block | None:
    """The block of an earlier operation with the very same kernel, bias and options."""
    mine = (site.op.name, *_weights(site), vars(site.options))
    for block in site.blocks.values():
        if getattr(block.layer, "origin", None) == mine:
            return block
    layer.origin = mine
    return None


def _weights(site: Site) -> tuple[int, ...]:
    operands = site.op.inputs[1:] if site.op.name != "TRANSPOSE_CONV" else (site.op.inputs[1], *site.op.inputs[3:])
    return tuple(operands)


RULES: dict[str, Rule] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "PRELU": prelu,
}
