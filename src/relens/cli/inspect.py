"""`relens inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from relens.graph import Graph
    from relens.spec import Device, Goals


def inspect(
    model: Annotated[Path, typer.Argument(help="SavedModel folder, .keras, .h5, frozen .pb or any .tflite.")],
    device: Annotated[str, typer.Option(help="Device profile: this-machine, deeplens, or a profile file.")] = (
        "this-machine"
    ),
    project: Annotated[Path | None, typer.Option(help="A relens.toml, for its goals.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a model is made of and what it will ask of a device."""
    from relens.cli.screen import say, say_json, stages
    from relens.graph import Graph
    from relens.spec import device as profile
    from relens.spec import load

    target = profile(device)
    goals = load(project).goals if project else None
    if model.suffix == ".tflite":
        graph = Graph.read(model)
    else:
        from relens.sources import import_model

        with stages() as progress:
            progress.stage("import")
            graph = import_model(model).graph
    facts = describe(graph, target, goals)
    if as_json:
        say_json(facts)
    else:
        say(as_text(model.name, facts))


def describe(graph: "Graph", target: "Device", goals: "Goals | None" = None) -> dict[str, Any]:
    """Everything `inspect` knows, as plain values."""
    from relens.graph import cost, findings
    from relens.kit.versions import engine_versions
    from relens.measure.estimate import estimate
    from relens.pipeline.remarks import remarks

    total = cost(graph)
    likely = estimate(graph, target)
    said = remarks(graph, total, target, likely, engine_versions(target), goals)
    heaviest = sorted(total.ops, key=lambda op: -op.macs)[:5]
    return {
        "inputs": [_tensor(tensor) for tensor in graph.inputs],
        "outputs": [_tensor(tensor) for tensor in graph.outputs],
        "ops": dict(total.counts),
        "parameters": total.parameters,
        "macs": total.macs,
        "file_bytes": graph.size_bytes,
        "activation_peak_bytes": total.activation_peak_bytes,
        "predicted_memory_bytes": total.predicted_memory_bytes,
        "heaviest": [{"op": op.name, "output": op.output, "macs": op.macs} for op in heaviest if op.macs],
        "findings": [str(finding) for finding in findings(graph)],
        "device": {
            "name": target.name,
            "title": target.title,
            "notes": [_machine(target), *map(str, said)],
            "remarks": [remark.to_json() for remark in said],
            "latency": likely.to_json() if likely else None,
            "sources": [*target.sources, *(target.latency.sources if target.latency else ())],
        },
    }


def as_text(name: str, facts: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{name}  {facts['file_bytes'] / 1e6:.2f} MB as .tflite"]
    for kind in ("inputs", "outputs"):
        lines += [f"  {kind[:-1]:<7} {t['name']}  {t['shape']}  {t['dtype']}" for t in facts[kind]]
    ops = ", ".join(f"{op} {count}" for op, count in sorted(facts["ops"].items(), key=lambda item: -item[1]))
    lines += [
        f"  ops     {sum(facts['ops'].values())}: {ops}",
        f"  size    {facts['parameters'] / 1e6:.3f} M parameters, {facts['macs'] / 1e6:.1f} M multiply-adds",
        f"  memory  {facts['activation_peak_bytes'] / 1e6:.2f} MB of activations at the peak; about "
        f"{facts['predicted_memory_bytes'] / 1e6:.0f} MB on top of the interpreter",
    ]
    for op in facts["heaviest"]:
        share = 100 * op["macs"] / max(1, facts["macs"])
        lines.append(f"  {share:5.1f} %  {op['op']}  {op['output']}")
    lines += [f"  finding {finding}" for finding in facts["findings"]]
    lines.append(f"on {facts['device']['title']}:")
    lines += [f"  {line}" for line in facts["device"]["notes"]]
    return "\n".join(lines)


def _tensor(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype, "scale": tensor.scale}


def _machine(target: "Device") -> str:
    return f"{target.processor}, {target.cores} cores, {target.memory_mb} MB; engines: {', '.join(target.engines)}"
