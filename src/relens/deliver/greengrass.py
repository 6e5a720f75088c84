"""A fleet on AWS IoT Greengrass V2: a bundle as a component, deployed to a thing or a group of things.

What a target holds besides stays as it is. Whether a bundle stays is the matter of each camera's agent, which goes back
by itself; Greengrass is told DO_NOTHING, and hears from `relens device install --wait` what became of it.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from relens.bundle import Bundle
from relens.deliver import recipe as recipes
from relens.deliver.aws import client, explained
from relens.deliver.effective import told
from relens.deliver.job import IotJob
from relens.deliver.recipe import COMPONENT, Agent, ComponentRecipe, artifact_name, bundle_id
from relens.deliver.s3 import Bucket, Place
from relens.device.agent.status import CameraStatus
from relens.errors import DeliveryTrouble

TARGET = r"greengrass:(?P<kind>thing|thinggroup)/(?P<name>[A-Za-z0-9:_-]{1,128})"
INSTEAD = " instead of "
READY_S = 180
ASK_S = 2.0


@dataclass(frozen=True)
class Clients:
    """boto3 clients, on the SDK's own chain of credentials."""

    s3: Any
    greengrass: Any
    sts: Any

    @classmethod
    def of(cls, region: str | None = None) -> "Clients":
        """New ones; raises as `aws.client`."""
        return cls(client("s3", region), client("greengrassv2", region), client("sts", region))


@dataclass(frozen=True)
class Deployed:
    """What a target holds from now on. bundle: by its id. new: False when it held that already."""

    deployment: str
    target: str
    version: str
    bundle: str
    new: bool

    def __str__(self) -> str:
        return f"{self.target}: {self.bundle} ({self.version}), deployment {self.deployment}"


