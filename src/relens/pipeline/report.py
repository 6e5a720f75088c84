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
from relens.pipeline.chart import NARROW, WIDE, chart
from relens.pipeline.marks import limits_of, marks_of
from relens.pipeline.page import facts, legend, pictures, row
from relens.pipeline.side_by_side import SideBySide
from relens.pipeline.verdict import Verdict


@dataclass(frozen=True)
class Report:
    """What one build found. source: facts of the import. host: where it was measured.

    side_by_side: the float model and the chosen option on the same pictures, where there is something to see.
    """

    name: str
    source_name: str
    verdict: Verdict
    device: str
    source: dict[str, Any]
    host: dict[str, Any]
    side_by_side: SideBySide | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "device": self.device,
            "source": {"file": self.source_name, **self.source},
            "host": self.host,
            **self.verdict.to_json(),
            "side_by_side": self.side_by_side.to_json() if self.side_by_side else None,
        }


def write_report(report: Report, bundle: Path) -> None:
    """Write `NAME.report.json` and `NAME.report.html` beside the bundle `NAME.relens`."""
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    values = {"measured_at": when, **report.to_json()}
    write_whole(bundle.with_suffix(".report.json"), [json.dumps(values, indent=2).encode(), b"\n"])
    write_whole(bundle.with_suffix(".report.html"), [_html(report, when).encode()])


def _html(report: Report, when: str) -> str:
    template = Template(resources.files("relens.pipeline").joinpath("report.html").read_text(encoding="utf-8"))
    verdict = report.verdict
    times = [judged.option.latency.median_ms for judged in verdict.judged if judged.option.latency]
    return template.substitute(
        name=escape(report.name),
        headline=escape(f"{verdict.chosen.option.name} was chosen" if verdict.chosen else "No option meets the goals"),
        tone="good" if verdict.chosen else "bad",
        device=escape(report.device),
        facts=facts(verdict),
        chart=_chart(verdict),
        pictures=pictures(report.side_by_side) if report.side_by_side else "",
        metric=escape(verdict.metric),
        rows="\n".join(row(judged, max(times, default=1.0), judged is verdict.chosen) for judged in verdict.judged),
        source=escape(f"{report.source_name} ({report.source['kind']})"),
        error=f"{report.source['max_error']:.1e}",
        kernels=escape(verdict.emulation),
        host=escape(f"{report.host['processor']}, {report.host['cores']} cores, load {report.host['load_average']}"),
        when=when,
    )


def _chart(verdict: Verdict) -> str:
    """Twice, once for a phone: text in a picture that is merely made smaller cannot be read."""
    marks, limits = marks_of(verdict), limits_of(verdict)
    if not marks:
        return ""
    told = {"accuracy": verdict.metric, "latency": f"median latency, ms{verdict.emulation}"}
    drawn = "\n".join(chart(marks, limits, **told, shape=shape) for shape in (WIDE, NARROW))
    return f"<figure>\n{drawn}\n{legend(marks, len(verdict.judged) - len(marks))}\n</figure>"
