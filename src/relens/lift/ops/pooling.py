"""Pools over windows of the picture."""

from keras import ops

from relens.lift.ops.weighted import PADDINGS
from relens.lift.site import Rule, Site, Value


def _pool(site: Site, kind: str) -> Value:
    options = site.options
    pool = ops.max_pool if kind == "max" else ops.average_pool
    size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    return site.activated(pool(site.data(), size, strides, PADDINGS[options.padding], "channels_last"))


def average_pool_2d(site: Site) -> Value:
    """The mean of each window; what padding adds does not count."""
    return _pool(site, "average")


def max_pool_2d(site: Site) -> Value:
    """The largest of each window."""
    return _pool(site, "max")


RULES: dict[str, Rule] = {"AVERAGE_POOL_2D": average_pool_2d, "MAX_POOL_2D": max_pool_2d}
