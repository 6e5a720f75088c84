"""A camera that follows a repository on a real web server takes what is signed, new and whole, and nothing else."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tuf.api.exceptions import SlowRetrievalError

from relens.bundle import open_bundle
from relens.deliver import publish, replace_key, roll_back, withdraw
from relens.device.agent import Store
from relens.device.agent.download import Pace, WebFetcher
from relens.device.agent.draw import draw
from relens.device.agent.trust import enrol, fetch
from relens.errors import BadConfig, DeliveryTrouble

# python-tuf leaves its connections to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
QUICK = Pace(silent_s=1, watch_s=1, metadata_s=2)


def test_what_a_channel_offers_is_brought_once(desk, camera) -> None:
    assert fetch(camera, "cam1") is None, "nothing is offered yet"
    desk.offer("other", channel="canary")
    first = desk.offer("first")
    assert fetch(camera, "cam1") == first
    assert fetch(camera, "cam1") is None, "it waits in the inbox"
    (file,) = camera.inbox.waiting()
    assert camera.take(file).sha256.startswith(first)
    file.unlink()
    assert fetch(camera, "cam1") is None, "it is here"

    second = desk.offer("second")
    camera.mark(second, "it failed here")
    assert fetch(camera, "cam1") is None, "it is not taken again"
    withdraw(desk.repository, "stable", desk.keys)
    assert fetch(camera, "cam1") is None


def test_a_repository_in_a_folder_is_one_too(desk, tmp_path) -> None:
    bundle = desk.offer("first")
    store = Store(tmp_path / "other state")
    enrol(store, desk.repository / "metadata/1.root.json", str(desk.repository))
    assert fetch(store, "cam1") == bundle
    shutil.move(desk.repository, tmp_path / "gone")
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-003"):
        fetch(store, "cam1")


def test_an_attack_is_refused_and_nothing_of_it_is_kept(desk, camera, monkeypatch, attack, code) -> None:
    desk.offer("first")
    desk.copy_to("before")
    desk.offer("second")
    fetch(camera, "cam1")
    for file in camera.inbox.waiting():
        camera.take(file)
        file.unlink()
    known = sorted(camera.stored())
    attack(desk, monkeypatch)

    began = time.monotonic()
    with pytest.raises(DeliveryTrouble, match=code) as caught:
        fetch(camera, "cam1", QUICK)

    assert time.monotonic() - began < 15
    assert caught.value.hint
    assert (camera.inbox.waiting(), sorted(camera.stored())) == ([], known)
    assert {one.name for one in (camera.folder / "trust").iterdir()} <= {"follows.json", "metadata", "offer", "coming"}
    assert sum(one.stat().st_size for one in camera.folder.glob("trust/coming/*")) < 100


@pytest.mark.parametrize("name", ["targets", "online", "root"])
def test_a_key_that_is_replaced_is_followed(desk, camera, name) -> None:
    first = desk.offer("first")
    assert fetch(camera, "cam1") == first
    replace_key(desk.repository, desk.keys, name)
    second = desk.offer("second")
    assert fetch(camera, "cam1") == second
    late = Store(desk.folder / "late")
    enrol(late, desk.repository / "metadata/1.root.json", desk.url)
    assert fetch(late, "cam1") == second, "also by a camera that has slept meanwhile"


def test_only_a_root_can_be_pinned(desk, tmp_path) -> None:
    store = Store(tmp_path / "state")
    for file in (desk.repository / "metadata/timestamp.json", tmp_path / "none", desk.write("first")):
        with pytest.raises(DeliveryTrouble, match="RL-DELIVER-004"):
            enrol(store, file, desk.url)
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-006"):
        fetch(store, "cam1")


def test_a_clock_that_is_not_set_judges_nothing(desk, camera, monkeypatch) -> None:
    desk.offer("first")
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-005.*clock"):
        fetch(camera, "cam1")


def test_a_bundle_that_is_cut_off_goes_on_where_it_was(desk, camera) -> None:
    desk.offer("first")
    size = desk.target().stat().st_size
    desk.server.cuts_at = size // 3
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-003.*more expected"):
        fetch(camera, "cam1", QUICK)
    assert desk.server.given == size // 3
    assert fetch(camera, "cam1", QUICK) is not None
    assert desk.server.given == size, "no byte of it twice"
    assert list((camera.folder / "trust/coming").iterdir()) == []
    install_what_waits(camera)

    desk.offer("second")
    desk.server.cuts_at, desk.server.knows_ranges = 500, False
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-003"):
        fetch(camera, "cam1", QUICK)
    assert fetch(camera, "cam1", QUICK) is not None, "a server that knows no ranges gives all of it again"
    install_what_waits(camera)

    desk.offer("third")
    desk.server.cuts_at = 500
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-003"):
        fetch(camera, "cam1", QUICK)
    (come,) = (camera.folder / "trust/coming").iterdir()
    come.write_bytes(bytes(come.stat().st_size))
    desk.server.knows_ranges = True
    assert fetch(camera, "cam1", QUICK) is not None, "what was wrong is dropped, and asked for again"


def test_a_question_that_was_killed_stands_in_no_ones_way(desk, camera, until) -> None:
    bundle, slowly = desk.offer("first"), "100"
    command = [sys.executable, "-m", "relens.device.agent.fetch", camera.folder, "cam1", slowly]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as asking:
        until(lambda: [one for one in camera.folder.glob("trust/coming/*") if one.is_file()])
        asking.kill()
    assert len(list((camera.folder / "trust/coming").iterdir())) == 2, "a part of it, and a room for the whole"
    assert fetch(camera, "cam1", QUICK) == bundle
    assert list((camera.folder / "trust/coming").iterdir()) == []


def test_a_liars_bytes_are_not_held_against_the_honest(desk, camera) -> None:
    bundle = desk.offer("first")
    honest = desk.target().read_bytes()
    desk.target().write_bytes(bytes(len(honest)))
    desk.server.cuts_at = 20_000
    with pytest.raises(DeliveryTrouble):
        fetch(camera, "cam1", QUICK)
    desk.target().write_bytes(honest)
    assert fetch(camera, "cam1", QUICK) == bundle


def test_an_answer_whose_head_drips_is_left() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.1):
                    connection.sendall(b"a")

        dripping = threading.Thread(target=drip)
        dripping.start()
        fetcher = WebFetcher(Pace(silent_s=1, metadata_s=2))
        began = time.monotonic()
        with pytest.raises(SlowRetrievalError):
            fetcher.download_bytes(f"http://127.0.0.1:{server.getsockname()[1]}/metadata/timestamp.json", 1000)
        assert time.monotonic() - began < 10
        over.set()
        dripping.join()


def test_only_what_changed_is_asked_for(desk, camera, write) -> None:
    first = desk.offer("first")
    assert ask(camera) == first
    whole = desk.server.given
    assert whole == desk.target().stat().st_size

    second = desk.offer("second")  # another name, and nothing else
    assert ask(camera) == second
    changed = desk.server.given - whole
    assert 0 < changed < whole / 5, f"{changed} of {whole} bytes"

    desk.server.knows_ranges, before = False, desk.server.given
    plain = desk.offer("plain server")
    assert ask(camera) == plain
    assert desk.server.given - before == desk.target().stat().st_size, "all of it, and once"
    desk.server.knows_ranges = True

    kept = camera.bundles / second / "bundle.relens"
    damaged = bytearray(kept.read_bytes())
    damaged[-1] ^= 1
    kept.write_bytes(damaged)
    third = desk.offer("third")
    assert ask(camera) == third, "whatever lies here, what comes out is what was signed"


def test_a_camera_leaves_the_line_to_others(desk, camera) -> None:
    desk.offer("first")
    bits = desk.target().stat().st_size * 8
    began = time.monotonic()
    assert fetch(camera, "cam1", Pace(max_kbit_s=bits / 1000 / 2)) is not None
    assert time.monotonic() - began > 1.5


def install_by_hand(store: Store, file: Path) -> str:
    """As `relens device install` does, but for the golden frames."""
    bundle = store.take(file).sha256[:12]
    store.accept(bundle, b"{}")
    store.activate(bundle)
    store.confirm(bundle)
    return bundle


def install_what_waits(store: Store) -> None:
    """As an agent does."""
    for file in store.inbox.waiting():
        install_by_hand(store, file)
        file.unlink()


def ask(store: Store, camera: str = "cam1") -> str | None:
    """What a camera runs after a question."""
    fetch(store, camera)
    install_what_waits(store)
    return store.standing().active


def test_a_share_of_the_cameras_gets_it_first_and_the_same_ones_later(desk, tmp_path) -> None:
    first = desk.offer("first")
    cameras = {f"cam{number}": Store(tmp_path / f"cam{number}") for number in range(12)}
    for store in cameras.values():
        enrol(store, desk.repository / "metadata/1.root.json", str(desk.repository))
    assert {ask(store, name) for name, store in cameras.items()} == {first}

    bundle = open_bundle(desk.write("second"), tmp_path)
    have: set[str] = set()
    for share in (0.2, 0.5, 1.0):
        publish(desk.repository, bundle, "stable", desk.keys, share=share)
        runs = {name for name, store in cameras.items() if ask(store, name) == bundle.sha256[:12]}
        assert have <= runs == {name for name in cameras if draw(name, bundle.sha256) < share}
        have = runs
    assert len(have) == 12
    with pytest.raises(BadConfig, match="no share"):
        publish(desk.repository, bundle, "stable", desk.keys, share=0.0)


def test_what_is_taken_back_is_left_and_what_was_before_runs_again(desk, camera) -> None:
    first = desk.offer("first")
    assert ask(camera) == first
    second = desk.offer("second")
    assert ask(camera) == second

    assert roll_back(desk.repository, "stable", desk.keys).bundle == first
    assert ask(camera) == first, "also where it was confirmed"
    assert camera.stored()[second].bad == "withdrawn by the repository"
    assert desk.offer("second") == second
    assert ask(camera) == second, "offered again, it is taken again"

    third = open_bundle(desk.write("third"), desk.folder)
    publish(desk.repository, third, "stable", desk.keys, share=1 - 1e-9)
    assert ask(camera) == third.sha256[:12]
    assert roll_back(desk.repository, "stable", desk.keys).bundle == second
    assert ask(camera) == second


def test_what_was_taken_back_on_one_channel_is_not_taken_from_another(desk, camera) -> None:
    desk.offer("first")
    desk.offer("first", channel="canary")
    roll_back(desk.repository, "canary", desk.keys)
    assert fetch(camera, "cam1") is None


def test_a_first_offer_that_is_taken_back_and_made_again_is_taken_again(desk, camera) -> None:
    by_hand = install_by_hand(camera, desk.write("by hand"))
    first = desk.offer("first")
    assert ask(camera) == first
    roll_back(desk.repository, "stable", desk.keys)
    assert ask(camera) == by_hand
    desk.offer("first")
    assert ask(camera) == first


def test_a_first_bundle_that_is_taken_back_runs_on_for_want_of_another(desk, camera) -> None:
    first = desk.offer("first")
    assert ask(camera) == first
    assert roll_back(desk.repository, "stable", desk.keys) is None
    assert [ask(camera), ask(camera)] == [first, first]
    assert [fact["event"] for fact in camera.journal].count("withdrawn") == 1


def test_what_somebody_installs_by_hand_stays_until_there_is_a_new_offer(desk, camera) -> None:
    first = desk.offer("first")
    assert ask(camera) == first
    by_hand = install_by_hand(camera, desk.write("by hand"))
    assert ask(camera) == by_hand
    second = desk.offer("second")
    assert ask(camera) == second
    assert desk.offer("first") == first
    assert ask(camera) == first, "offered anew, it comes back"
