"""`relens inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from relens.graph import Graph
    from relens.spec import Device


def inspect(
    model: Annotated[Path, typer.Argument(help="SavedModel folder, .keras, .h5, frozen .pb or any .tflite.")],
    device: Annotated[str, typer.Option(help="Device profile: this-machine, deeplens, or a profile file.")] = (
        "this-machine"
    ),
    as_json: AsJson = False,
) -> None:
    """Show what a model is made of and what it will ask of a device."""
    from relens.cli.screen import say, say_json, stages
    from relens.graph import Graph
    from relens.spec import device as profile

    target = profile(device)
    if model.suffix == ".tflite":
        graph = Graph.read(model)
    else:
        from relens.sources import import_model

        with stages() as progress:
            progress.stage("import")
            graph = import_model(model).graph
    facts = describe(graph, target)
    if as_json:
        say_json(facts)
    else:
        say(as_text(model.name, facts))


def describe(graph: "Graph", target: "Device") -> dict[str, Any]:
    """Everything `inspect` knows, as plain values."""
    from relens.graph import cost, findings

    total = cost(graph)
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
        "device": {"name": target.name, "title": target.title, "notes": _device_notes(total, target)},
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


def _device_notes(total: Any, target: "Device") -> list[str]:
    notes = [f"{target.processor}, {target.cores} cores, {target.memory_mb} MB; engines: {', '.join(target.engines)}"]
    share = total.predicted_memory_bytes / 1e6 / target.memory_mb
    notes.append(f"memory: about {100 * share:.1f} % of what it has" + ("; too much" if share > 0.5 else ""))
    if target.int8_saturates:
        notes.append("no VNNI: OpenVINO's int8 saturates with full 8-bit weights; LiteRT's does not")
    if target.architecture == "x86_64" and "avx2" not in target.instruction_sets:
        notes.append("no AVX2: int8 on LiteRT is faster than float here (measured 1.3 to 1.6 times on SSE4.1 kernels)")
    return notes
