"""`awscam`: the camera and the inference engine of a DeepLens."""

from typing import Any

from relens.bundle import open_bundle
from relens.errors import LegacyTrouble
from relens.legacy.inference import Answer, Inference, Raw
from relens.legacy.link import current
from relens.legacy.numbering import Numbering
from relens.vision import Classes, Detections, Frame


class Runtime:
    """What a model was compiled for."""

    DLDT = 0
    NEO = 1


def getLastFrame() -> tuple[bool, Frame]:
    """The camera's newest frame, (H, W, 3) uint8 BGR; waits for one that was not given yet."""
    return True, current().frame()


class Answered(dict[Any, Any]):
    """Arrays by output name, and the height and width of the picture that they are about."""

    size: tuple[int, int]


class Model:
    """A model by the path that it had on a DeepLens: a bundle of that name in the models' folder.

    Args:
        model_topology_file: such as `/opt/awscam/artifacts/NAME.xml`.
        loading_config: `{"GPU": 1}` or `{"GPU": 0}`: not used, the bundle says what it runs on.
        runtime: `Runtime.DLDT`, or `Runtime.NEO`, whose outputs are numbered and not named.
    """

    def __init__(self, model_topology_file: str, loading_config: Any = None, runtime: int = Runtime.DLDT) -> None:
        link = current()
        if runtime not in (Runtime.DLDT, Runtime.NEO):
            raise _told(
                LegacyTrouble(
                    "RL-LEGACY-005",
                    f"awscam.Model got runtime {runtime!r}",
                    hint="0 is DLDT, 1 is Neo; leave it out",
                )
            )
        self._neo = runtime == Runtime.NEO
        try:
            found = link.ask("model", path=str(model_topology_file), size=None)
        except LegacyTrouble as trouble:
            raise _told(trouble) from None
        bundle = open_bundle(found["bundle"], link.folder)  # its model is there: the parent has opened it
        numbering = Numbering(found["numbers"], found["first"], found["synonyms"])
        self._inference = Inference(bundle, numbering)
        self._size = self._inference.model.preprocessor.size
        link.tell(
            "loaded",
            name=bundle.manifest.name,
            sha256=bundle.sha256,
            labels=bundle.labels,
            engine=str(self._inference.model.engine.report),
        )

    def doInference(self, video_frame: Any) -> Raw:
        """Infer on one picture; see `relens.legacy.feeds` for what may be fed. Arrays by output name, batch first."""
        try:
            answer = self._inference.run(video_frame)
        except LegacyTrouble as trouble:
            raise _told(trouble) from None
        current().tell("prediction", took_ms=round(answer.took_ms, 3), **_shown(answer))
        raw = Answered(enumerate(answer.raw.values()) if self._neo else answer.raw)
        raw.size = answer.size
        return raw

    def parseResult(self, model_type: str, raw_infer_result: Raw) -> Any:
        """`{model_type: [...]}`, best first, for `classification`, `ssd` and `segmentation`; of Neo what came in."""
        if self._neo:
            return raw_infer_result
        try:
            size = getattr(raw_infer_result, "size", self._size)
            return {model_type: self._inference.parse(model_type, raw_infer_result, size)}
        except LegacyTrouble as trouble:
            raise _told(trouble) from None


def _told(trouble: LegacyTrouble) -> LegacyTrouble:
    """Functions catch everything, and go on or end without a word."""
    current().trouble(trouble)
    return trouble


def _shown(answer: Answer) -> dict[str, Any]:
    """What the live page shows of an answer: boxes as fractions of what was fed."""
    found = answer.prediction
    if isinstance(found, Classes):
        return {"classes": found.top(5)}
    if not isinstance(found, Detections):
        return {}
    height, width = answer.size
    boxes = found.boxes / [width, height, width, height]
    rows = zip(boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return {"detections": [[*box, score, kind] for box, score, kind in rows]}
