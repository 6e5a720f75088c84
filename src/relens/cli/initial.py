"""`relens init`."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    model: Annotated[
        Path | None, typer.Argument(help="SavedModel folder, .keras, .h5, frozen .pb or float .tflite.")
    ] = None,
    folder: Annotated[Path, typer.Argument(help="Where relens.toml goes.")] = Path(),
    aws: Annotated[
        Path | None, typer.Option(help="Instead: a folder for the policies and the template that AWS needs, to read.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="With --aws: the bucket's name.")] = None,
    region: Annotated[
        str | None, typer.Option(envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="With --aws: eu-west-1, ...")
    ] = None,
    account: Annotated[str | None, typer.Option(help="With --aws: the account's twelve digits.")] = None,
) -> None:
    """Write a first relens.toml by looking at a model."""
    from relens.cli.screen import say, stages
    from relens.errors import BadConfig

    if (model is None) == (aws is None) or (aws and not (bucket and region and account)):
        raise BadConfig(
            "RL-CONFIG-005",
            "either a model is looked at, or what AWS needs is written",
            hint="relens init MODEL, or relens init --aws FOLDER --bucket NAME --region REGION --account DIGITS",
        )
    if model:
        from relens.pipeline.initial import init as write

        with stages() as progress:
            path = write(model, folder, progress=progress)
        say(f"{path}: check the lines marked (?), then: relens build {folder}")
    elif aws and bucket and region and account:
        from relens.deliver.aws_template import Account, write_aws

        for file in write_aws(aws, Account(bucket, region, account)):
            say(str(file))
