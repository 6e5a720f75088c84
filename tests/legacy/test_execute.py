"""How functions run: loops at import, timers, threads, handlers; and how they end."""

import json
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relens.errors import DeviceTrouble, LegacyTrouble

HEAD = """
import json, os, sys, time
from threading import Thread, Timer
import awscam, greengrasssdk
client = greengrasssdk.client('iot-data')
def say(*values):
    client.publish(topic='said', payload=json.dumps(values))
"""


def test_a_function_that_arms_a_timer_again_and_again_goes_on(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
def greengrass_infinite_infer_run():
    ret, frame = awscam.getLastFrame()
    say(frame.shape[2])
    Timer(0.05, greengrass_infinite_infer_run).start()
greengrass_infinite_infer_run()
def function_handler(event, context):
    raise RuntimeError('not to be called')
"""
    )
    summary = run_text(text, frames=5)
    assert (summary.frames, summary.published, summary.ended) == (5, 5, "ended as asked")


def test_a_function_that_works_in_a_thread_goes_on(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
def work():
    while True:
        ret, frame = awscam.getLastFrame()
        say(1)
Thread(target=work).start()
"""
    )
    assert run_text(text, frames=5).published == 5


def test_a_handler_without_a_loop_is_called_again_and_again(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
def lambda_handler(event, context):
    ret, frame = awscam.getLastFrame()
    say(event, context)
"""
    )
    summary = run_text(text, frames=2)
    assert [json.loads(one["payload"]) for one in summary.messages] == [[{}, None]] * 2
    assert summary.warnings == ("the function waits to be called: lambda_handler is, every 1 s",)


def test_an_empty_handler_keeps_no_function_that_has_ended(run_text: Callable[..., Any]) -> None:
    for body in ("return", "pass", "'Empty.'", "return 'done'"):
        text = (
            HEAD
            + f"""
def lambda_handler(event, context):
    {body}
try:
    labels = open('labels.txt')
except Exception as ex:
    client.publish(topic='t', payload='Error in lambda: ' + str(ex))
"""
        )
        with pytest.raises(LegacyTrouble, match=r"opens labels\.txt") as raised:
            run_text(text)
        assert raised.value.code == "RL-LEGACY-007"


def test_a_zip_is_unpacked_and_its_modules_are_found(run_text: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "lambda.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "greengrassHelloWorld.py",
            HEAD + "import local\nfor _ in range(9):\n    awscam.getLastFrame()\nsay(local.ANSWER)\n",
        )
        archive.writestr("local.py", "ANSWER = 42\n")
        archive.writestr("greengrasssdk/__init__.py", "raise RuntimeError('not this one')\n")
    summary = run_text("", function=path)
    assert summary.function == "greengrassHelloWorld.py"
    assert [one["payload"] for one in summary.messages] == ["[42]"]


def test_a_zip_that_leaves_its_folder_is_refused(run_text: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "lambda.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lambda_function.py", "")
        archive.writestr("../outside.py", "")
    with pytest.raises(LegacyTrouble, match=r"'\.\./outside\.py', which is not a file within it"):
        run_text("", function=path, folder=tmp_path / "run")
    assert not (tmp_path / "run/outside.py").exists()


def test_a_handler_names_its_module(run_text: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "one.py").write_text(HEAD + "def go(event, context):\n    awscam.getLastFrame()\n    say('one')\n")
    (folder / "two.py").write_text("")
    summary = run_text("raise RuntimeError('not this one')", function=folder, handler="one.go", frames=1)
    assert summary.messages[0]["payload"] == '["one"]'
    (folder / "lambda_function.py").unlink()
    with pytest.raises(LegacyTrouble, match=r"There is one\.py, two\.py") as raised:
        from relens import legacy

        legacy.run(folder, folder, "0", live=False)
    assert raised.value.code == "RL-LEGACY-002"


def test_python_files_that_are_not_there_are_said(run_text: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(LegacyTrouble) as raised:
        run_text("", function=tmp_path / "nothing.py")
    assert raised.value.code == "RL-LEGACY-002"


CRASHES = {
    "RL-LEGACY-001": ("def broken(:\n    pass\n", "lambda_function.py"),
    "RL-LEGACY-003": (
        "import awscam\nawscam.Model('/opt/awscam/artifacts/mine.xml', {'GPU': 1})",
        "asks for /opt/awscam/artifacts/mine.xml",
    ),
    "RL-LEGACY-006": (
        "import awscam\nimport mxnet as mx\n",
        "imports mxnet, and it is not here (lambda_function.py, line 2)",
    ),
    "RL-LEGACY-007": (
        "import awscam\nlabels = open('labels.txt').read()\n",
        "opens labels.txt, and there is none (lambda_function.py, line 2)",
    ),
    "RL-LEGACY-009": (
        "import awscam\ndef f():\n    1 / 0\nf()\n",
        "failed (lambda_function.py, line 3): ZeroDivisionError",
    ),
    "RL-LEGACY-010": ("import awscam\n", "ended by itself after 0 frames"),
    "RL-LEGACY-011": ("import greengrasssdk\ngreengrasssdk.client('lambda')\n", "client('lambda')"),
}


@pytest.mark.parametrize("code", CRASHES)
def test_why_a_function_ended_has_a_code_and_a_line(run_text: Callable[..., Any], code: str) -> None:
    text, message = CRASHES[code]
    with pytest.raises(LegacyTrouble) as raised:
        run_text(text)
    assert raised.value.code == code and message in raised.value.message, raised.value


def test_a_crash_shows_the_functions_own_lines(run_text: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LegacyTrouble):
        run_text(CRASHES["RL-LEGACY-009"][0])
    told = capfd.readouterr().err
    assert "line 4, in <module>\n    f()" in told and "ZeroDivisionError" in told and "execute.py" not in told


def test_an_error_that_a_function_hides_is_told_all_the_same(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
try:
    awscam.getLastFrame()
    raise ValueError('too dark')
except Exception as ex:
    client.publish(topic='t', payload='Error in lambda: {}'.format(ex))
"""
    )
    with pytest.raises(LegacyTrouble, match=r"after 1 frames: .* published is: Error in lambda: too dark") as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-010"
    text = text.replace("awscam.getLastFrame()", "open('labels.txt')")
    with pytest.raises(LegacyTrouble, match=r"opens labels\.txt, and there is none") as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-007"


