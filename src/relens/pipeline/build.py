"""Project -> Bundle: import, make candidates, measure, decide, package."""

import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from relens.bundle import Accuracy, Lineage, Manifest, Needs, write_bundle
from relens.device.events.rules import check_rules
from relens.errors import BadConfig, BadData, GoalMissed
from relens.files import check_writable
from relens.graph import Graph, with_metadata
from relens.measure.host import host_fingerprint
from relens.measure.validation import Validation, load_validation
from relens.pipeline.cache import Cache
from relens.pipeline.convert import calibration_samples, import_source
from relens.pipeline.golden import golden_frames, tolerance
from relens.pipeline.labels import check_labels, read_labels
from relens.pipeline.option import REFERENCE_ENGINE, Option
from relens.pipeline.progress import Progress, Silent
from relens.pipeline.recipe import Followed, Stage, follow, training_frames
from relens.pipeline.report import Report, write_report
from relens.pipeline.side_by_side import SideBySide, side_by_side
from relens.pipeline.steps import Kitchen
from relens.pipeline.trial import Bench, allowed_engines, measure, vision_model
from relens.pipeline.verdict import Verdict, decide
from relens.quantize import Candidate, Samples, quantize
from relens.sources import content_sha256
from relens.spec import SCHEMES, Project, Scheme, device, load
from relens.spec.recipe import LAST
from relens.vision import decoder_class, frames_from


@dataclass(frozen=True)
class Built:
    """A finished build. `path` is the bundle; the report stands beside it."""

    path: Path
    manifest: Manifest
    verdict: Verdict
    report: Report = field(repr=False)


def build(
    project: Project | str | Path,
    output: str | Path | None = None,
    *,
    progress: Progress | None = None,
    latency_seconds: float = 20.0,
) -> Built:
    """Take a project all the way from its model file to a bundle that meets its goals.

    Args:
        project: a loaded `relens.toml`, or its path.
        output: the bundle's path; default: the project's name, beside `relens.toml`. The report goes next to it,
            also when no candidate is good enough.
        progress: told what happens.
        latency_seconds: about how long the interleaved timing takes.

    Raises:
        GoalMissed: RL-GOAL-001 when no candidate meets the goals; its `details` hold the verdict.
        BadConfig, BadModel, BadData, EngineTrouble: as their codes say.
    """
    progress = progress or Silent()
    if not isinstance(project, Project):
        project = load(project)
    output = Path(output) if output else project.folder / f"{project.name}.relens"
    check_writable(output)
    target = device(project.device.profile)
    engines = allowed_engines(target, project.device.engines)
    labels = read_labels(project.model.labels)
    _check_task(project)
    check_rules(project.events, labels, project.model.task)
    validation = _validation(project, labels)
    graph, facts = _import(project, progress)
    check_labels(graph, labels)
    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        bench = Bench(
            project.input,
            project.output,
            validation,
            target,
            engines,
            project.device.threads or target.engine_threads,
            Path(folder),
            latency_seconds,
        )
        candidates = _candidates(project, graph, bench, progress)
        options = measure(candidates, bench, progress)
        verdict = decide(options, project.goals, target)
        seen = _seen(candidates[0], verdict, bench, labels, progress)
        source = str(project.model.source.name)
        report = Report(project.name, source, verdict, target.title, facts, host_fingerprint(), seen)
        write_report(report, output)
        if verdict.chosen is None:
            raise GoalMissed(
                "RL-GOAL-001",
                f"{project.name}: none of {len(options)} options meets the goals",
                hint=f"look at {output.with_suffix('.report.html')}; then change [goals], [data] or [recipe]",
                verdict=verdict,
            )
        progress.stage("bundle")
        manifest = _package(project, verdict.chosen.option, bench, facts, labels, output)
    return Built(output, manifest, verdict, report)


def _check_task(project: Project) -> None:
    task = decoder_class(project.output.decoder).task
    if task != project.model.task:
        raise BadConfig(
            "RL-CONFIG-003",
            f'{project.path}: task = "{project.model.task}", and decoder = "{project.output.decoder}" gives {task}',
            hint=f'set task = "{task}", or another decoder',
        )


def _validation(project: Project, labels: tuple[str, ...]) -> Validation:
    """The pictures to prove with, after making sure that the recipe has those it needs as well."""
    validation = load_validation(project.data, labels)
    if validation is None:
        raise BadData(
            "RL-DATA-001",
            f"{project.path} names no pictures, and nothing can be proven without",
            hint="set `validation` (with labels) or `calibration` (without) in [data]; relens convert proves nothing",
        )
    if project.data.calibration is None and "int8" in (project.recipe.schemes or ()):
        raise BadConfig(
            "RL-QUANT-002",
            f"{project.path}: scheme int8 needs representative pictures",
            hint="set `calibration` in [data], or leave int8 out of [recipe] schemes",
        )
    return validation


