"""Which permissions relens takes on AWS, what each is for, and the policies that give them and no more.

Resources and what an operation needs besides are those of AWS's Service Authorization Reference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VERSION = "2012-10-17"


@dataclass(frozen=True)
class Permission:
    """One IAM action.

    on: kinds of resources, of `RESOURCES`. calls: operations of ours that take it. besides: operations that take it
    behind the scenes.
    """

    action: str
    on: tuple[str, ...]
    why: str
    calls: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()


RESOURCES = {
    "bucket": "arn:{partition}:s3:::{bucket}",
    "object": "arn:{partition}:s3:::{bucket}/*",
    "artifact": "arn:{partition}:s3:::{bucket}/{component}/*",
    "component": "arn:{partition}:greengrass:{region}:{account}:components:{component}",
    "version": "arn:{partition}:greengrass:{region}:{account}:components:{component}:versions:*",
    "deployment": "arn:{partition}:greengrass:{region}:{account}:deployments:*",
    "core": "arn:{partition}:greengrass:{region}:{account}:coreDevices:*",
    "job": "arn:{partition}:iot:{region}:{account}:job/*",
    "thing": "arn:{partition}:iot:{region}:{account}:thing/*",
    "group": "arn:{partition}:iot:{region}:{account}:thinggroup/*",
    "any": "*",
}
"""`any`: AWS knows no narrower resource for these actions."""

_ASKED = ("GetDeployment", "ListDeployments", "ListEffectiveDeployments")
_MADE = ("CreateDeployment", "CancelDeployment")

OPERATOR = (
    Permission("s3:ListBucket", ("bucket",), "learn that a file is not there yet", besides=("HeadObject",)),
    Permission(
        "s3:GetObject",
        ("object",),
        "compare checksums with what is there; Greengrass reads a component's file in your name",
        calls=("HeadObject",),
        besides=("CreateComponentVersion",),
    ),
    Permission(
        "s3:PutObject",
        ("object",),
        "write a repository's files and a component's file",
        calls=("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"),
    ),
    Permission(
        "s3:ListBucketMultipartUploads", ("bucket",), "find an upload that was cut off", calls=("ListMultipartUploads",)
    ),
    Permission("s3:ListMultipartUploadParts", ("object",), "send only what is missing of it", calls=("ListParts",)),
    Permission(
        "greengrass:CreateComponentVersion", ("component",), "offer a bundle", calls=("CreateComponentVersion",)
    ),
    Permission("greengrass:DescribeComponent", ("version",), "wait for it to be ready", calls=("DescribeComponent",)),
    Permission("greengrass:GetComponent", ("version",), "compare one that is there already", calls=("GetComponent",)),
    Permission("greengrass:CreateDeployment", ("any",), "deploy, and deploy back", calls=("CreateDeployment",)),
    Permission("greengrass:ListDeployments", ("any",), "find what a target holds", calls=("ListDeployments",)),
    Permission("greengrass:GetDeployment", ("deployment",), "keep its other components", calls=("GetDeployment",)),
    Permission("greengrass:CancelDeployment", ("deployment",), "stop a deployment", calls=("CancelDeployment",)),
    Permission("greengrass:ListCoreDevices", ("any",), "find a group's cameras", calls=("ListCoreDevices",)),
    Permission(
        "greengrass:ListEffectiveDeployments",
        ("core",),
        "learn what became of a deployment",
        calls=("ListEffectiveDeployments",),
    ),
    Permission("iot:CreateJob", ("job", "thing", "group"), "a deployment is a job of AWS IoT", besides=_MADE[:1]),
    Permission("iot:UpdateJob", ("job",), "the same", besides=_MADE),
    Permission("iot:CancelJob", ("job",), "the same: a new one takes the old one's place", besides=_MADE),
    Permission("iot:DescribeJob", ("job",), "the same", besides=(*_MADE, *_ASKED)),
    Permission("iot:DescribeJobExecution", ("job", "thing"), "the same, camera by camera", besides=_ASKED[2:]),
    Permission("iot:DescribeThing", ("thing",), "the same: its target", besides=(*_MADE, *_ASKED)),
    Permission("iot:DescribeThingGroup", ("group",), "the same: its target", besides=(*_MADE, *_ASKED)),
    Permission("iot:GetThingShadow", ("thing",), "a single thing's deployment is its shadow", besides=_MADE + _ASKED),
    Permission("iot:UpdateThingShadow", ("thing",), "the same", besides=_MADE),
    Permission("iot:DeleteThingShadow", ("thing",), "the same", besides=_MADE),
)
"""Of whoever publishes and deploys. `sts:GetCallerIdentity` takes no permission."""

DEVICE = (
    Permission("s3:GetObject", ("artifact",), "fetch a component's file"),
    Permission("s3:GetBucketLocation", ("bucket",), "learn where the bucket is"),
)
"""Of a camera, by way of its token exchange role."""


def actions_for(operation: str, *, besides: bool = False) -> list[str]:
    """The IAM actions that an operation of ours takes; besides: also behind the scenes."""
    return [one.action for one in OPERATOR if operation in one.calls or (besides and operation in one.besides)]


def policy(permissions: Iterable[Permission], places: Mapping[str, str]) -> dict[str, Any]:
    """An IAM policy: a statement for each set of resources.

    Args:
        permissions: what it allows.
        places: partition, region, account, bucket and component.
    """
    statements: dict[tuple[str, ...], list[str]] = {}
    for one in permissions:
        statements.setdefault(one.on, []).append(one.action)
    return {"Version": VERSION, "Statement": list(_statements(statements, places))}


def _statements(found: Mapping[tuple[str, ...], list[str]], places: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for kinds, actions in found.items():
        resources = [RESOURCES[kind].format_map(places) for kind in kinds]
        yield {
            "Sid": "".join(kind.title() for kind in kinds),
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": resources[0] if len(resources) == 1 else resources,
        }
