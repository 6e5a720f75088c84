"""The policies of `relens init --aws` allow what relens asks of AWS, and nothing more."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config

from relens.deliver import create_repository, make_keys, publish, s3
from relens.deliver.aws_policy import DEVICE, OPERATOR, RESOURCES, policy
from relens.deliver.aws_template import Account, template, write_aws
from relens.deliver.greengrass import Clients, Greengrass
from relens.deliver.s3 import Bucket, Place, mirror
from relens.errors import BadConfig, DeviceTrouble

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
SOURCE = Path(s3.__file__).parent
HOME = Account("yard-cams", "eu-west-1", "123456789012")
NO_PERMISSION = {"GetCallerIdentity"}
WIDE = {"greengrass:CreateDeployment", "greengrass:ListCoreDevices", "greengrass:ListDeployments"}
"""AWS's Service Authorization Reference knows no resource for these."""


def test_the_policy_allows_what_is_asked_and_nothing_more(cloud, bucket, bundles, tmp_path, monkeypatch, killed):
    asked: set[str] = set()
    events = {"s3": boto3.client("s3"), "sts": boto3.client("sts"), "greengrassv2": cloud.client()}
    for name, client in events.items():
        client.meta.events.register(f"before-send.{name}", lambda event_name, **_: asked.add(event_name.split(".")[-1]))
    _everything(
        Clients(events["s3"], events["greengrassv2"], events["sts"]), cloud, bucket, bundles, tmp_path, monkeypatch
    )
    told = {call for one in OPERATOR for call in one.calls}
    assert asked == told | NO_PERMISSION
    behind = {call for one in OPERATOR for call in one.besides}
    assert behind <= asked, "what is allowed besides is for operations of ours"
    assert all(one.calls or one.besides for one in OPERATOR)


