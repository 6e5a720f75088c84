"""Prove a bundle on an emulated device: the camera side there against the camera side here, answer by answer."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.device.checks import relative_rms
from relens.device.witness import ABSENT
from relens.errors import BadConfig, DeviceTrouble
from relens.files import write_whole
from relens.kit.emulator import Emulator, died_of
from relens.spec import Device

FLOAT_TOLERANCE = 1e-3
"""The largest relative RMS difference of a float output; int8 has to be the same bit for bit.

XNNPACK's float kernels differ in their order of summation: 2.3e-4 was the most in shared/facts, of a dynamic range.
"""
LIMIT_S = 1800.0


@dataclass(frozen=True)
class Answered:
    """What one run answered. facts: see `relens.device.witness`; seconds: of the whole process."""

    facts: Mapping[str, Any]
    answers: Mapping[str, NDArray[np.float32]]
    seconds: float


@dataclass(frozen=True)
class Proof:
    """What an emulated device answered beside this machine.

    worst: the largest relative RMS difference over all outputs and frames; differing: outputs that are not the same to
    the bit, of how many. reasons: why it does not hold; empty where it does.
    """

    device: str
    bundle: str
    emulator: str
    processor: str
    engine: str
    libc: str
    environment: str
    golden: int
    live: int
    outputs: int
    differing: int
    worst: float
    must_be_exact: bool
    absent: tuple[str, ...]
    seconds: float
    reasons: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it does on the device what it does here."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        worst = self.worst if np.isfinite(self.worst) else None  # JSON knows no infinity
        return {"holds": self.holds, **vars(self), "worst": worst}

    def __repr__(self) -> str:
        same = (
            f"all {self.outputs} outputs the same to the bit"
            if not self.differing
            else f"{self.differing} of {self.outputs} outputs differ, relative RMS {self.worst:.1e} at most"
        )
        lines = [
            f"{'proven' if self.holds else 'NOT PROVEN'}: {self.bundle} on {self.device}",
            f"  {self.processor} by {self.emulator}; {self.libc}; {self.environment}",
            f"  {self.engine}",
            f"  {self.golden} golden frames and {self.live} live ones: {same}",
            f"  not there, and not needed: {', '.join(self.absent) or 'nothing'}",
        ]
        return "\n".join([*lines, *(f"  because {reason}" for reason in self.reasons)])

    def raise_if_not(self) -> None:
        """Do nothing when it holds.

        Raises:
            DeviceTrouble: RL-KIT-007 with the first reason.
        """
        if self.reasons:
            raise DeviceTrouble(
                "RL-KIT-007",
                f"{self.bundle} does not do on {self.device} what it does here: {self.reasons[0]}",
                hint="build it for this device's profile; relens prove --json tells all reasons",
                details=self.to_json(),
            )


def prove(
    bundle: Path,
    device: Device,
    *,
    kit: Path | None = None,
    root: Path | None = None,
    camera: str = "golden",
    frames: int = 10,
    stage: Callable[[str], None] = lambda _: None,
) -> Proof:
    """Run the camera side with a bundle on an emulated device, and on this machine, and compare all answers.

    An instruction that the device's processor has not ends the emulated run. Emulated time says nothing about the
    device's.

    Args:
        bundle: a `NAME.relens`.
        device: with `[emulation]` in its profile.
        kit: run what this kit installs; None runs this Python's own packages, TensorFlow and the like taken away.
        root: a root file system whose C library stands in for this system's.
        camera: what the live loop shows; `golden`: the bundle's own golden frames.
        frames: how many live frames.
        stage: told what is done at the moment.

    Raises:
        BadConfig: RL-KIT-005, also for a device of another architecture than this machine's.
        DeviceTrouble: RL-KIT-006 without qemu, -007 when this machine itself refuses, or the kit does not install.
    """
    if device.architecture != platform.machine():
        raise BadConfig(
            "RL-KIT-005",
            f"{device.title} is {device.architecture}, and the packages here are for {platform.machine()}",
            hint=f"prove it on a machine of its kind: relens verify {bundle.name} on the device itself",
        )
    emulator = Emulator.of(device, root)
    with TemporaryDirectory(prefix="relens-prove-") as folder:
        place = Path(folder)
        stage("install" if kit else "prepare")
        environment = _installed(kit, place / "kit") if kit else _here(place)
        wanted = [str(bundle.absolute()), camera, str(frames)]
        stage("here")
        here = _run(environment, None, wanted, place / "here")
        if isinstance(here, str):
            raise DeviceTrouble("RL-KIT-007", f"{bundle} does not run here: {here}", hint=f"relens verify {bundle}")
        stage("emulated")
        there = _run(environment, emulator, wanted, place / "there")
    return compared(
        device, emulator, bundle, "this Python's packages" if kit is None else kit.name, frames, here, there
    )


def into_report(proof: Proof, bundle: Path) -> list[Path]:
    """Put a proof beside its bundle, and into its report where there is one; the files that were written."""
    written = [bundle.with_suffix(".proof.json")]
    write_whole(written[0], [json.dumps(proof.to_json(), indent=2).encode(), b"\n"])
    report, page = bundle.with_suffix(".report.json"), bundle.with_suffix(".report.html")
    if report.exists():
        values = json.loads(report.read_text(encoding="utf-8"))
        values["proofs"] = {**values.get("proofs", {}), proof.device: proof.to_json()}
        write_whole(report, [json.dumps(values, indent=2).encode(), b"\n"])
        written.append(report)
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        before, mark, rest = text.partition("<!--proof-->")
        _, end, after = rest.partition("<!--/proof-->")
        if mark and end:
            sheets = "".join(_sheet(one) for one in values["proofs"].values())
            write_whole(page, [f"{before}{mark}{sheets}{end}{after}".encode()])
            written.append(page)
    return written


def _sheet(proof: Mapping[str, Any]) -> str:
    tone, word = ("good", "Proven") if proof["holds"] else ("bad", "Not proven")
    same = f"{proof['outputs'] - proof['differing']} of {proof['outputs']} the same to the bit"
    rows = {
        "processor": f"{proof['processor']}, {proof['emulator']}",
        "C library": proof["libc"],
        "ran": f"{proof['environment']}; {proof['engine']}",
        "frames": f"{proof['golden']} golden, {proof['live']} live",
        "outputs": f"{same}; largest relative RMS difference {_told(proof['worst'])}",
        "not there": ", ".join(proof["absent"]),
        "because": "; ".join(proof["reasons"]),
    }
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows.items() if text)
    return (
        f'<h2><b class="{tone}">{word}</b> on an emulated {escape(proof["device"])}</h2>'
        f"<p>The camera side, run on its processor by emulation. It tells what is answered, not how fast.</p>"
        f'<div class="sheet"><table><tbody>{lines}</tbody></table></div>'
    )


def _told(worst: float | None) -> str:
    return "beyond measure" if worst is None else f"{worst:.1e}"


@dataclass(frozen=True)
class _Environment:
    """A Python as a file, and what it finds packages in."""

    python: Path
    variables: Mapping[str, str]


def _here(place: Path) -> _Environment:
    """This Python without what a camera has not: a folder of links to the packages that may be there."""
    kept = place / "packages"
    kept.mkdir()
    for folder in map(Path, sys.path):
        if folder.is_dir() and folder.name in ("site-packages", "dist-packages"):
            for one in folder.iterdir():
                if one.name.partition("-")[0].partition(".")[0] not in ABSENT and not (kept / one.name).exists():
                    (kept / one.name).symlink_to(one)
    if not (kept / "relens").exists():
        (kept / "relens").symlink_to(str(resources.files("relens")))
    return _Environment(Path(sys.executable).resolve(), {"PYTHONPATH": str(kept)})


def _installed(kit: Path, place: Path) -> _Environment:
    command = ["sh", str(kit), "--prefix", str(place), "--state", str(place / "state"), "--no-service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceTrouble(
            "RL-KIT-007",
            f"{kit} does not install here: {(done.stderr or done.stdout).strip()[-500:]}",
            hint=f"sh {kit} --check",
        )
    (packages,) = (place / "current/venv/lib").glob("python3*/site-packages")
    python = (place / "current/venv/bin/python").resolve()
    return _Environment(python, {"PYTHONPATH": str(packages)})


def _run(environment: _Environment, emulator: Emulator | None, wanted: list[str], out: Path) -> Answered | str:
    """What it answered, or why it did not."""
    out.mkdir()
    command: list[str] = [str(environment.python), "-S", "-s", "-X", "faulthandler", "-m", "relens.device.witness"]
    command = emulator.command(command) if emulator else command
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    began = perf_counter()
    try:
        done = subprocess.run(
            [*command, *wanted, str(out)],
            env={**kept, **environment.variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {LIMIT_S / 60:.0f} minutes"
    if done.returncode:
        signal = died_of(done.stderr)
        lines = [line for line in done.stderr.strip().splitlines() if line.strip() and "qemu: " not in line]
        where = next((line.strip() for line in lines if line.lstrip().startswith("File ")), "")
        if signal:
            return f"it died of {signal.lower()}, {where}"
        return lines[-1] if lines else f"it ended with {done.returncode}"
    with np.load(out / "answers.npz") as kept_answers:
        answers = {name: kept_answers[name] for name in kept_answers.files}
    facts = json.loads((out / "facts.json").read_text(encoding="utf-8"))
    return Answered(facts, answers, perf_counter() - began)


def compared(
    device: Device,
    emulator: Emulator,
    bundle: Path,
    environment: str,
    frames: int,
    here: Answered,
    there: Answered | str,
) -> Proof:
    """What two runs of the same packages answered, beside each other. there: or why it did not answer."""
    exact = here.facts["precision"] == "int8"
    name = f"{bundle.stem} {here.facts['bundle'][:12]}"
    processor = f"{device.processor} (-cpu {emulator.cpu})"
    if isinstance(there, str):
        return Proof(
            device.name, name, emulator.version, processor, "", "", environment, 0, 0, len(here.answers),
            len(here.answers), float("inf"), exact, (), 0.0, (there,),
        )  # fmt: skip
    differing, worst = 0, 0.0
    for key, values in here.answers.items():
        other = there.answers.get(key)
        if other is None or not np.array_equal(other, values):
            error = float("inf") if other is None else relative_rms(other, values)
            differing, worst = differing + 1, max(worst, error)
    facts = there.facts
    reasons = [
        f"{check['name']}: expected {check['expected']}, found {check['found']}"
        for check in facts["checks"]
        if not check["passed"]
    ]
    if not here.answers or set(there.answers) != set(here.answers):
        reasons.append(f"it answered other frames: {len(there.answers)} outputs, and {len(here.answers)} here")
    if facts["engine"] != here.facts["engine"] and here.facts["engine"].partition(" ")[0] == "litert":
        reasons.append(f"it ran {facts['engine']}, and here {here.facts['engine']}")
    if exact and differing:
        reasons.append(f"{differing} of {len(here.answers)} int8 outputs are not the same to the bit")
    elif worst > FLOAT_TOLERANCE:
        reasons.append(f"outputs differ by a relative RMS of {worst:.1e}, and {FLOAT_TOLERANCE:.0e} is allowed")
    reasons += [f"it loaded {name}, which a camera has not" for name in facts["loaded"]]
    there_all_the_same = [name for name in ABSENT if name not in facts["absent"] and name not in facts["loaded"]]
    reasons += [f"{name} can be imported, which a camera has not" for name in there_all_the_same]
    if exact and facts["predictions"] != here.facts["predictions"]:
        reasons.append("what was decoded from the same outputs differs")
    if facts["live"] < frames:
        reasons.append(f"it answered {facts['live']} live frames of {frames}")
    return Proof(
        device.name, name, emulator.version, processor, facts["engine"], facts["libc"], environment, facts["golden"],
        facts["live"], len(here.answers), differing, worst, exact, tuple(facts["absent"]), there.seconds,
        tuple(reasons),
    )  # fmt: skip
