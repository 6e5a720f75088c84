"""What can be asked of the quantizer, and which requests make no sense."""

from typing import Literal, get_args

from relens.errors import BadConfig
from relens.spec import SCHEMES, Scheme

InputOutput = Literal["float32", "int8"]


def check_request(scheme: Scheme, io: InputOutput | None, calibrated: bool) -> InputOutput:
    """Refuse contradictory or incomplete requests; give the input and output type that will be used.

    Args:
        scheme: one of `SCHEMES`.
        io: type of inputs and outputs; None takes the scheme's own (int8 for int8, else float32).
        calibrated: whether representative pictures are given.

    Raises:
        BadConfig: RL-QUANT-001 for types that contradict the scheme, RL-QUANT-002 for int8 without pictures,
            RL-CONFIG-003 for an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise BadConfig("RL-CONFIG-003", f"there is no scheme `{scheme}`", hint=f"schemes: {', '.join(SCHEMES)}")
    if io not in (None, *get_args(InputOutput)):
        raise BadConfig(
            "RL-CONFIG-003",
            f"inputs and outputs cannot be `{io}`",
            hint=f"--io is one of {', '.join(get_args(InputOutput))}",
        )
    if scheme != "int8" and io == "int8":
        raise BadConfig(
            "RL-QUANT-001",
            f"scheme `{scheme}` computes in float, so its inputs and outputs cannot be int8",
            hint=f"for an integer model: --scheme int8 --calibration FOLDER; for {scheme}: leave --io out",
        )
    if scheme == "int8" and not calibrated:
        raise BadConfig(
            "RL-QUANT-002",
            "full int8 needs representative pictures, from which the range of every activation is measured",
            hint="--calibration FOLDER with about 100 pictures like those the camera will see, or --scheme dynamic",
        )
    return io or ("int8" if scheme == "int8" else "float32")
