"""`relens device`: what runs on this camera, how it came there, and the way back."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.options import AsJson

if TYPE_CHECKING:
    from relens.device.agent import Store

app = typer.Typer(help="The agent on the camera: install, run, status, confirm, rollback.", no_args_is_help=True)

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
    as_json: AsJson = False,
) -> None:
    """Check a bundle, accept it on this machine, then let it run on trial; a running agent takes it up at once."""
    from relens.device.agent import install as bring

    store = _store(state)
    bring(store, bundle, again=again)
    _tell(store, as_json)


@app.command()
def run(
    settings: Annotated[
        Path | None, typer.Option(envvar="RELENS_SETTINGS", help="A camera.toml; the options here go before it.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="A clip, a folder of pictures, a V4L2 number or an rtsp:// address.")
    ] = None,
    state: State = HERE,
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Serve the live page.")] = None,
    port: Annotated[int | None, typer.Option(help="The live page's port on 127.0.0.1; 0 takes a free one.")] = None,
    confirm_after: Annotated[float, typer.Option(min=0, help="Seconds of healthy frames that confirm a bundle.")] = 60,
    fast: Annotated[bool, typer.Option(help="Play clips as fast as they are consumed.")] = False,
) -> None:
    """Run what is installed, watch it, and go back to the bundle before when it fails. Until SIGINT or SIGTERM."""
    from relens.cli.screen import note
    from relens.device.agent import Patience, Supervisor
    from relens.device.run import stopped_by_signals
    from relens.spec import camera_settings

    supervisor = Supervisor(
        _store(state),
        camera_settings(settings, source=camera, page=page, port=port),
        real_time=not fast,
        patience=Patience(confirm_s=confirm_after),
        say=note,
    )
    with stopped_by_signals(supervisor.stop):
        supervisor.run()


@app.command()
def status(state: State = HERE, as_json: AsJson = False) -> None:
    """What runs, what it would go back to, and what has failed here."""
    _tell(_store(state), as_json)


@app.command()
def confirm(state: State = HERE, as_json: AsJson = False) -> None:
    """Take what runs for good, without waiting for it to prove itself."""
    store = _store(state)
    active = store.standing().active
    if active:
        store.confirm(active)
    _tell(store, as_json)


@app.command()
def rollback(state: State = HERE, as_json: AsJson = False) -> None:
    """Go back to the bundle that was confirmed before; what ran until now is not taken again."""
    store = _store(state)
    store.roll_back("rolled back by hand")
    _tell(store, as_json)


def _store(state: Path) -> "Store":
    from relens.device.agent import Store

    return Store(state.expanduser())


def _tell(store: "Store", as_json: bool) -> None:
    from relens.cli.screen import say, say_json
    from relens.device.agent import overview

    found = overview(store)
    if as_json:
        say_json(found.to_json())
    else:
        say(repr(found))
