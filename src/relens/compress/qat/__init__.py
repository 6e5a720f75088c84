"""Quantization-aware training: the roundings of the integer file, learned around."""

from relens.compress.qat.training import (
    QAT_SETTINGS,
    Bits,
    QuantizationAware,
    default_settings,
    quantization_aware,
)

__all__ = ["QAT_SETTINGS", "Bits", "QuantizationAware", "default_settings", "quantization_aware"]
