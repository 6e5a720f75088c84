"""`[latency]` of a device profile: what a latency estimate for a device nobody has measured here is made of."""

from pydantic import Field, model_validator

from relens.spec.strict import Strict


class Rates(Strict):
    """What one thread does on the reference processor, with the device's kernels, at one precision.

    convolution, depthwise, fully_connected: 1e9 multiply-accumulates a second. other: 1e9 elements a second through
    operations without weights (additions, activations, pooling).
    """

    convolution: float = Field(gt=0)
    depthwise: float = Field(gt=0)
    fully_connected: float = Field(gt=0)
    other: float = Field(gt=0)


class Transfer(Strict):
    """How many times as long the device takes as the reference processor, and between which bounds. No error bar of a
    measurement: nobody has measured it.
    """

    factor: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Transfer":
        if not self.low <= self.factor <= self.high:
            raise ValueError("needs low <= factor <= high")
        return self


class LatencyModel(Strict):
    """Coefficients of `measure.estimate`, for one engine with one thread.

    Attributes:
        engine, kernels: what the rates were measured with: LiteRT on "sse4.1" kernels, say.
        reference: the processor they were measured on.
        float32, int8: its rates.
        outside: 1e9 elements a second through operations that the engine runs without its fast kernels.
        memory_gbs: 1e9 bytes a second from the device's main memory, which the weights cross once an inference.
        cache_mb: the device's last cache, 1e6 bytes: a larger tensor crosses its main memory.
        overhead_us: of each operation, on the reference processor.
        prediction_error: the factor by which they missed the worst of the latencies on the reference processor, among
            architectures that neither the rates nor the formula had seen.
        transfer: from the reference processor to the device.
        sources: where each number is from.
    """

    engine: str
    kernels: str
    reference: str
    float32: Rates
    int8: Rates
    outside: float = Field(gt=0)
    memory_gbs: float = Field(gt=0)
    cache_mb: float = Field(gt=0)
    overhead_us: float = Field(ge=0)
    prediction_error: float = Field(ge=1)
    transfer: Transfer
    sources: tuple[str, ...] = ()
