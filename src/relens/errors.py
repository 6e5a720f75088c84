"""What can go wrong, sorted by what the user can do about it.

    RelensError
    ├── BadConfig        a key in relens.toml or an option on the command line: change it
    ├── BadModel         the model file: repair, re-export or replace it
    ├── BadData          pictures, labels, boxes: mend the data set
    ├── GoalMissed       everything worked and no candidate is good enough: change goals, data or recipe
    ├── EngineTrouble    an inference engine is missing or cannot run this graph: install or choose another
    ├── DeviceTrouble    camera, memory, ports: look at the machine
    ├── DeliveryTrouble  keys, repositories: look at where a bundle comes from and goes to
    ├── LegacyTrouble    an old DeepLens function, or what it asks for: give it that, or change the function
    └── BadBundle        truncated, tampered or foreign bundle: get it again from where it was built

Each error has a stable code, names the file, layer, tensor or key, and ends with the next command to type.
`docs/errors.md` explains every code; a test holds the two lists together.
"""

from typing import Any

CODES: dict[str, str] = {
    "RL-CAMERA-001": "the camera cannot be opened",
    "RL-CAMERA-002": "the video, picture or folder does not exist or cannot be read",
    "RL-CAMERA-003": "the camera stopped giving frames",
    "RL-COMPRESS-001": "nothing can be taken from the graph that makes it faster",
    "RL-CONFIG-001": "relens.toml cannot be read",
    "RL-CONFIG-002": "unknown key",
    "RL-CONFIG-003": "a key has a wrong value or is missing",
    "RL-CONFIG-004": "unknown device profile",
    "RL-CONFIG-005": "options that contradict each other",
    "RL-CONFIG-006": "a part of relens is not installed",
    "RL-DATA-001": "no pictures found",
    "RL-DATA-002": "a picture cannot be read",
    "RL-DATA-003": "a label or annotation file cannot be used",
    "RL-DATA-004": "labels and model outputs do not fit together",
    "RL-DELIVER-001": "a key cannot be used",
    "RL-DELIVER-002": "this folder holds no repository, or keys lie in it",
    "RL-DELIVER-003": "the repository cannot be reached",
    "RL-DELIVER-004": "what the repository says is not trusted",
    "RL-DELIVER-005": "what the repository says has expired, or this machine's clock is not set",
    "RL-DELIVER-006": "this camera follows no repository",
    "RL-DELIVER-007": "AWS cannot be reached or refuses",
    "RL-DELIVER-008": "this cannot be deployed with Greengrass",
    "RL-DELIVER-009": "a camera cannot be reached over SSH",
    "RL-DELIVER-010": "not every camera runs the bundle",
    "RL-DELIVER-011": "a rollout was stopped by its bound",
    "RL-DELIVER-012": "the broker that cameras report to cannot be reached",
    "RL-DEVICE-001": "the live page cannot listen at this address",
    "RL-DEVICE-002": "too many frames in a row failed",
    "RL-DEVICE-003": "this machine refused the bundle: an acceptance check failed",
    "RL-DEVICE-004": "a file cannot be read or written",
    "RL-DEVICE-005": "there is nothing to go back to",
    "RL-DEVICE-006": "no such bundle on this camera, or not accepted here",
    "RL-DEVICE-007": "the bundle failed on this camera before",
    "RL-DEVICE-008": "another agent runs this camera",
    "RL-DEVICE-009": "the agent does not say what became of a bundle",
    "RL-DEVICE-010": "a service without rights of its own could not read what it needs",
    "RL-DEVICE-011": "relens was replaced under the running agent",
    "RL-DEVICE-012": "no live page has been served yet",
    "RL-DEVICE-013": "a bundle failed on trial",
    "RL-DEVICE-014": "a bundle was not confirmed in time",
    "RL-DEVICE-015": "an order that this relens does not understand",
    "RL-ENGINE-001": "engine not installed or not known",
    "RL-ENGINE-002": "the engine cannot load this graph",
    "RL-ENGINE-003": "an input tensor has the wrong shape or type",
    "RL-ENGINE-004": "the kernels of another processor cannot be emulated here",
    "RL-GOAL-001": "no candidate meets the goals",
    "RL-KIT-001": "a kit cannot be made for this device",
    "RL-KIT-002": "a part of a kit is damaged",
    "RL-KIT-003": "the packages of a kit cannot be had",
    "RL-KIT-004": "a part of a kit would not run on the device",
    "RL-KIT-005": "this device cannot be emulated",
    "RL-KIT-006": "the emulator is not installed",
    "RL-KIT-007": "a bundle or a kit does not do on the device what it does here",
    "RL-OUTLET-001": "an outlet cannot be reached",
    "RL-OUTLET-002": "an outlet refuses an event",
    "RL-QUANT-001": "input and output types that contradict the scheme",
    "RL-QUANT-002": "full int8 without representative pictures",
    "RL-QUANT-003": "the quantizer cannot treat this graph",
    "RL-QUANT-004": "no such tensor or operation in the graph",
    "RL-QUANT-005": "ranges, operations kept in float or weight bits that make no sense",
    "RL-BUNDLE-001": "not a bundle, or a damaged one",
    "RL-BUNDLE-002": "a file in the bundle is not what the manifest says",
    "RL-BUNDLE-003": "a bundle of a version this relens does not read",
    "RL-GRAPH-001": "not a TFLite file",
    "RL-GRAPH-002": "the TFLite file is truncated or damaged",
    "RL-GRAPH-003": "the model file cannot be read from disk",
    "RL-GRAPH-004": "a constant tensor cannot be read",
    "RL-GRAPH-005": "names that do not fit the graph's inputs or outputs",
    "RL-GRAPH-006": "the graph's weights are not in its file",
    "RL-GRAPH-007": "an operation that no engine here runs",
    "RL-GRAPH-008": "an input leaves dimensions open",
    "RL-GRAPH-009": "metadata that does not fit the graph",
    "RL-GRAPH-010": "a change that the graph cannot take",
    "RL-LEGACY-001": "an old function's source cannot be read",
    "RL-LEGACY-002": "there is no function here, or several",
    "RL-LEGACY-003": "an old function asks for a model that is not there",
    "RL-LEGACY-004": "a model that an old function asks for cannot be built here",
    "RL-LEGACY-005": "an old function and its model do not fit together",
    "RL-LEGACY-006": "an old function needs a Python module that is not here",
    "RL-LEGACY-007": "an old function needs a file that is not here",
    "RL-LEGACY-008": "an old function may not do that",
    "RL-LEGACY-009": "an old function failed",
    "RL-LEGACY-010": "an old function ended by itself",
    "RL-LEGACY-011": "an old function asks for a part of AWS that is not here",
    "RL-LEGACY-012": "an old function uses something that is gone",
    "RL-LIFT-001": "a graph that cannot be trained",
    "RL-LIFT-002": "training left NaN or infinity in a weight",
    "RL-LIFT-003": "teacher and student do not fit together",
    "RL-SOURCE-001": "not a model relens knows",
    "RL-SOURCE-002": "weights without the model they belong to",
    "RL-SOURCE-003": "the import took too long",
    "RL-SOURCE-004": "the import took too much memory",
    "RL-SOURCE-005": "TensorFlow died of a signal while importing",
    "RL-SOURCE-006": "TensorFlow cannot import the model",
    "RL-SOURCE-007": "an input leaves sizes open, or its batch is not 1",
    "RL-SOURCE-008": "an input or output holds strings, not numbers",
    "RL-SOURCE-009": "probes that do not fit the model's inputs",
    "RL-SOURCE-010": "no such input, output or signature, or several to choose from",
    "RL-SOURCE-011": "TFLite cannot express a part of the model",
    "RL-SOURCE-012": "the source model itself answers NaN or infinity",
    "RL-SOURCE-013": "the converted graph does not answer as its source does",
    "RL-SOURCE-014": "the Keras file carries Python code",
    "RL-SOURCE-015": "the Keras file needs layers that Keras cannot read back",
    "RL-SOURCE-016": "the .tflite is quantized already",
    "RL-SOURCE-017": "the graph is not frozen: its variables are elsewhere",
}