def test_missing_files_are_listed_before_the_run(run_text: Callable[..., Any], tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(LegacyTrouble):
        run_text("with open('labels.txt', 'r') as f:\n\tlabels = f.read()\n", on_note=notes.append)
    assert notes[0] == "lambda_function.py opens labels.txt, which is not beside it"


def test_a_process_that_is_killed_is_told(run_text: Callable[..., Any]) -> None:
    text = HEAD + "awscam.getLastFrame()\nos.kill(os.getpid(), 9)\n"
    with pytest.raises(LegacyTrouble, match="ended without a word, with status -9"):
        run_text(text)


def test_a_thread_that_fails_is_a_warning_and_a_timer_that_fails_is_the_end(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
def fail():
    raise ValueError('no')
thread = Thread(target=fail, name='display')
thread.start()
thread.join()
awscam.getLastFrame()
"""
    )
    assert run_text(text).warnings == ("display of the function ended: ValueError: no (lambda_function.py, line 10)",)
    text = text.replace("thread = Thread(target=fail, name='display')", "thread = Timer(0.01, fail)")
    with pytest.raises(LegacyTrouble, match=r"line 10\): ValueError: no"):
        run_text(text)


def test_a_thread_of_python_2s_own_kind_is_at_work(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
import thread
def work():
    for number in range(3):
        awscam.getLastFrame()
        print "frame", number
        time.sleep(0.1)
thread.start_new_thread(work, ())
"""
    )
    assert run_text(text).frames == 3


@pytest.mark.parametrize("name", ["function_handler", "lambda_handler", "handler"])
def test_whatever_a_handler_is_called_it_is_called(name: str, run_text: Callable[..., Any]) -> None:
    text = HEAD + f"def {name}(event, context):\n    say(event, context)\n    awscam.getLastFrame()\n"
    summary = run_text(text, frames=1)
    assert [json.loads(message["payload"]) for message in summary.messages][-1] == [{}, None]


def test_a_handler_that_raises_is_the_end(run_text: Callable[..., Any]) -> None:
    text = HEAD + "def lambda_handler(event, context):\n    awscam.getLastFrame()\n    raise KeyError('label')\n"
    with pytest.raises(LegacyTrouble, match=r"RL-LEGACY-009.*KeyError: 'label'"):
        run_text(text)


@pytest.mark.parametrize(
    "lines",
    [
        "import botocore.session\nsession = botocore.session.Session()",
        "from botocore.session import Session\nsession = Session()",
        "import botocore.session\nsession = botocore.session.get_session()",
    ],
)
def test_credentials_are_there_by_every_way_that_functions_ask_for_them(
    lines: str, run_text: Callable[..., Any]
) -> None:
    text = (
        HEAD
        + lines
        + "\nkey = session.get_credentials().access_key\nawscam.getLastFrame()\nsay(isinstance(key, str))\n"
    )
    assert [json.loads(message["payload"]) for message in run_text(text).messages] == [[True]]


def test_a_worker_that_fails_and_an_exit_with_a_status_are_failures(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
def work():
    awscam.getLastFrame()
    raise ValueError('no')
Thread(target=work).start()
"""
    )
    with pytest.raises(LegacyTrouble, match=r"line 11\): ValueError: no"):
        run_text(text)
    with pytest.raises(LegacyTrouble, match=r"RL-LEGACY-009.*sys\.exit\(3\)"):
        run_text(HEAD + "import sys\nawscam.getLastFrame()\nsys.exit(3)\n")
    assert run_text(HEAD + "import sys\nawscam.getLastFrame()\nsys.exit(0)\n").frames == 1


def test_what_a_function_has_written_is_there_when_it_is_ended(run_text: Callable[..., Any], tmp_path: Path) -> None:
    text = HEAD + "log = open('/tmp/log.csv', 'w')\nwhile True:\n    awscam.getLastFrame()\n    log.write('one\\n')\n"
    run_text(text, frames=3, folder=tmp_path / "kept")
    assert (tmp_path / "kept/tmp/log.csv").read_text() == "one\n" * 3


def test_what_a_function_has_forked_neither_holds_the_run_up_nor_outlives_it(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
awscam.getLastFrame()
child = os.fork()
if child == 0:
    time.sleep(300)
say(child)
"""
    )
    began = time.monotonic()
    summary = run_text(text)
    (message,) = summary.messages
    assert time.monotonic() - began < 30
    status = Path(f"/proc/{json.loads(message['payload'])[0]}/status")
    for _ in range(50):
        if not status.exists() or "State:\tZ" in status.read_text():  # dead, and not yet buried by its new parent
            break
        time.sleep(0.1)
    else:
        raise AssertionError(status.read_text())


def test_nothing_that_lies_where_we_stand_is_taken_for_a_library(
    run_text: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ctypes.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    assert run_text(HEAD + "awscam.getLastFrame()\n").frames == 1


def test_a_function_that_does_not_ask_again_is_ended_after_its_last_frame(
    run_text: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relens.legacy.process.GRACE_S", 1.0)
    began = time.monotonic()
    summary = run_text(HEAD + "awscam.getLastFrame()\nsay(1)\ntime.sleep(100)\n", frames=1)
    assert (summary.published, summary.frames) == (1, 1) and time.monotonic() - began < 10


def test_a_function_that_tries_for_ever_without_its_model_is_told_what_it_lacks(
    run_text: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relens.legacy.process.HOPELESS_S", 1.0)
    text = HEAD + "import mo\nwhile mo.optimize('deploy_ssd_golf', 300, 300)[0]:\n    time.sleep(0.1)\n"
    with pytest.raises(LegacyTrouble) as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-003"
    text = (
        HEAD
        + """
def again():
    try:
        awscam.Model('/opt/awscam/artifacts/mxnet_deploy_ssd_golf_FP16_FUSED.xml', {'GPU': 1})
    except Exception as error:
        say(str(error))
    Timer(0.3, again).start()
awscam.getLastFrame()
again()
"""
    )
    with pytest.raises(LegacyTrouble) as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-003"


def test_a_camera_that_cannot_be_opened_is_said_first(run_text: Callable[..., Any]) -> None:
    with pytest.raises(DeviceTrouble) as raised:
        run_text("", camera="nowhere")
    assert raised.value.code == "RL-CAMERA-002"


def test_a_slow_function_on_a_live_camera_gets_the_newest_frame(
    run_text: Callable[..., Any], shared_data: Path
) -> None:
    text = HEAD + "while True:\n    awscam.getLastFrame()\n    time.sleep(0.3)\n"
    clip = shared_data / "video/bottle-detection.mp4"
    summary = run_text(text, camera=str(clip), real_time=True, frames=5)
    assert summary.frames == 5 and summary.dropped >= 10


def test_the_command_ends_with_sigint_and_prints_json(bundles: Path, pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "lambda_function.py"
    file.write_text(
        HEAD
        + "while True:\n    awscam.getLastFrame()\n    print('a line of its own')\n    say(1)\n    time.sleep(0.02)\n"
    )
    command = [sys.executable, "-m", "relens", "legacy", "run", str(file), "--models", str(bundles)]
    command += ["--camera", str(pictures), "--no-page", "--json", "--fast", "--env", "A=1"]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        reading = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
        reading.start()
        while len(lines) < 5:
            assert process.poll() is None, lines
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
        reading.join()
    assert process.wait() == 0 and summary["frames"] >= 5 and summary["ended"] == "ended as asked"
    assert "a line of its own\n" in lines


def test_a_function_dies_with_the_command(bundles: Path, pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "lambda_function.py"
    file.write_text(HEAD + "awscam.getLastFrame()\nprint(os.getpid(), flush=True)\nwhile True:\n    time.sleep(1)\n")
    command = [sys.executable, "-m", "relens", "legacy", "run", str(file), "--models", str(bundles)]
    process = subprocess.Popen(
        [*command, "--camera", str(pictures), "--no-page"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    child = int(process.stderr.readline())
    process.kill()
    process.wait()
    process.stderr.close()
    end_s = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < end_s, "the function outlived its parent"
        time.sleep(0.05)
