"""Schemes and calibration: float Graph -> Candidate."""

from relens.quantize.candidate import Candidate
from relens.quantize.quantizer import Samples, quantize
from relens.quantize.scheme import InputOutput, check_request

__all__ = ["Candidate", "InputOutput", "Samples", "check_request", "quantize"]