class RelensError(Exception):
    """Any failure relens can explain.

    Args:
        code: a stable code, one of `CODES`.
        message: one or two sentences that name the file, layer, tensor or key.
        hint: the next command to type or the change to make.
        details: the same for machines, printed by `--json`.
    """

    def __init__(self, code: str, message: str, *, hint: str, details: dict[str, Any] | None = None) -> None:
        if code not in CODES:
            raise KeyError(f"{code} is not in relens.errors.CODES")
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details or {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments are lost on the way between processes otherwise.
        return _revive, (type(self), self.args, dict(vars(self)))

    def to_json(self) -> dict[str, str]:
        """The same as plain values, without the details."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}\nhint: {self.hint}"


def _revive(kind: type[RelensError], arguments: tuple[Any, ...], values: dict[str, Any]) -> RelensError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    vars(error).update(values)
    return error


class BadConfig(RelensError):
    """A configuration key or a command-line option has to change."""


class BadModel(RelensError):
    """The model file has to be repaired, exported again or replaced."""


class BadData(RelensError):
    """Pictures, labels or boxes have to be mended."""


class GoalMissed(RelensError):
    """Everything worked, and no candidate is good enough; `verdict` (a `pipeline.verdict.Verdict`) says why."""

    def __init__(self, code: str, message: str, *, hint: str, verdict: Any) -> None:
        super().__init__(code, message, hint=hint, details=verdict.to_json())
        self.verdict = verdict


class EngineTrouble(RelensError):
    """An inference engine is missing, or cannot run this graph."""


class DeviceTrouble(RelensError):
    """The machine itself: camera, memory, ports."""


class DeliveryTrouble(RelensError):
    """The way from the desk to a camera: keys, repositories, the network between."""


class LegacyTrouble(RelensError):
    """An old DeepLens function: its source, what it asks for, or what it does."""


class BadBundle(RelensError):
    """The bundle is truncated, tampered with, or not one of ours."""
