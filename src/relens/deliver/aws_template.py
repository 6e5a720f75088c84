"""What an account on AWS needs for relens, as files to be read before anything is made: `relens init --aws`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relens.deliver.aws_policy import DEVICE, OPERATOR, RESOURCES, VERSION, Permission, policy
from relens.deliver.recipe import COMPONENT
from relens.errors import BadConfig, DeviceTrouble
from relens.files import write_whole

BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
REGION = r"[a-z]{2}(-[a-z]+){1,3}-\d{1,2}"
README = """\
# relens on AWS: {bucket}, {region}, account {account}

Written by `relens init --aws`; nothing has been made yet. Read it, then:

    aws cloudformation deploy --template-file template.json --stack-name relens --capabilities CAPABILITY_IAM

| file | |
|---|---|
| `template.json` | all of it at once: the bucket, both policies, the token exchange role and its alias |
| `operator-policy.json` | for whoever publishes and deploys, where the template is not used |
| `device-policy.json` | for the token exchange role of the cameras, the same |

## What the operator may do

{operator}

`sts:GetCallerIdentity` is asked as well, and takes no permission. `*` stands where AWS knows no narrower resource.

## What a camera may do

{device}
"""


@dataclass(frozen=True)
class Account:
    """Where it goes. account: its twelve digits. component: that carries the bundles."""

    bucket: str
    region: str
    account: str
    component: str = COMPONENT

    def places(self) -> dict[str, str]:
        """For `RESOURCES`.

        Raises:
            BadConfig: RL-CONFIG-003 for a name that AWS does not know.
        """
        for name, pattern in (("bucket", BUCKET), ("region", REGION), ("account", r"\d{12}")):
            value = getattr(self, name)
            if not re.fullmatch(pattern, value):
                raise BadConfig("RL-CONFIG-003", f"`{value}` is no {name} of AWS", hint=f"--{name}, as `aws` shows it")
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(re.split(r"(?<!us)-", self.region)[0], "aws")
        return {**vars(self), "partition": partition}


def write_aws(folder: Path, account: Account) -> list[Path]:
    """Write the policies, a template and what they are for.

    Args:
        folder: made when it does not exist.
        account: where it goes.

    Returns:
        The files.

    Raises:
        BadConfig: RL-CONFIG-003 for a name that AWS does not know.
        DeviceTrouble: RL-DEVICE-004 when a file is there and says something else; nothing is written then.
    """
    places = account.places()
    files = {
        "README.md": _readme(places),
        "operator-policy.json": _json(policy(OPERATOR, places)),
        "device-policy.json": _json(policy(DEVICE, places)),
        "template.json": _json(template(account)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name
        if file.exists() and file.read_bytes() != content:
            raise DeviceTrouble(
                "RL-DEVICE-004", f"{file} is there, and says something else", hint="name another folder, or remove it"
            )
    for name, content in files.items():
        write_whole(folder / name, [content])
    return [folder / name for name in files]


def template(account: Account) -> dict[str, Any]:
    """A CloudFormation template: the bucket, both policies, the token exchange role and its alias."""
    places = {
        **account.places(),
        "partition": "${AWS::Partition}",
        "region": "${AWS::Region}",
        "account": "${AWS::AccountId}",
    }
    trusted = {
        "Effect": "Allow",
        "Principal": {"Service": "credentials.iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "relens: a bucket for repositories and components, and who may do what",
        "Resources": {
            "Bucket": _bucket(account.bucket),
            "BucketPolicy": _encrypted_ways_only(places),
            "OperatorPolicy": _managed(OPERATOR, places, "Publish and deploy with relens"),
            "DevicePolicy": _managed(DEVICE, places, "Fetch the components of relens"),
            "TokenExchangeRole": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": VERSION, "Statement": [trusted]},
                    "ManagedPolicyArns": [{"Ref": "DevicePolicy"}],
                },
            },
            "RoleAlias": {
                "Type": "AWS::IoT::RoleAlias",
                "Properties": {
                    "RoleAlias": "relens-token-exchange",
                    "RoleArn": {"Fn::GetAtt": ["TokenExchangeRole", "Arn"]},
                },
            },
        },
        "Outputs": {
            "Mirror": {"Value": {"Fn::Sub": "s3://${Bucket}/repository"}},
            "OperatorPolicy": {"Value": {"Ref": "OperatorPolicy"}},
            "RoleAlias": {"Value": {"Ref": "RoleAlias"}},
        },
    }


def _bucket(name: str) -> dict[str, Any]:
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    cut_off = {"Id": "cut-off", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": name,
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": dict.fromkeys(closed, True),
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "LifecycleConfiguration": {"Rules": [cut_off]},
        },
    }


def _encrypted_ways_only(places: Mapping[str, str]) -> dict[str, Any]:
    statement = {
        "Sid": "EncryptedWaysOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [_filled(RESOURCES[kind].format_map(places)) for kind in ("bucket", "object")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Version": VERSION, "Statement": [statement]}},
    }


def _managed(permissions: tuple[Permission, ...], places: Mapping[str, str], why: str) -> dict[str, Any]:
    document = policy(permissions, places)
    for statement in document["Statement"]:
        statement["Resource"] = _filled(statement["Resource"])
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Description": why, "PolicyDocument": document}}


def _filled(resource: Any) -> Any:
    """What CloudFormation has to fill in."""
    if isinstance(resource, list):
        return [_filled(one) for one in resource]
    return {"Fn::Sub": resource} if "${" in resource else resource


def _readme(places: Mapping[str, str]) -> bytes:
    operator, device = _table(OPERATOR, places), _table(DEVICE, places)
    return README.format(**places, operator=operator, device=device).encode()


def _table(permissions: tuple[Permission, ...], places: Mapping[str, str]) -> str:
    rows = ["| permission | on | to | asked by |", "|---|---|---|---|"]
    for one in permissions:
        resources = ", ".join(f"`{RESOURCES[kind].format_map(places)}`" for kind in one.on)
        asked = ", ".join([*one.calls, *(f"({call})" for call in one.besides)]) or "the camera"
        rows.append(f"| `{one.action}` | {resources} | {one.why} | {asked} |")
    return "\n".join(rows)


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
