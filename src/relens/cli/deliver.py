"""`relens keys | publish | refresh | revoke`: a signed repository that cameras follow."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.options import AsJson, installed

if TYPE_CHECKING:
    from relens.deliver import KeyRing

HOME = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "relens" / "keys"
Repository = Annotated[Path, typer.Argument(help="The repository's folder.")]
Keys = Annotated[Path, typer.Option(help="The folder of its keys.")]
Channel = Annotated[str, typer.Option(help="What cameras follow: stable, canary or any other name.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(envvar="RELENS_PASSPHRASE_FILE", help="A file with the keys' passphrase; left out, it is asked for."),
]
Mirror = Annotated[
    str | None, typer.Option(envvar="RELENS_MIRROR", help="Bring it to s3://BUCKET/PREFIX as well (relens[aws]).")
]
Pace = Annotated[float | None, typer.Option("--mirror-kbit-s", min=8, help="The most that is sent to the mirror.")]


def keys(
    repository: Annotated[Path, typer.Argument(help="A folder for the repository; any web server may show it.")],
    keys: Keys = HOME,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the keys of a repository, encrypted, and the empty repository itself; what is there already stays."""
    from relens.cli.screen import say

    with installed():
        from relens.deliver import create_repository, make_keys

    folder = keys.expanduser()
    ring = make_keys(folder, passphrase(passphrase_file, new=True))
    root = create_repository(repository, ring)
    say(f"{folder}: root.pem, targets.pem, online.pem; keep copies, and root.pem off the network")
    say(f"{root}: what a camera is enrolled with")
    say(f"next: relens publish BUNDLE {repository}, and on a camera: relens device enrol {root.name} ADDRESS")


def publish(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    repository: Repository,
    channel: Channel = "stable",
    share: Annotated[float, typer.Option(help="Of the cameras, drawn by lot: 0.1 is one in ten.")] = 1.0,
    keys: Keys = HOME,
    passphrase_file: PassphraseFile = None,
    mirror: Mirror = None,
    mirror_kbit_s: Pace = None,
    as_json: AsJson = False,
) -> None:
    """Offer a bundle to the cameras that follow a channel, or to a share of them."""
    import tempfile

    from relens.bundle import open_bundle
    from relens.cli.screen import say, say_json

    with installed():
        from relens.deliver import publish as offer

    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        opened = open_bundle(bundle, Path(folder))
        published = offer(repository, opened, channel, _ring(keys, passphrase_file), share=share)
    _mirror(repository, mirror, mirror_kbit_s)
    if as_json:
        say_json(vars(published))
    else:
        say(str(published))


def refresh(
    repository: Repository,
    keys: Keys = HOME,
    passphrase_file: PassphraseFile = None,
    mirror: Mirror = None,
    mirror_kbit_s: Pace = None,
) -> None:
    """Sign a repository once more, so that cameras go on taking it for current; online.pem is enough."""
    from relens.cli.screen import say

    with installed():
        from relens.deliver import refresh as sign

    until = sign(repository, _ring(keys, passphrase_file))
    _mirror(repository, mirror, mirror_kbit_s)
    say(f"{repository} is current until {until:%Y-%m-%d %H:%M} UTC")


def revoke(
    repository: Repository,
    channel: Annotated[str | None, typer.Option(help="Offer nothing on this channel any more.")] = None,
    key: Annotated[str | None, typer.Option(help="Replace this key: root, targets or online.")] = None,
    keys: Keys = HOME,
    passphrase_file: PassphraseFile = None,
    mirror: Mirror = None,
    mirror_kbit_s: Pace = None,
) -> None:
    """Take an offer back, or let a key count no more that is lost or known to others."""
    from relens.cli.screen import say
    from relens.errors import BadConfig

    with installed():
        from relens.deliver import NAMES, replace_key, withdraw

    if (channel is None) == (key is None) or key not in (None, *NAMES):
        raise BadConfig("RL-CONFIG-005", "either a channel or a key is revoked", hint="--channel NAME or --key targets")
    ring = _ring(keys, passphrase_file)
    if channel:
        withdraw(repository, channel, ring)
    elif key:
        replace_key(repository, ring, key)
    _mirror(repository, mirror, mirror_kbit_s)
    if channel:
        say(f"{channel}: nothing is offered; cameras keep what they run")
    else:
        say(f"{key}: another key counts from now on; cameras follow by themselves")


def _mirror(repository: Path, address: str | None, max_kbit_s: float | None) -> None:
    if address is None:
        return
    from relens.cli.screen import note, stages

    with installed("aws"):
        from relens.deliver.s3 import mirror

    with stages() as progress:
        progress.stage("mirror")
        mirrored = mirror(repository, address, max_kbit_s=max_kbit_s, progress=progress.advance)
    note(str(mirrored))


def _ring(keys: Path, passphrase_file: Path | None) -> "KeyRing":
    from relens.deliver import KeyRing

    return KeyRing(keys.expanduser(), passphrase(passphrase_file))


def passphrase(file: Path | None, *, new: bool = False) -> str:
    """Of the keys: from a file, or asked for."""
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    asked: str = typer.prompt("passphrase of the keys", hide_input=True, confirmation_prompt=new, err=True)
    return asked
