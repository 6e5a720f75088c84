"""Accuracy with interval, latency interleaved, memory of a fresh process: numbers to believe."""