def _import(project: Project, progress: Progress) -> tuple[Graph, dict[str, Any]]:
    progress.stage("import")
    model = project.model

    def make() -> tuple[Graph, dict[str, Any]]:
        found = import_source(model, progress)
        return found.graph, {
            "kind": found.kind,
            "sha256": found.source_sha256,
            "max_error": found.max_error,
            "relative_error": found.relative_error,
        }

    choices = model.model_dump(mode="json", include={"inputs", "outputs", "signature", "input_shapes"})
    key = {"source": content_sha256(model.source), **choices}
    return Cache(project.folder / ".relens").graph(key, make)


def _candidates(project: Project, graph: Graph, bench: Bench, progress: Progress) -> list[Candidate]:
    calibration = project.data.calibration
    frames = frames_from(calibration, project.data.calibration_samples) if calibration else None
    samples = calibration_samples(frames, project.input, graph.inputs[0]) if frames else ()
    sha256 = frames.sha256 if frames else None
    followed = _followed(project, graph, bench, samples, sha256, progress)
    progress.stage("candidates")
    wanted: tuple[Scheme, ...] = project.recipe.schemes or tuple(s for s in SCHEMES if s != "int8" or samples)
    jobs = [
        (stage, scheme)
        for stage in followed.stages
        for scheme in SCHEMES
        if scheme == "float32" or (scheme in wanted and stage in (followed.stages[0], followed.stages[-1]))
    ]
    made = []
    for done, (stage, scheme) in enumerate(jobs):
        told = partial(_tell, progress, f"{stage.label} {scheme}".strip(), done, len(jobs))
        told(0.0)
        plain = quantize(stage.graph, scheme, samples=samples, calibration_sha256=sha256, progress=told)
        recipe = (*stage.steps, *plain.recipe)
        made.append(replace(plain, recipe=recipe, parent_sha256=graph.sha256, label=stage.label))
    return made if followed.trained is None else [*made, followed.trained]


def _followed(
    project: Project, graph: Graph, bench: Bench, samples: Samples, sha256: str | None, progress: Progress
) -> Followed:
    steps = project.recipe.all_steps
    if not steps:
        return Followed((Stage(graph),))
    if steps[-1].step in LAST and not samples:
        raise BadConfig(
            "RL-QUANT-002",
            f"{project.path}: the step `{steps[-1].step}` needs representative pictures for its first ranges",
            hint="set `calibration` in [data]",
        )
    cache = Cache(project.folder / ".relens")
    frames, held = training_frames(project)
    return follow(steps, Kitchen(graph, frames, held, project.input, bench.engines, samples, sha256, cache, progress))


def _seen(
    reference: Candidate, verdict: Verdict, bench: Bench, labels: tuple[str, ...], progress: Progress
) -> SideBySide | None:
    if verdict.chosen is None:
        return None
    return side_by_side(Option(reference, REFERENCE_ENGINE), verdict.chosen.option, bench, labels, progress)


def _tell(progress: Progress, name: str, done: int, total: int, part: float) -> None:
    progress.advance((done + part) / total, name)


def _package(
    project: Project,
    option: Option,
    bench: Bench,
    facts: dict[str, Any],
    labels: tuple[str, ...],
    output: Path,
) -> Manifest:
    candidate = option.candidate
    scaling = project.input.scaling
    model = with_metadata(
        candidate.graph,
        labels=labels,
        mean=scaling.mean,
        std=scaling.std,
        name=project.name,
        description=f"{project.model.task}, made by relens",
        colour=project.input.colour,
    )
    with vision_model(option, bench) as vision:
        golden = golden_frames(vision, bench.validation.frames)
    draft = Manifest(
        name=project.name,
        task=project.model.task,
        scheme=candidate.scheme,
        input=project.input,
        output=project.output.model_dump(mode="json"),
        needs=Needs(engine=option.engine, threads=project.device.threads, relens=version("relens")),
        goals=project.goals,
        events=project.events,
        tolerance=tolerance(candidate.scheme),
        accuracy=_accuracy(option),
        lineage=Lineage(
            source=project.model.source.name,
            source_kind=facts["kind"],
            source_sha256=facts["sha256"],
            graph_sha256=candidate.parent_sha256,
            recipe=candidate.recipe,
            calibration_sha256=candidate.calibration_sha256,
            tools={name: version(name) for name in ("ai-edge-litert", "litert-quantizer", "tensorflow-cpu")},
        ),
        files=(),
    )
    return write_bundle(output, draft, model, labels, golden)


def _accuracy(option: Option) -> Accuracy | None:
    if option.score is None or option.drop is None:
        return None
    score, drop = option.score, option.drop
    return Accuracy(
        metric=score.metric,
        value=score.interval.value,
        low=score.interval.low,
        high=score.interval.high,
        n=score.n,
        drop=drop.value,
        drop_low=drop.low,
        drop_high=drop.high,
    )