def _everything(clients, cloud, bucket, bundles, tmp_path, monkeypatch) -> None:
    """Once through all that relens asks of AWS."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    keys = make_keys(tmp_path / "keys", "correct horse")
    create_repository(tmp_path / "repository", keys)
    publish(tmp_path / "repository", bundles[0], "stable", keys)
    mirror(tmp_path / "repository", f"s3://{bucket}/repository", client=clients.s3)
    (tmp_path / "large").write_bytes(bytes(6 << 20))
    begun = boto3.client("s3").create_multipart_upload(Bucket=bucket, Key="large", ChecksumAlgorithm="SHA256")
    Bucket(Place(bucket), clients.s3).put(tmp_path / "large", "large")
    assert begun["UploadId"]
    Bucket(Place(bucket), clients.s3).put(tmp_path / "large", "larger")
    for target in ("greengrass:thinggroup/yard", "greengrass:thing/cam-1"):
        fleet = Greengrass(target, bucket, clients, sleep=lambda _: None)
        first = fleet.deploy(bundles[0])
        for arn, (_, content) in list(cloud.components.items()):
            cloud.components[arn] = "of another", content
        fleet.deploy(bundles[0])
        fleet.deploy(bundles[1])
        cloud.groups[fleet.arn] = ["cam-1"]
        cloud.heard("cam-1", first.deployment, "SUCCEEDED")
        fleet.statuses()
        fleet.roll_back()
        fleet.cancel()


def test_every_operation_in_the_source_has_its_permission():
    """So that none is missing that the test above did not come by."""
    told = {xform_name(call) for one in OPERATOR for call in one.calls} | {"get_caller_identity"}
    found = set()
    for file in (one for one in SOURCE.glob("*.py") if "relens.deliver.aws" in one.read_text()):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of = ast.unparse(node.func.value)
                if re.search(r"client$|clients\.\w+$", of):
                    named = node.func.attr == "get_paginator" and ast.literal_eval(node.args[0])
                    found.add(named or node.func.attr)
    assert found == told


def test_operations_are_those_of_the_services():
    names = {
        name
        for service in ("s3", "greengrassv2", "sts")
        for name in boto3.client(service).meta.service_model.operation_names
    }
    assert {call for one in OPERATOR for call in (*one.calls, *one.besides)} <= names


@pytest.mark.parametrize("permissions", [OPERATOR, DEVICE], ids=["operator", "device"])
def test_every_resource_is_as_narrow_as_aws_knows_it(permissions):
    made = policy(permissions, HOME.places())
    assert made["Version"] == "2012-10-17"
    allowed = [action for statement in made["Statement"] for action in statement["Action"]]
    assert sorted(allowed) == sorted({one.action for one in permissions}), "each once"
    for statement in made["Statement"]:
        assert statement["Effect"] == "Allow" and re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
        assert not [action for action in statement["Action"] if "*" in action]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        if "*" in resources:
            assert set(statement["Action"]) == WIDE
        else:
            assert all(
                re.match(r"arn:aws:(s3:::yard-cams|(greengrass|iot):eu-west-1:123456789012:)", one) for one in resources
            )
    sids = [statement["Sid"] for statement in made["Statement"]]
    assert len(set(sids)) == len(sids)
    assert len(json.dumps(made, separators=(",", ":"))) < 6144, "a managed policy has so many characters at most"


def test_other_partitions_have_their_own_names():
    assert Account("b-1", "cn-north-1", "1" * 12).places()["partition"] == "aws-cn"
    assert Account("b-1", "us-gov-west-1", "1" * 12).places()["partition"] == "aws-us-gov"
    assert Account("b-1", "us-east-1", "1" * 12).places()["partition"] == "aws"
    assert [one for one in RESOURCES.values() if "arn:aws" in one] == []


def test_the_template_makes_a_closed_bucket_and_refers_to_what_it_makes():
    made = template(HOME)
    resources = made["Resources"]
    bucket = resources["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert resources["Bucket"]["DeletionPolicy"] == "Retain"
    assert {one["Type"] for one in resources.values()} == {
        "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::IoT::RoleAlias",
    }  # fmt: skip
    text = json.dumps(made)
    assert set(re.findall(r'"Ref": "(\w+)"', text)) | set(re.findall(r'"Fn::GetAtt": \["(\w+)"', text)) <= set(
        resources
    )
    assert set(re.findall(r"\$\{([\w:]+)\}", text)) <= {*resources, "AWS::Partition", "AWS::Region", "AWS::AccountId"}
    for name, permissions in (("OperatorPolicy", OPERATOR), ("DevicePolicy", DEVICE)):
        statements = resources[name]["Properties"]["PolicyDocument"]["Statement"]
        assert {action for one in statements for action in one["Action"]} == {one.action for one in permissions}
    role = resources["TokenExchangeRole"]["Properties"]
    assert role["ManagedPolicyArns"] == [{"Ref": "DevicePolicy"}], "what cameras may do, and no more"


def test_a_mirror_can_use_the_bucket_that_the_template_makes(at_emulator):
    """Its properties are S3's own: the emulator takes them as the calls that CloudFormation would make."""
    client, made = boto3.client("s3", config=Config()), template(Account("yard-made", "eu-west-1", "0" * 12))
    properties = made["Resources"]["Bucket"]["Properties"]
    client.create_bucket(Bucket=properties["BucketName"], CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_public_access_block(
        Bucket="yard-made", PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"]
    )
    client.put_bucket_versioning(Bucket="yard-made", VersioningConfiguration=properties["VersioningConfiguration"])
    assert client.get_bucket_versioning(Bucket="yard-made")["Status"] == "Enabled"


def test_files_are_written_for_review_and_never_over_others(tmp_path):
    files = write_aws(tmp_path / "aws", HOME)
    assert [file.name for file in files] == ["README.md", "operator-policy.json", "device-policy.json", "template.json"]
    for file in files[1:]:
        json.loads(file.read_text())
    assert json.loads(files[1].read_text()) == policy(OPERATOR, HOME.places())
    readme = files[0].read_text()
    for one in (*OPERATOR, *DEVICE):
        assert f"| `{one.action}` |" in readme and one.why in readme
    assert write_aws(tmp_path / "aws", HOME) == files
    files[2].write_text("{}")
    before = {file: file.read_bytes() for file in files}
    for account in (HOME, Account("another", "eu-west-1", "123456789012")):
        with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-004: .*says something else"):
            write_aws(tmp_path / "aws", account)
    assert {file: file.read_bytes() for file in files} == before


@pytest.mark.parametrize(
    "account",
    [Account("Yard", "eu-west-1", "1" * 12), Account("yard", "europe", "1" * 12), Account("yard", "eu-west-1", "12")],
)
def test_what_aws_does_not_know_is_refused(account, tmp_path):
    with pytest.raises(BadConfig, match="RL-CONFIG-003"):
        write_aws(tmp_path / "aws", account)
    assert not (tmp_path / "aws").exists()


def test_the_command_writes_them_without_boto3(tmp_path):
    names = ("--bucket", "yard-cams", "--region", "eu-west-1", "--account", "123456789012")
    script = "import sys; sys.modules['boto3'] = sys.modules['botocore'] = None\nfrom relens.cli import main\nmain()"
    command = [sys.executable, "-c", script, "init", "--aws", str(tmp_path / "aws"), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert next(Path(line).name for line in done.stdout.split()) == "README.md"
    for wrong in ((), ("model.tflite", "--aws", "x"), ("--aws", "x")):
        done = subprocess.run([*command[:4], *wrong], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, "RL-CONFIG-005" in done.stderr) == (2, True)


def test_a_mirror_without_boto3_says_what_to_install(tmp_path):
    keys = make_keys(tmp_path / "keys", "correct horse")
    create_repository(tmp_path / "repository", keys)
    (tmp_path / "passphrase").write_text("correct horse")
    script = "import sys; sys.modules['boto3'] = sys.modules['botocore'] = None\nfrom relens.cli import main\nmain()"
    secret = ("--keys", tmp_path / "keys", "--passphrase-file", tmp_path / "passphrase")
    command = [sys.executable, "-c", script, "refresh", tmp_path / "repository", *secret, "--mirror", "s3://yard-cams"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and 'pip install "relens[aws]"' in done.stderr
