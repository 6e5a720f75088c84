"""Resizing pictures as the runtime does it, for each of its conventions of where a pixel's centre is."""

import numpy as np
from keras import ops
from numpy.typing import NDArray

from relens.lift.site import Rule, Site, Value


def resize_bilinear(site: Site) -> Value:
    """Two products with a matrix of weights, one along the height and one along the width."""
    x = site.data()
    for axis, size in enumerate(site.integers(1), start=1):
        weights = bilinear_weights(x.shape[axis], size, site.options.alignCorners, site.options.halfPixelCenters)
        x = ops.einsum("oh,nhwc->nowc" if axis == 1 else "ow,nhwc->nhoc", ops.convert_to_tensor(weights), x)
    return x


def resize_nearest_neighbor(site: Site) -> Value:
    """Picks rows, then columns."""
    x = site.data()
    for axis, size in enumerate(site.integers(1), start=1):
        picks = nearest(x.shape[axis], size, site.options.alignCorners, site.options.halfPixelCenters)
        x = ops.take(x, picks, axis=axis)
    return x


def bilinear_weights(length: int, size: int, align_corners: bool, half_pixel: bool) -> NDArray[np.float32]:
    """The share of each of `length` pixels in each of `size`: (size, length)."""
    centre = _centres(length, size, align_corners, half_pixel)
    low = np.maximum(np.floor(centre), 0).astype(int)
    high = np.minimum(np.ceil(centre), length - 1).astype(int)
    weights = np.zeros((size, length))
    np.add.at(weights, (np.arange(size), low), 1 - (centre - low))
    np.add.at(weights, (np.arange(size), high), centre - low)
    return weights.astype(np.float32)


def nearest(length: int, size: int, align_corners: bool, half_pixel: bool) -> NDArray[np.int32]:
    """Which of `length` pixels each of `size` is: (size,)."""
    scale = _scale(length, size, align_corners)
    places = (np.arange(size) + (0.5 if half_pixel else 0.0)) * scale
    picks = np.floor(places + 0.5) if align_corners else np.floor(places)
    return np.asarray(np.clip(picks, 0, length - 1), np.int32)


def _scale(length: int, size: int, align_corners: bool) -> float:
    return (length - 1) / (size - 1) if align_corners and size > 1 else length / size


def _centres(length: int, size: int, align_corners: bool, half_pixel: bool) -> NDArray[np.float64]:
    scale, places = _scale(length, size, align_corners), np.arange(size, dtype=np.float64)
    return (places + 0.5) * scale - 0.5 if half_pixel else places * scale


RULES: dict[str, Rule] = {
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
}
