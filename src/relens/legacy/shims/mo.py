"""`mo`: the model optimizer of a DeepLens. Here a model of that name is found, or a bundle is built from it."""

from collections.abc import Mapping
from typing import Any

from relens.errors import LegacyTrouble
from relens.legacy.link import current

DONE, FAILED = 0, 1
PLATFORMS = {"mxnet", "mx", "tf", "tensorflow", "caffe"}
KNOWN = {
    "--epoch", "--precision", "--img-channels", "--img-format", "--fuse", "--models-dir", "--output-dir",
    "--input_proto", "--input_model_is_text",
}  # fmt: skip
LARGEST = 1024


def optimize(
    model_name: str,
    input_width: int = 0,
    input_height: int = 0,
    platform: str = "MXNet",
    aux_inputs: Mapping[str, Any] | None = None,
    **named: Any,
) -> tuple[int, str]:
    """Find a model or build one; status (0: done, 1: not) and the path to give to `awscam.Model`.

    Args:
        model_name: the stem of a file in the models' folder.
        input_width, input_height: 0 to 1024 pixels; a model that leaves its size open gets this one.
        platform: what the model was trained in: a bundle or a TensorFlow model is taken whichever is said.
        aux_inputs: options of the optimizer, which mean nothing to a bundle.
        named: the same, by keyword.
    """
    link, path = current(), f"/opt/awscam/artifacts/{model_name}.xml"
    if str(platform).lower() not in PLATFORMS:
        link.warn(f"mo.optimize({model_name!r}): there is no platform {platform!r}; the status is {FAILED}")
        return FAILED, path
    if not (0 <= int(input_width) <= LARGEST and 0 <= int(input_height) <= LARGEST):
        link.warn(f"mo.optimize({model_name!r}): {input_width} x {input_height} is not within 0 to {LARGEST}")
        return FAILED, path
    unknown = sorted(set(map(str, {**(aux_inputs or {}), **named})) - KNOWN)
    if unknown:
        link.warn(f"mo.optimize({model_name!r}): the optimizer had no {', '.join(unknown)}; not used")
    size = [int(input_height), int(input_width)] if input_width and input_height else None
    try:
        link.ask("model", path=str(model_name), size=size)
    except LegacyTrouble as trouble:
        link.trouble(trouble)
        return FAILED, path
    return DONE, path
