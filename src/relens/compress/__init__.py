"""Pruning, fewer layers, distillation, quantization-aware training: float Graph -> Graph."""