class Greengrass:
    """A thing or a group of things, and the component that carries its bundles.

    Args:
        target: `greengrass:thing/NAME` or `greengrass:thinggroup/NAME`.
        bucket: for the component's files.
        clients: left out, they are made.
        component: its name; one for all bundles, so that the next one takes the place of the one before.
        agent: on the cameras.
        sleep: waits between two questions.

    Raises:
        DeliveryTrouble: RL-DELIVER-008 for a target that is none.
    """

    def __init__(
        self,
        target: str,
        bucket: str,
        clients: Clients | None = None,
        *,
        component: str = COMPONENT,
        agent: Agent | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        found = re.fullmatch(TARGET, target)
        if not found:
            raise _unfit(f"`{target}` is no target", "greengrass:thing/NAME or greengrass:thinggroup/NAME")
        self.target, self.kind, self.name = target, found["kind"], found["name"]
        self.bucket, self.component, self.agent = bucket, component, agent or Agent()
        self.clients, self._sleep = clients or Clients.of(), sleep

    @cached_property
    def arn(self) -> str:
        """The target's ARN: in the account that the credentials belong to, and the client's region."""
        return f"{self._prefix('iot')}:{self.kind}/{self.name}"

    def offer(self, bundle: Bundle, max_kbit_s: float | None = None) -> str:
        """Bring a bundle to S3, and make it a component; what is there already stays.

        Returns:
            The component's version, once it can be deployed.

        Raises:
            DeliveryTrouble: RL-DELIVER-007 when AWS refuses, -008 when there is another component of this version.
        """
        recipe = recipes.recipe(bundle, self.bucket, self.component, self.agent)
        Bucket(Place(self.bucket), self.clients.s3, max_kbit_s).put(bundle.path, artifact_name(bundle, self.component))
        with explained(f"component {self.component} {recipe.component_version}"):
            try:
                # Without a token of ours: for hours AWS would answer for one that was deleted since.
                self.clients.greengrass.create_component_version(inlineRecipe=recipe.to_bytes())
            except ClientError as trouble:
                if trouble.response["Error"]["Code"] == "ConflictException":
                    self._check_is_same(recipe)
                elif trouble.response["Error"]["Code"] != "RequestAlreadyInProgressException":
                    raise
            self._wait(recipe.component_version)
        return recipe.component_version

    def deploy(self, bundle: Bundle, pace: IotJob | None = None, *, again: bool = False) -> Deployed:
        """Deploy a bundle; nothing is done when the target holds it already.

        Args:
            bundle: opened, and so checked.
            pace: through a group, how fast, and when it stops.
            again: also when the target holds it.

        Raises:
            DeliveryTrouble: as `offer`; -008 for a rollout that AWS does not take.
        """
        job = (pace or IotJob()).to_job()
        version = self.offer(bundle)
        return self._deploy(version, f"{bundle.manifest.name} {bundle_id(version)}", job, again=again)

    def roll_back(self, leave: str | None = None, pace: IotJob | None = None) -> Deployed:
        """Deploy the bundle that the target held before the present one, a cancelled one included.

        Args:
            leave: the id of a bundle; nothing is done unless the target holds it, so that it can be given twice.
            pace: through a group, how fast, and when it stops.

        Raises:
            DeliveryTrouble: RL-DELIVER-008 when there is none before.
        """
        job = (pace or IotJob()).to_job()
        with explained(f"what {self.target} held before"):
            history = [(one, version) for one in self._history() if (version := self._version(one))]
            if history and leave not in (None, bundle_id(history[0][1])):
                return self._deployed(history[0][0]["deploymentId"], history[0][1], new=False)
            passed = _passed([(one.get("deploymentName", ""), version) for one, version in history])
            fit = [one for one in history if one[1] not in passed and one[0]["deploymentStatus"] != "FAILED"]
        if not fit:
            raise _unfit(f"{self.target} held no bundle before", "deploy another bundle")
        deployment, version = fit[0]
        name = deployment.get("deploymentName", version).partition(INSTEAD)[0]
        return self._deploy(version, f"{name}{INSTEAD}{history[0][1]}", job)

    def cancel(self) -> str | None:
        """Stop what is being deployed; cameras that have it keep it. Gives the deployment, None when there is none."""
        with explained(f"cancel what is deployed to {self.target}"):
            newest = next(iter(self._history()), {})
            if newest.get("deploymentStatus") != "ACTIVE":
                return None
            self.clients.greengrass.cancel_deployment(deploymentId=newest["deploymentId"])
        return str(newest["deploymentId"])

    def statuses(self) -> list[CameraStatus]:
        """What Greengrass has heard of each camera; raises RL-DELIVER-007."""
        with explained(f"what became of {self.target}"):
            return [told(camera, self._heard(camera)) for camera in self._cameras()]

    def _cameras(self) -> list[str]:
        if self.kind == "thing":
            return [self.name]
        pages = self.clients.greengrass.get_paginator("list_core_devices").paginate(thingGroupArn=self.arn)
        return sorted(one["coreDeviceThingName"] for page in pages for one in page["coreDevices"])

    def _heard(self, camera: str) -> list[tuple[dict[str, Any], str]] | None:
        """A camera's deployments from here that hold our component, newest first; None when it is no core device."""
        pages = self.clients.greengrass.get_paginator("list_effective_deployments")
        try:
            found = [one for page in pages.paginate(coreDeviceThingName=camera) for one in page["effectiveDeployments"]]
        except ClientError as trouble:
            if trouble.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        found = [one for one in found if one["targetArn"] == self.arn]
        found.sort(key=lambda one: one["creationTimestamp"], reverse=True)
        versions = [(one, self._version(one)) for one in found]
        return [(one, version) for one, version in versions if version]

    def _deploy(self, version: str, name: str, job: dict[str, Any], *, again: bool = False) -> Deployed:
        with explained(f"{self.component} {version} -> {self.target}"):
            newest = next(iter(self._history()), {})
            held = self._details(newest["deploymentId"]) if newest else {}
            components = dict(held.get("components", {}))
            is_held = components.get(self.component, {}).get("componentVersion") == version
            if is_held and newest["deploymentStatus"] != "CANCELED" and not again:
                return self._deployed(newest["deploymentId"], version, new=False)
            components[self.component] = {**components.get(self.component, {}), "componentVersion": version}
            asked = {
                "targetArn": self.arn,
                "deploymentName": name[-256:],
                "components": components,
                **({"iotJobConfiguration": job} if self.kind == "thinggroup" else {}),
                "deploymentPolicies": {**held.get("deploymentPolicies", {}), "failureHandlingPolicy": "DO_NOTHING"},
            }
            # The same after a kill, and another one after whatever was deployed since.
            token = _token(json.dumps([asked, newest.get("deploymentId")], sort_keys=True).encode())
            made = self.clients.greengrass.create_deployment(**asked, clientToken=token)
        return self._deployed(made["deploymentId"], version, new=True)

    def _history(self) -> list[dict[str, Any]]:
        """The target's deployments, newest first; AWS counts each but the newest as cancelled."""
        asked = {"targetArn": self.arn, "historyFilter": "ALL"}
        pages = self.clients.greengrass.get_paginator("list_deployments").paginate(**asked)
        found = [one for page in pages for one in page["deployments"]]
        return sorted(found, key=lambda one: one["creationTimestamp"], reverse=True)

    def _version(self, deployment: dict[str, Any]) -> str | None:
        """Of our component in a deployment; None when it holds none, or is there no more."""
        try:
            components = self._details(deployment["deploymentId"]).get("components", {})
        except ClientError as trouble:
            if trouble.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        version: str | None = components.get(self.component, {}).get("componentVersion")
        return version

    def _details(self, deployment: str) -> dict[str, Any]:
        if deployment not in self._known:
            self._known[deployment] = self.clients.greengrass.get_deployment(deploymentId=deployment)
        return self._known[deployment]

    @cached_property
    def _known(self) -> dict[str, dict[str, Any]]:
        """What deployments hold, which never changes."""
        return {}

    def _check_is_same(self, mine: ComponentRecipe) -> None:
        answer = self.clients.greengrass.get_component(arn=self._version_arn(mine.component_version))
        there, ours = (json.loads(content)["Manifests"] for content in (answer["recipe"], mine.to_bytes()))
        if _contradicts(there, ours):
            raise _unfit(
                f"{self.component} {mine.component_version} is there already, with other files or another command",
                f"aws greengrassv2 delete-component --arn {self._version_arn(mine.component_version)}",
            )

    def _wait(self, version: str) -> None:
        for _ in range(int(READY_S / ASK_S)):
            status = self.clients.greengrass.describe_component(arn=self._version_arn(version))["status"]
            if status["componentState"] == "DEPLOYABLE":
                return
            if status["componentState"] in ("FAILED", "DEPRECATED"):
                why = "; ".join([status.get("message", ""), *status.get("errors", {}).values()])
                raise _unfit(
                    f"{self.component} {version} is {status['componentState']}: {why}",
                    f"aws greengrassv2 delete-component --arn {self._version_arn(version)}, then give it again",
                )
            self._sleep(ASK_S)
        raise _unfit(f"{self.component} {version} is not ready after {READY_S} s", "give the command again")

    def _deployed(self, deployment: str, version: str, *, new: bool) -> Deployed:
        return Deployed(deployment, self.target, version, bundle_id(version) or version, new)

    def _version_arn(self, version: str) -> str:
        return f"{self._prefix('greengrass')}:components:{self.component}:versions:{version}"

    def _prefix(self, service: str) -> str:
        partition, account = self._identity
        return f"arn:{partition}:{service}:{self.clients.greengrass.meta.region_name}:{account}"

    @cached_property
    def _identity(self) -> tuple[str, str]:
        with explained("who am I"):
            found = self.clients.sts.get_caller_identity()
        return found["Arn"].split(":")[1], found["Account"]


def _passed(history: list[tuple[str, str]]) -> set[str]:
    """The versions that a way back does not lead to: the present one, and those that it has led away from just now.

    Args:
        history: names and versions of deployments, newest first; a way back has what it left in its name.
    """
    found = {version for _, version in history[:1]}
    for name, _ in history:
        _, _, left = name.partition(INSTEAD)
        if not left:
            break
        found.add(left)
    return found


def _contradicts(there: Any, ours: Any) -> bool:
    """Where both say something, they say different things: the cloud may add keys, and leave some out."""
    if isinstance(there, dict) and isinstance(ours, dict):
        return any(_contradicts(there[key], ours[key]) for key in there.keys() & ours.keys())
    if isinstance(there, list) and isinstance(ours, list):
        return len(there) != len(ours) or any(map(_contradicts, there, ours))
    return str(there) != str(ours)


def _token(content: bytes) -> str:
    """The same request, given again after a kill, is the same request for AWS."""
    return hashlib.sha256(content).hexdigest()


def _unfit(what: str, hint: str) -> DeliveryTrouble:
    return DeliveryTrouble("RL-DELIVER-008", what, hint=hint)
