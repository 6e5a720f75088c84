import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from relens.bundle.bundle import Bundle
from relens.bundle.manifest import Tolerance
from relens.bundle.writer import write_bundle
from relens.device import LiveFrame, run
from relens.errors import DeviceTrouble
from relens.graph import Graph

pytestmark = pytest.mark.alone


def test_a_run_ends_with_a_summary_of_what_it_did(flowers_bundle: Bundle, clip: Path) -> None:
    urls: list[str] = []
    codes: list[int] = []
    live: list[LiveFrame] = []

    def publish(one: LiveFrame) -> None:
        live.append(one)
        if one.number == 30:
            codes.append(urllib.request.urlopen(urls[0].replace("?", "healthz?")).status)

    summary = run(flowers_bundle, str(clip), frames=40, port=0, real_time=False, on_ready=urls.append, publish=publish)
    assert (summary.frames, len(live), summary.dropped, summary.errors, codes) == (40, 40, 0, 0, [200])
    assert "/?token=" in urls[0]
    assert summary.fps > 0 and summary.peak_memory_mb > 0 and "litert" in summary.engine
    assert len(repr(summary).splitlines()) <= 10
    assert json.loads(json.dumps(summary.to_json()))["stages"]["infer"]["median_ms"] > 0


def test_a_refused_bundle_does_not_run(flowers_bundle: Bundle, clip: Path) -> None:
    golden = flowers_bundle.golden[0]
    wrong = {name: values[::-1].copy() for name, values in golden.expected.items()}
    bundle = Bundle(
        flowers_bundle.path,
        flowers_bundle.sha256,
        flowers_bundle.manifest.model_copy(update={"tolerance": Tolerance(relative_rms=0.01)}),
        flowers_bundle.model,
        flowers_bundle.labels,
        (type(golden)(golden.name, golden.frame, wrong),),
    )
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-003"):
        run(bundle, str(clip), frames=1, live=False)


SCRIPT = """
import sys
from pathlib import Path
from relens.bundle.reader import open_bundle
from relens.device import run
bundle = open_bundle(Path(sys.argv[1]), Path(sys.argv[2]))
summary = run(bundle, sys.argv[3], port=0, on_ready=lambda url: print(url, flush=True))
print(summary, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_running_process_cleanly(
    flowers_bundle: Bundle, clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "flowers.relens"
    write_bundle(path, flowers_bundle.manifest, Graph.read(flowers_bundle.model), ("a",) * 5, flowers_bundle.golden)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, path, tmp_path, clip], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = process.stdout.readline()
    while healthz(url) != 200:
        pass
    os.kill(process.pid, number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.count("Traceback")) == (0, 0), errors
    assert "frames in" in output and "in a loop" in output


def healthz(url: str) -> int:
    try:
        return urllib.request.urlopen(url.strip().partition("?")[0] + "healthz").status
    except urllib.error.HTTPError as answer:
        code = answer.code
        answer.close()
        return code


def test_the_device_side_imports_without_the_workstation() -> None:
    blocked = ("tensorflow", "keras", "litert_quantizer", "pycocotools", "openvino")
    rooms = ("sources", "quantize", "measure.detection", "pipeline")
    script = f"""
import sys
for name in {[*blocked, *(f"relens.{room}" for room in rooms)]}:
    sys.modules[name] = None
import relens.device
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
