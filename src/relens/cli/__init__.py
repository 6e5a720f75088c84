"""The command line: one thin file a command. Data on stdout, everything else on stderr."""

import json
import sys
from typing import Annotated

import typer

from relens.cli import (
    build,
    convert,
    deliver,
    device,
    doctor,
    fleet,
    initial,
    inspect,
    kit,
    legacy,
    package,
    prove,
    run,
    verify,
)
from relens.errors import BadConfig, DeviceTrouble, GoalMissed, RelensError

app = typer.Typer(
    name="relens",
    help="Your TensorFlow model, running and proven on your camera.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("init")(initial.init)
app.command("inspect")(inspect.inspect)
app.command("convert")(convert.convert)
app.command("build")(build.build)
app.command("package")(package.package)
app.command("verify")(verify.verify)
app.command("run")(run.run)
app.command("keys")(deliver.keys)
app.command("publish")(deliver.publish)
app.command("deploy")(fleet.deploy)
app.command("status")(fleet.status)
app.command("rollback")(fleet.rollback)
app.command("refresh")(deliver.refresh)
app.command("revoke")(deliver.revoke)
app.command("kit")(kit.kit)
app.command("prove")(prove.prove)
app.command("doctor")(doctor.doctor)
app.add_typer(device.app, name="device")
app.add_typer(legacy.app, name="legacy")


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"relens {version('relens')}\n")
        raise typer.Exit


@app.callback()
def relens(
    version: Annotated[
        bool, typer.Option("--version", help="Say which relens this is.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """Your TensorFlow model, running and proven on your camera."""


def main() -> None:
    """Run the command line. Exit codes: 0 done and true, 1 failed, 2 wrong request, 3 a goal is missed."""
    try:
        app()
    except RelensError as trouble:
        report(trouble, as_json="--json" in sys.argv)
        sys.exit(3 if isinstance(trouble, GoalMissed) else 2 if isinstance(trouble, BadConfig) else 1)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as trouble:
        place = f"{trouble.filename}: " if trouble.filename else ""
        report(
            DeviceTrouble(
                "RL-DEVICE-004", f"{place}{trouble.strerror or trouble}", hint="check the disk, the path and its rights"
            ),
            as_json="--json" in sys.argv,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def report(trouble: RelensError, *, as_json: bool) -> None:
    """Print an error: for people on stderr, with `--json` as one object on stdout."""
    if as_json:
        sys.stdout.write(json.dumps({"error": trouble.to_json(), **trouble.details}, indent=2) + "\n")
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error[/] [dim]{trouble.code}[/]: ", end="")
    console.print(trouble.message, markup=False)
    console.print("[bold cyan]hint[/]: ", end="")
    console.print(trouble.hint, markup=False)
