"""`[recipe]`: the steps from the float graph to its candidates."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from relens.spec.strict import Strict

Scheme = Literal["float32", "float16", "dynamic", "int8"]
SCHEMES: tuple[Scheme, ...] = ("float32", "float16", "dynamic", "int8")


class LayersStep(Strict):
    """Fewer layers: blocks go until `macs_share` of the multiply-accumulates is left."""

    step: Literal["layers"] = "layers"
    macs_share: float = Field(default=0.75, gt=0, lt=1)


class ChannelsStep(Strict):
    """Fewer channels: so many that it takes `speedup` times fewer milliseconds, measured here."""

    step: Literal["channels"] = "channels"
    speedup: float = Field(default=1.5, gt=1)


class HealStep(Strict):
    """Training towards the original's answers; labels are not needed."""

    step: Literal["heal"] = "heal"
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)


class DistilStep(Strict):
    """Knowledge distillation: a smaller model learns the original's answers. It begins a recipe.

    student: its file, of any kind that can be imported, with the original's input and outputs. Without one it is
    derived from the original: width: the share of its channels that stays; depth: the share of its
    multiply-accumulates that stays when whole blocks go.
    """

    step: Literal["distil"] = "distil"
    student: Path | None = None
    width: float = Field(default=1.0, gt=0, le=1)
    depth: float = Field(default=1.0, gt=0, le=1)
    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)

    @model_validator(mode="after")
    def _one_student(self) -> "DistilStep":
        if (self.student is None) == (self.width == self.depth == 1):
            raise ValueError("give `student`, a model file, or one of `width` and `depth` below 1")
        return self


class RepairStep(Strict):
    """An int8 candidate repaired without training: equalized, its ranges searched, its biases corrected. It ends a
    recipe.

    bits: of the weights. most_float: share of the multiply-accumulates that may stay in float32.
    """

    step: Literal["repair"] = "repair"
    bits: Literal[8, 7, 4] = 8
    most_float: float = Field(default=0.0, ge=0, lt=1)


class QatStep(Strict):
    """Quantization-aware training: an int8 candidate that was trained with its roundings, from where `repair` ends.
    It ends a recipe.

    bits: of the weights. 7 for engines that saturate; 4 for smaller files, which are no faster. most_float: as in
    `repair`. learning_rate: levels of the integer grid that a training step moves a weight by; default: 0.003, and 0.01
    with 4 bits.
    """

    step: Literal["qat"] = "qat"
    bits: Literal[8, 7, 4] = 8
    most_float: float = Field(default=0.0, ge=0, lt=1)
    epochs: int = Field(default=10, ge=1)
    batch: int = Field(default=32, ge=2)
    learning_rate: float | None = Field(default=None, gt=0)


Step = Annotated[DistilStep | LayersStep | ChannelsStep | HealStep | RepairStep | QatStep, Field(discriminator="step")]
STEPS: dict[str, type[Strict]] = {
    "distil": DistilStep,
    "layers": LayersStep,
    "channels": ChannelsStep,
    "heal": HealStep,
    "repair": RepairStep,
    "qat": QatStep,
}
LAST = ("repair", "qat")
"""Steps whose result is an integer file."""

Preset = Literal["fast", "balanced", "small"]
PRESETS: dict[str, tuple[Step, ...]] = {
    "fast": (RepairStep(),),
    "balanced": (ChannelsStep(speedup=1.4), HealStep(), QatStep()),
    "small": (LayersStep(), HealStep(), ChannelsStep(speedup=2.0), HealStep(epochs=30), QatStep()),
}


class RecipeSpec(Strict):
    """`[recipe]`: which candidates to make.

    schemes: how the graphs are quantized; default: all that the pictures allow.
    steps: names, or tables such as `{ step = "channels", speedup = 2.0 }`, in the order they are taken. What each
        one makes is a candidate of its own, beside the unchanged graph.
    preset: steps made ready: `fast` (no training), `balanced`, `small`.
    """

    schemes: tuple[Scheme, ...] | None = Field(default=None, min_length=1)
    steps: tuple[Step, ...] = ()
    preset: Preset | None = None

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The preset's steps, or those written out."""
        return PRESETS[self.preset] if self.preset else self.steps

    @field_validator("steps", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        return tuple(_step(one) for one in value) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _fits(self) -> "RecipeSpec":
        names = [step.step for step in self.steps]
        if self.preset and self.steps:
            raise ValueError("give `steps` or `preset`, not both")
        for name in LAST:
            if name in names[:-1]:
                raise ValueError(f"`{name}` ends a recipe: what it makes is an integer file")
        if "distil" in names[1:]:
            raise ValueError("`distil` begins a recipe: its student is another model")
        if names[:1] == ["heal"]:
            raise ValueError("`heal` follows `channels` or `layers`: an unchanged model has nothing to heal")
        return self


def _step(written: Any) -> Any:
    if isinstance(written, Strict):
        return written
    table = {"step": written} if isinstance(written, str) else written
    name = table.get("step") if isinstance(table, dict) else None
    if name not in STEPS:
        raise ValueError(f"there is no step {name!r}: {_near(str(name), list(STEPS))}")
    try:
        return STEPS[name](**table)
    except ValidationError as trouble:
        first = trouble.errors(include_url=False)[0]
        if not first["loc"]:
            raise ValueError(f"step `{name}`: {first['msg'].removeprefix('Value error, ')}") from None
        key = str(first["loc"][-1])
        if first["type"] == "extra_forbidden":
            known = sorted(set(STEPS[name].model_fields) - {"step"})
            raise ValueError(f"step `{name}` has no `{key}`: {_near(key, known)}") from None
        raise ValueError(f"step `{name}`, `{key}`: {first['msg']}") from None


def _near(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"it knows {', '.join(known)}"
