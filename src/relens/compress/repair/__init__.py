"""Cheap steps without training that let a graph lose less to int8: Graph -> Graph, or -> ranges, or -> keep_float."""

from relens.compress.repair.bias import Corrected, correct_biases
from relens.compress.repair.equalize import Equalized, equalize
from relens.compress.repair.judge import Judge
from relens.compress.repair.mixed import Mixture, search_mixture, tail
from relens.compress.repair.ranges import observed_ranges, search_ranges
from relens.compress.repair.repair import Repaired, repair

__all__ = [
    "Corrected",
    "Equalized",
    "Judge",
    "Mixture",
    "Repaired",
    "correct_biases",
    "equalize",
    "observed_ranges",
    "repair",
    "search_mixture",
    "search_ranges",
    "tail",
]
