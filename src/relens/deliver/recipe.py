"""A Greengrass V2 component that carries one bundle to a camera's agent: its recipe, 2020-01-25.

Keys are exact to the letter: the cloud's own tools take `URI` for `Uri`, and nucleus lite refuses it on the camera.

The bundle is given to the agent in `install`, which both nuclei wait for, end after `Timeout`, and take for failed when
it says so; `run` counts as done as soon as it has begun. Greengrass's own way back is not relied on (nucleus lite has
none): the agent goes back by itself. Nucleus lite waits 300 s for `install`, whatever its `Timeout`.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from relens.bundle import Bundle
from relens.errors import DeliveryTrouble
from relens.spec import Strict

MOST_BYTES = 16_000
DIGITS = 12
COMPONENT = "relens.bundle"
NAME = r"[A-Za-z0-9_.-]{1,128}"
PATH = r"/[A-Za-z0-9_./-]+"


class _Pascal(Strict):
    """Keys of a recipe: `ComponentName` for `component_name`, and nothing else."""

    model_config = ConfigDict(alias_generator=to_pascal)


class Platform(Strict):
    """Which machines. `runtime` has to be there, or nucleus lite takes the manifest for another's."""

    os: Literal["linux"]
    runtime: Literal["*", "aws_nucleus_lite"]
    architecture: str | None = None


class Permission(_Pascal):
    """Who on the machine may read an artifact, and run it."""

    read: Literal["NONE", "OWNER", "ALL"] = "OWNER"
    execute: Literal["NONE", "OWNER", "ALL"] = "NONE"


class Artifact(_Pascal):
    """A file on S3. digest, algorithm: written by the cloud."""

    uri: str = Field(pattern=r"^s3://[a-z0-9.-]+/.+$")
    unarchive: Literal["NONE", "ZIP"] = "NONE"
    permission: Permission | None = None
    digest: str | None = None
    algorithm: Literal["SHA-256"] | None = None


class Script(_Pascal):
    """What is run, as root where `requires_privilege`, and no longer than `timeout` seconds."""

    script: str
    timeout: int | None = Field(default=None, ge=1)
    requires_privilege: bool = False


class Lifecycle(Strict):
    """The two steps that both nuclei know."""

    install: Script | None = None
    run: Script | str


class Manifest(_Pascal):
    """What is done on a platform."""

    platform: Platform
    artifacts: tuple[Artifact, ...] = ()
    lifecycle: Lifecycle


class ComponentRecipe(_Pascal):
    """A recipe, as far as relens writes one."""

    recipe_format_version: Literal["2020-01-25"]
    component_name: str = Field(pattern=f"^{NAME}$")
    component_version: str = Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")
    component_type: Literal["aws.greengrass.generic"] = "aws.greengrass.generic"
    component_description: str = ""
    component_publisher: str = ""
    manifests: tuple[Manifest, ...] = Field(min_length=1)

    def to_bytes(self) -> bytes:
        """JSON, the same each time."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_none=True), indent=1).encode()


@dataclass(frozen=True)
class Agent:
    """The agent on the cameras. state: its folder. wait_s: it has so long to confirm a bundle. program: `relens`."""

    state: str = "/var/lib/relens"
    wait_s: int = 240
    program: str = "/opt/relens/bin/relens"


def component_version(sha256: str) -> str:
    """The version of the component that carries a bundle: three numbers that are its id, the first 12 digits.

    A version has to be the same for the same bundle, and another for another one. `1.0.0+HASH` would not be: what
    stands behind a `+` does not count when versions are compared. Nothing here goes by which version is greater.
    """
    return ".".join(str(int(sha256[at : at + 4], 16)) for at in range(0, DIGITS, 4))


def bundle_id(version: str) -> str | None:
    """The id of the bundle that a component version carries; None when it carries none of ours."""
    numbers = [int(part) for part in version.split(".") if part.isdecimal()]
    if len(numbers) != 3 or version.count(".") != 2 or max(numbers) > 0xFFFF:
        return None
    return "".join(f"{number:04x}" for number in numbers)


def artifact_name(bundle: Bundle, component: str) -> str:
    """Where a bundle lies in the bucket: `COMPONENT/VERSION/NAME.relens`."""
    return f"{component}/{component_version(bundle.sha256)}/{_safe(bundle.manifest.name)}.relens"


def recipe(bundle: Bundle, bucket: str, component: str = COMPONENT, agent: Agent | None = None) -> ComponentRecipe:
    """The component that carries a bundle.

    Args:
        bundle: opened, and so checked.
        bucket: where its file lies.
        component: its name.
        agent: on the cameras.

    Raises:
        DeliveryTrouble: RL-DELIVER-008 for a name or a path that a recipe or a shell would take for something else.
    """
    agent = agent or Agent()
    for path in (agent.state, agent.program):
        if not re.fullmatch(PATH, path):
            raise _unfit(f"`{path}` is no plain absolute path", "letters, digits and ./_- after a /")
    if not 1 <= agent.wait_s <= 86_400:
        raise _unfit(f"to wait for {agent.wait_s} s", "1 to 86400 seconds; nucleus lite itself waits 300")
    name = artifact_name(bundle, component)
    script = f"{agent.program} device install {{artifacts:path}}/{name.rpartition('/')[2]}"
    return read_recipe(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": component,
            "ComponentVersion": component_version(bundle.sha256),
            "ComponentDescription": f"{_safe(bundle.manifest.name)} {bundle.sha256[:DIGITS]}",
            "ComponentPublisher": "relens",
            "Manifests": [
                {
                    "Platform": {"os": "linux", "runtime": "*"},
                    "Artifacts": [{"Uri": f"s3://{bucket}/{name}"}],
                    "Lifecycle": {
                        "install": {
                            "Script": f"{script} --state {agent.state} --wait {agent.wait_s}",
                            "Timeout": agent.wait_s + 60,
                            "RequiresPrivilege": True,
                        },
                        "run": "true",
                    },
                }
            ],
        }
    )


def read_recipe(content: bytes | dict[str, Any]) -> ComponentRecipe:
    """Check a recipe: its keys to the letter, its values, its size.

    Args:
        content: JSON, or what it says.

    Raises:
        DeliveryTrouble: RL-DELIVER-008 with the key that is wrong.
    """
    try:
        found = ComponentRecipe.model_validate(json.loads(content) if isinstance(content, bytes) else content)
    except ValidationError as trouble:
        first = trouble.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _unfit(f"the recipe's `{key}`: {first['msg']}", "keys are exact to the letter: Uri, not URI") from None
    except ValueError as trouble:
        raise _unfit(f"the recipe is no JSON: {trouble}", "relens writes recipes as JSON") from None
    size = len(found.to_bytes())
    if size > MOST_BYTES:
        raise _unfit(f"the recipe has {size} bytes, and Greengrass takes {MOST_BYTES}", "choose a shorter name")
    return found


def _safe(name: str) -> str:
    """A name as part of a command line, a path and an address."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def _unfit(what: str, hint: str) -> DeliveryTrouble:
    return DeliveryTrouble("RL-DELIVER-008", what, hint=hint)
