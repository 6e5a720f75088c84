"""`relens build`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from relens.pipeline.verdict import Judged, Verdict


def build(
    project: Annotated[Path, typer.Argument(help="relens.toml, or its folder.")] = Path("relens.toml"),
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The bundle to write.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="About how long the interleaved timing takes.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Import, make candidates, measure them against the goals, and package the best one."""
    from relens.cli.screen import say, say_json, stages
    from relens.errors import GoalMissed
    from relens.pipeline.build import build as run

    _quieten_tensorflow()
    try:
        with stages() as progress:
            built = run(project, output, progress=progress, latency_seconds=seconds)
    except GoalMissed as missed:
        if not as_json:
            show(missed.verdict)
        raise
    if as_json:
        say_json({"bundle": str(built.path), **built.verdict.to_json()})
        return
    show(built.verdict)
    report = built.path.with_suffix(".report.html")
    say(f"{built.path}: {built.path.stat().st_size / 1e6:.2f} MB; report: {report}")
    say(f"next: relens run {built.path} --camera CLIP_OR_FOLDER_OR_NUMBER")


def _quieten_tensorflow() -> None:
    """Its hints about its own build and tracing, which steps that train would bring into the progress."""
    import logging

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def show(verdict: "Verdict") -> None:
    """Print the candidates table and the verdict."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, width=max(100, Console().width))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("candidate", no_wrap=True)
    for heading in ("accuracy [95 %]", "drop", "median ms", "p99 ms", "peak MB", "file MB"):
        table.add_column(heading, no_wrap=True, justify="right")
    for judged in verdict.judged:
        table.add_row(*_cells(judged), style=_style(judged, verdict))
    console.print(table)
    latency = f"latency: interleaved{verdict.emulation}"
    console.print(f"accuracy: {verdict.metric}; drop: paired with float; {latency}\n", style="dim")
    for judged in verdict.judged:
        console.print(f"{judged.option.name:<20} {judged.reason}", style=_style(judged, verdict), markup=False)
    if verdict.chosen and verdict.chosen.option.estimate:
        console.print(f"on the device: {verdict.chosen.option.estimate}", markup=False)
    console.print()


def _style(judged: "Judged", verdict: "Verdict") -> str | None:
    return "bold green" if judged is verdict.chosen else None if judged.acceptable else "dim"


def _cells(judged: "Judged") -> list[str]:
    option = judged.option
    return [
        option.name,
        str(option.score.interval) if option.score else "-",
        f"{option.drop.value:+.3f}" if option.drop else "-",
        f"{option.latency.median_ms:.2f}" if option.latency else "-",
        f"{option.latency.p99_ms:.2f}" if option.latency else "-",
        f"{option.memory.peak_mb:.0f}" if option.memory else "-",
        f"{option.size_mb:.2f}",
    ]
