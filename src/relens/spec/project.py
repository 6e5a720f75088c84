"""What a user writes in `relens.toml`, as frozen values."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from relens.spec.events import EventRules
from relens.spec.recipe import RecipeSpec
from relens.spec.strict import Strict

Task = Literal["classification", "detection", "tensors"]


class ModelSpec(Strict):
    """`[model]`: what comes in.

    `source` is a SavedModel folder, a `.keras`, `.h5`, frozen `.pb` or float `.tflite` file.
    Where the source leaves a choice: `inputs` and `outputs` name graph nodes (frozen graphs), `signature` one of a
    SavedModel's, and `input_shapes` gives open sizes, batch included: `{ image = [1, 224, 224, 3] }`.
    """

    source: Path
    labels: Path | None = None
    task: Task = "classification"
    name: str | None = Field(default=None, pattern=r"^[^/\\\x00-\x1f]+$")
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    signature: str | None = None
    input_shapes: dict[str, tuple[int, ...]] | None = None


class Scaling(Strict):
    """`(pixel - mean) / std`, per channel in the model's own colour order, pixels 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> "Scaling":
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std need one value, or one for each of three channels")
        if any(value == 0 for value in self.std):
            raise ValueError("std must not be zero")
        return self


NAMED_SCALINGS = {
    "0..255": Scaling(mean=(0.0,), std=(1.0,)),
    "0..1": Scaling(mean=(0.0,), std=(255.0,)),
    "-1..1": Scaling(mean=(127.5,), std=(127.5,)),
}


class InputSpec(Strict):
    """`[input]`: how a picture becomes the model's input; calibration, evaluation and camera all use it.

    size: height and width in pixels; None takes the model's own.
    resize: `stretch` ignores the aspect ratio, `crop` cuts the middle, `letterbox` pads to the middle,
        `letterbox-top-left` pads at the right and the bottom.
    interpolation: how the training pipeline resized. `linear` is OpenCV's and `tf.image.resize`'s default,
        `antialias` is Pillow's bilinear (PyTorch pipelines, `tf.image.resize(antialias=True)`), `area` averages.
    pad: grey level 0..255 of letterbox borders.
    """

    size: tuple[Annotated[int, Field(gt=0, le=65536)], Annotated[int, Field(gt=0, le=65536)]] | None = None
    resize: Literal["stretch", "crop", "letterbox", "letterbox-top-left"] = "stretch"
    interpolation: Literal["linear", "antialias", "area"] = "linear"
    pad: int = Field(default=114, ge=0, le=255)
    colour: Literal["rgb", "bgr", "grey"] = "rgb"
    scaling: Scaling = NAMED_SCALINGS["0..1"]

    @field_validator("scaling", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in NAMED_SCALINGS:
                names = ", ".join(f'"{name}"' for name in NAMED_SCALINGS)
                raise ValueError(f"scaling is one of {names}, or {{ mean = [...], std = [...] }}")
            return NAMED_SCALINGS[value]
        return value


class OutputSpec(Strict):
    """`[output]`: the decoder's name; every other key is a parameter that the decoder itself checks."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    decoder: str = "softmax"

    @property
    def parameters(self) -> dict[str, Any]:
        """All keys but `decoder`."""
        return dict(self.model_extra or {})


class DataSpec(Strict):
    """`[data]`: pictures.

    calibration: a folder, or a clip; at most `calibration_samples` of them are taken, evenly spread.
    train: a folder or a clip for steps that train, labels not needed; default: all of `calibration`.
    validation: a CSV of `file,label`, a COCO `instances.json`, a folder with one folder a class, or a folder
        or clip without labels (then candidates are judged by their agreement with the float model).
    pictures: folder that file names in `validation` are relative to; default: beside the file.
    """

    calibration: Path | None = None
    calibration_samples: int = Field(default=128, ge=1)
    train: Path | None = None
    validation: Path | None = None
    validation_samples: int | None = Field(default=None, ge=1)
    pictures: Path | None = None


class DeviceSpec(Strict):
    """`[device]`: where the model will run. `engines` and `threads` narrow what the profile allows."""

    profile: str = "this-machine"
    engines: tuple[str, ...] | None = Field(default=None, min_length=1)
    threads: int | None = Field(default=None, ge=1)


class Goals(Strict):
    """`[goals]`: what a candidate must reach to be chosen; a missed goal fails the build.

    max_accuracy_drop: fraction 0..1 of the task's metric, against the float model on the same pictures.
    max_latency_ms: median of one inference. max_memory_mb: peak of a fresh process (MB = 1e6 bytes).
    prefer: what decides between candidates that meet every goal.
    """

    max_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    max_latency_ms: float | None = Field(default=None, gt=0)
    max_size_mb: float | None = Field(default=None, gt=0)
    max_memory_mb: float | None = Field(default=None, gt=0)
    prefer: Literal["latency", "size", "accuracy"] = "latency"


class Project(Strict):
    """One `relens.toml`; every path is absolute."""

    path: Path
    model: ModelSpec
    input: InputSpec = InputSpec()
    output: OutputSpec = OutputSpec()
    data: DataSpec = DataSpec()
    device: DeviceSpec = DeviceSpec()
    goals: Goals = Goals()
    recipe: RecipeSpec = RecipeSpec()
    events: EventRules = ()

    @property
    def folder(self) -> Path:
        """The folder that `relens.toml` stands in."""
        return self.path.parent

    @property
    def name(self) -> str:
        """The model's name: as given, else the source's file name."""
        return self.model.name or self.model.source.stem
