"""The report beside a bundle: all candidates, measured when and where. JSON for machines, one HTML page for people."""

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from relens.files import write_whole
from relens.pipeline.verdict import Judged, Verdict


@dataclass(frozen=True)
class Report:
    """What one build found. source: facts of the import. host: where it was measured."""

    name: str
    source_name: str
    verdict: Verdict
    device: str
    source: dict[str, Any]
    host: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "device": self.device,
            "source": {"file": self.source_name, **self.source},
            "host": self.host,
            **self.verdict.to_json(),
        }


def write_report(report: Report, bundle: Path) -> None:
    """Write `NAME.report.json` and `NAME.report.html` beside the bundle `NAME.relens`."""
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    values = {"measured_at": when, **report.to_json()}
    write_whole(bundle.with_suffix(".report.json"), [json.dumps(values, indent=2).encode(), b"\n"])
    write_whole(bundle.with_suffix(".report.html"), [_html(report, when).encode()])


def _html(report: Report, when: str) -> str:
    template = Template(resources.files("relens.pipeline").joinpath("report.html").read_text(encoding="utf-8"))
    slowest = max((j.option.latency.median_ms for j in report.verdict.judged if j.option.latency), default=1.0)
    chosen = report.verdict.chosen
    return template.substitute(
        name=escape(report.name),
        headline=escape(f"{chosen.option.name} was chosen" if chosen else "No candidate meets the goals"),
        tone="good" if chosen else "bad",
        device=escape(report.device),
        metric=escape(report.verdict.metric),
        source=escape(f"{report.source_name} ({report.source['kind']})"),
        error=f"{report.source['max_error']:.1e}",
        kernels=escape(f", on emulated {report.verdict.kernels} kernels" if report.verdict.kernels else ""),
        rows="\n".join(_row(judged, slowest, judged is chosen) for judged in report.verdict.judged),
        host=escape(f"{report.host['processor']}, {report.host['cores']} cores, load {report.host['load_average']}"),
        when=when,
    )


def _row(judged: Judged, slowest: float, chosen: bool) -> str:
    option = judged.option
    score = f"{option.score.interval}" if option.score else "-"
    drop = f"{option.drop.value:+.3f} [{option.drop.low:+.3f}, {option.drop.high:+.3f}]" if option.drop else "-"
    latency, bar = "-", 0.0
    if option.latency:
        latency = f"{option.latency.median_ms:.2f} / {option.latency.p90_ms:.2f} / {option.latency.p99_ms:.2f}"
        bar = 100 * option.latency.median_ms / slowest
    memory = f"{option.memory.peak_mb:.0f}" if option.memory else "-"
    kind = "chosen" if chosen else "" if judged.acceptable else "lost"
    return (
        f'<tr class="{kind}"><th>{escape(option.name)}</th><td>{score}</td><td>{drop}</td>'
        f'<td><div class="bar" style="width:{bar:.0f}%"></div>{latency}</td><td>{memory}</td>'
        f"<td>{option.size_mb:.2f}</td><td>{escape(judged.reason)}</td></tr>"
    )
