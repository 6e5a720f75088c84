"""`relens device`: what runs on this camera, how it came there, and the way back."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relens.device.agent import Store

app = typer.Typer(
    help="The agent on the camera: doctor, install, run, status, confirm, rollback.", no_args_is_help=True
)

State = Annotated[
    Path,
    typer.Option(envvar=["RELENS_STATE", "STATE_DIRECTORY"], help="Where the camera keeps its bundles."),
]
HERE = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "relens"


@app.command()
def install(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    state: State = HERE,
    again: Annotated[bool, typer.Option(help="Also if it failed on this camera before.")] = False,
    wait: Annotated[
        float | None, typer.Option(min=0, help="Wait until it is confirmed, for so many seconds at most.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a bundle, accept it on this machine, then let it run on trial; a running agent takes it up at once."""
    from relens.device.agent import install as bring
    from relens.device.agent import wait_confirmed

    with _store(state) as store:
        taken = bring(store, bundle, again=again)
        if wait is not None:
            wait_confirmed(store, taken, wait)
        _tell(store, as_json)


@app.command()
def run(
    settings: Annotated[
        Path | None, typer.Option(envvar="RELENS_SETTINGS", help="A camera.toml; the options here go before it.")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(help="A clip, a folder of pictures, a V4L2 number, a named pipe or an rtsp:// address."),
    ] = None,
    state: State = HERE,
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Serve the live page.")] = None,
    port: Annotated[int | None, typer.Option(help="The live page's port on 127.0.0.1; 0 takes a free one.")] = None,
    confirm_after: Annotated[
        float | None, typer.Option(min=0, help="Seconds of healthy frames that confirm a bundle.")
    ] = None,
    fast: Annotated[bool, typer.Option(help="Play clips as fast as they are consumed.")] = False,
) -> None:
    """Run what is installed, watch it, and go back to the bundle before when it fails. Until SIGINT or SIGTERM."""
    from relens.cli.screen import note
    from relens.device.agent import Supervisor
    from relens.device.signals import stopped_by_signals
    from relens.spec import camera_settings

    asked = camera_settings(settings, source=camera, page=page, port=port, confirm_after_s=confirm_after)
    with _store(state) as store:
        supervisor = Supervisor(store, asked, real_time=not fast, say=note)
        with stopped_by_signals(supervisor.stop):
            supervisor.run()


@app.command()
def remote(state: State = HERE) -> None:
    """Do what a desk asks for on the standard input, a line of JSON each: `relens deploy` starts it over SSH."""
    from relens.device.agent.remote import serve

    with _store(state) as store:
        serve(store)


@app.command()
def enrol(
    root: Annotated[Path, typer.Argument(help="1.root.json of the repository, brought by a way that can be trusted.")],
    repository: Annotated[str, typer.Argument(help="Where it is: http(s)://... or a folder.")],
    channel: Annotated[str, typer.Option(help="What this camera is to run.")] = "stable",
    state: State = HERE,
) -> None:
    """Let this camera follow a channel of a signed repository: its agent asks for what is new by itself."""
    from relens.cli.screen import say
    from relens.device.agent.trust import enrol as follow

    with _store(state) as store:
        followed = follow(store, root, repository, channel)
        say(f"{store.folder} follows {followed.channel} of {followed.repository}")


@app.command()
def service(
    settings: Annotated[Path, typer.Option(envvar="RELENS_SETTINGS", help="The camera.toml of this camera.")] = Path(
        "/etc/relens/camera.toml"
    ),
    memory: Annotated[
        str, typer.Option(help="The most that agent and bundle may take, as MemoryMax= takes it.")
    ] = "75%",
) -> None:
    """Print a systemd unit that keeps `relens device run` running on this machine."""
    from relens.cli.screen import say
    from relens.device.agent import service_unit
    from relens.spec import camera_settings

    say(service_unit(camera_settings(settings), settings.absolute(), memory=memory))


@app.command()
def doctor(
    settings: Annotated[Path | None, typer.Option(envvar="RELENS_SETTINGS", help="The camera.toml to look at.")] = None,
    state: State = HERE,
    as_json: AsJson = False,
) -> None:
    """Look at this machine as a camera box: a line a check, and where one is not ok, the command that mends it."""
    from relens.cli.screen import say, say_json
    from relens.device.doctor import examine

    found = examine(settings, state.expanduser())
    if as_json:
        say_json(found.to_json())
    else:
        say(repr(found))
    if not found.healthy:
        raise typer.Exit(1)


@app.command()
def status(state: State = HERE, as_json: AsJson = False) -> None:
    """What runs, what it would go back to, and what has failed here."""
    with _store(state) as store:
        _tell(store, as_json)


@app.command()
def events(
    state: State = HERE,
    last: Annotated[int, typer.Option(min=1, help="So many of them.")] = 20,
    pictures: Annotated[Path | None, typer.Option(help="A folder to write their pictures to.")] = None,
    as_json: AsJson = False,
) -> None:
    """What was noticed of late, the newest last."""
    from relens.cli.screen import say, say_json
    from relens.device.events.event import told
    from relens.device.events.log import EventLog
    from relens.spec import KeepSettings

    with _store(state) as store:
        entries = EventLog(store.events, KeepSettings()).newest(last)[::-1]
        for entry in entries:
            if pictures is not None and (jpeg := entry.picture()):
                pictures.mkdir(parents=True, exist_ok=True)
                (pictures / f"{entry.number}.jpg").write_bytes(jpeg)
    if as_json:
        say_json([{**entry.facts, "number": entry.number} for entry in entries])
        return
    for entry in entries:
        say(f"{entry.number:6}  {told(entry.facts)}")


@app.command()
def page(state: State = HERE) -> None:
    """Where the live page is, with the key that opens it."""
    from relens.cli.screen import say
    from relens.device.agent.key import page_address

    with _store(state) as store:
        say(page_address(store))


@app.command()
def confirm(state: State = HERE, as_json: AsJson = False) -> None:
    """Take what runs for good, without waiting for it to prove itself."""
    with _store(state) as store:
        store.confirm()
        _tell(store, as_json)


@app.command()
def rollback(state: State = HERE, as_json: AsJson = False) -> None:
    """Go back to the bundle that was confirmed before; what ran until now is not taken again."""
    with _store(state) as store:
        store.roll_back("rolled back by hand")
        _tell(store, as_json)


@contextmanager
def _store(state: Path) -> "Iterator[Store]":
    from relens.device.agent import Store

    store = Store(state.expanduser())
    try:
        yield store
    finally:
        store.give_back()


def _tell(store: "Store", as_json: bool) -> None:
    from relens.cli.screen import say, say_json
    from relens.device.agent import overview

    found = overview(store)
    if as_json:
        say_json(found.to_json())
    else:
        say(repr(found))
