"""A fleet on Greengrass: S3 is a real server, the client is botocore's, every request is held to AWS's own model."""

import copy
import itertools
import json
import subprocess

import boto3
import pytest

from relens.deliver.greengrass import Clients, Greengrass
from relens.deliver.job import IotJob
from relens.deliver.recipe import (
    COMPONENT,
    MOST_BYTES,
    Agent,
    artifact_name,
    bundle_id,
    component_version,
    read_recipe,
    recipe,
)
from relens.device.agent.status import CameraStatus
from relens.errors import DeliveryTrouble

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
GROUP = "arn:aws:iot:eu-west-1:000000000000:thinggroup/yard"
THING = "arn:aws:iot:eu-west-1:000000000000:thing/cam-1"


@pytest.fixture
def fleet(clients, bucket) -> Greengrass:
    return Greengrass("greengrass:thinggroup/yard", bucket, clients, sleep=lambda _: None)


@pytest.fixture
def thing(clients, bucket) -> Greengrass:
    return Greengrass("greengrass:thing/cam-1", bucket, clients, sleep=lambda _: None)


def test_a_version_is_three_numbers_that_are_the_bundles_id():
    assert component_version("00010002ffff" + "0" * 52) == "1.2.65535"
    assert bundle_id("1.2.65535") == "00010002ffff"
    assert [bundle_id(wrong) for wrong in ("1.2", "1.2.65536", "1.2.3-a", "1.2.3.4", "1..3", "")] == [None] * 6


def test_a_recipe_is_what_both_nuclei_take(bundles):
    made = recipe(bundles[0], "yard-cams", agent=Agent("/var/lib/cam", 90, "/opt/bin/relens"))
    version = component_version(bundles[0].sha256)
    assert json.loads(made.to_bytes()) == {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "relens.bundle",
        "ComponentVersion": version,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"one {bundles[0].sha256[:12]}",
        "ComponentPublisher": "relens",
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Artifacts": [{"Uri": f"s3://yard-cams/relens.bundle/{version}/one.relens", "Unarchive": "NONE"}],
                "Lifecycle": {
                    "install": {
                        "Script": "/opt/bin/relens device install {artifacts:path}/one.relens"
                        " --state /var/lib/cam --wait 90",
                        "Timeout": 150,
                        "RequiresPrivilege": True,
                    },
                    "run": "true",
                },
            }
        ],
    }
    assert len(made.to_bytes()) < 1000
    assert read_recipe(made.to_bytes()) == made


def _keys(value, path=()):
    """The path to every key of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if isinstance(key, str):
            yield (*path, key)
        yield from _keys(inner, (*path, key))


def test_a_key_in_another_case_is_refused_wherever_it_stands(bundles):
    good = json.loads(recipe(bundles[0], "yard-cams").to_bytes())
    paths = list(_keys(good))
    assert len(paths) > 15
    for path in paths:
        for change in (str.upper, str.lower, str.title, str.swapcase):
            if change(path[-1]) == path[-1]:
                continue
            bad = copy.deepcopy(good)
            table = bad
            for step in path[:-1]:
                table = table[step]
            table[change(path[-1])] = table.pop(path[-1])
            with pytest.raises(DeliveryTrouble, match=rf"RL-DELIVER-008.*recipe's `.*{path[-1]}`|{change(path[-1])}"):
                read_recipe(json.dumps(bad).encode())


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("Platform", {"os": "linux"}),  # nucleus lite takes it for another machine's
        ("Platform", {"os": "windows", "runtime": "*"}),
        ("Artifacts", [{"Uri": "https://host/file"}]),
        ("Artifacts", [{"Uri": "s3://b/f", "Unarchive": "TAR"}]),
        ("Lifecycle", {"install": "true"}),
        ("Lifecycle", {"run": "true", "shutdown": "true"}),
    ],
)
def test_what_a_nucleus_would_not_do_is_refused(bundles, where, value):
    good = json.loads(recipe(bundles[0], "yard-cams").to_bytes())
    good["Manifests"][0][where] = value
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-008"):
        read_recipe(good)


def test_a_recipe_that_is_too_large_or_no_json_is_refused(bundles):
    good = json.loads(recipe(bundles[0], "yard-cams").to_bytes())
    with pytest.raises(DeliveryTrouble, match=rf"RL-DELIVER-008.*{MOST_BYTES}"):
        read_recipe({**good, "ComponentDescription": "x" * MOST_BYTES})
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*no JSON"):
        read_recipe(b"RecipeFormatVersion: 2020-01-25")


@pytest.mark.parametrize("agent", [Agent("relative"), Agent("/a;rm -rf /"), Agent(program="/b $(c)"), Agent(wait_s=0)])
def test_what_a_shell_would_take_for_something_else_is_refused(bundles, agent):
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-008"):
        recipe(bundles[0], "yard-cams", agent=agent)


def test_the_command_in_a_recipe_is_one_command(bundles, tmp_path):
    """A real shell reads it."""
    made = recipe(bundles[0], "yard-cams", agent=Agent(program="/bin/echo"))
    script = made.manifests[0].lifecycle.install.script.replace("{artifacts:path}", str(tmp_path))
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == f"device install {tmp_path}/one.relens --state /var/lib/relens --wait 240\n"


@pytest.mark.parametrize(
    "wrong", ["greengrass:thing/", "thing/a", "greengrass:group/a", "greengrass:thing/a b", "ssh://a"]
)
def test_what_is_no_target_is_refused(wrong, clients):
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*is no target"):
        Greengrass(wrong, "yard-cams", clients)


def test_a_bundle_goes_to_a_group(fleet, cloud, bundles, bucket):
    done = fleet.deploy(bundles[0], IotJob(10, 0.05, 3, 30))
    version = component_version(bundles[0].sha256)
    assert (done.version, done.bundle, done.new) == (version, bundles[0].sha256[:12], True)
    stored = boto3.client("s3").get_object(Bucket=bucket, Key=artifact_name(bundles[0], COMPONENT))["Body"].read()
    assert stored == bundles[0].path.read_bytes()
    (asked,) = cloud.asked("CreateDeployment")
    assert asked == {
        "targetArn": GROUP,
        "deploymentName": f"one {bundles[0].sha256[:12]}",
        "components": {COMPONENT: {"componentVersion": version}},
        "iotJobConfiguration": {
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 10},
            "abortConfig": {
                "criteriaList": [
                    {
                        "failureType": "ALL",
                        "action": "CANCEL",
                        "thresholdPercentage": 5.0,
                        "minNumberOfExecutedThings": 3,
                    }
                ]
            },
            "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
        },
        "deploymentPolicies": {"failureHandlingPolicy": "DO_NOTHING"},
        "clientToken": asked["clientToken"],
    }
    assert len(cloud.asked("DescribeComponent")) == 2, "until it is DEPLOYABLE"


def test_a_targets_arn_is_the_one_that_aws_iot_gives_it(fleet, thing, at_emulator):
    iot = boto3.client("iot", endpoint_url=at_emulator)
    assert iot.create_thing_group(thingGroupName="yard")["thingGroupArn"] == fleet.arn == GROUP
    assert iot.create_thing(thingName="cam-1")["thingArn"] == thing.arn == THING


def test_what_a_target_holds_besides_stays(fleet, cloud, bundles):
    others = {
        "aws.greengrass.NucleusLite": {"componentVersion": "2.6.0"},
        "com.example.Other": {
            "componentVersion": "1.0.0",
            "configurationUpdate": {"merge": '{"fps": 10}', "reset": ["/old"]},
            "runWith": {"posixUser": "cam:cam"},
        },
    }
    policies = {
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {"action": "SKIP_NOTIFY_COMPONENTS", "timeoutInSeconds": 9},
    }
    fleet.clients.greengrass.create_deployment(
        targetArn=GROUP, components=others, deploymentPolicies=policies, deploymentName="by hand"
    )
    fleet.deploy(bundles[0])
    first = cloud.asked("CreateDeployment")[-1]
    assert first["components"] == {**others, COMPONENT: {"componentVersion": component_version(bundles[0].sha256)}}
    assert first["deploymentPolicies"] == {**policies, "failureHandlingPolicy": "DO_NOTHING"}
    fleet.deploy(bundles[1])
    second = cloud.asked("CreateDeployment")[-1]
    assert second["components"] == {**others, COMPONENT: {"componentVersion": component_version(bundles[1].sha256)}}


def test_a_deployment_given_twice_is_made_once(fleet, cloud, bundles):
    first = fleet.deploy(bundles[0])
    second = fleet.deploy(bundles[0])
    assert (second.deployment, second.new) == (first.deployment, False)
    assert len(cloud.deployments) == 1
    assert fleet.deploy(bundles[0], again=True).deployment != first.deployment


@pytest.mark.parametrize("lost", [False, True], ids=["before it is heard", "before it is answered"])
def test_a_deployment_that_is_killed_at_any_moment_and_given_again_is_made_once(
    clients, cloud, bundles, bucket, killed, lost
):
    for moment in itertools.count(1):
        state = type(cloud)()
        state.kill_at, state.lost = moment, lost
        state_clients = Clients(clients.s3, state.client(), clients.sts)
        target = "greengrass:thinggroup/yard"
        try:
            Greengrass(target, bucket, state_clients, sleep=lambda _: None).deploy(bundles[0])
        except killed:
            Greengrass(target, bucket, state_clients, sleep=lambda _: None).deploy(bundles[0])
            assert len(state.deployments) == 1 == len(state.components)
        else:
            break
    assert moment == 6, "create, two times describe, list, create"


def test_a_deployment_that_is_not_listed_yet_is_not_made_again(fleet, cloud, bundles):
    first = fleet.deploy(bundles[0])
    cloud.lags = True
    assert fleet.deploy(bundles[0]).deployment == first.deployment, "AWS knows the request by its token"
    assert len(cloud.deployments) == 1
    cloud.lags = False
    fleet.deploy(bundles[1])
    assert fleet.deploy(bundles[0]).deployment != first.deployment, "after another bundle it is another request"


def test_a_component_that_is_there_already_is_fine_when_it_is_the_same(fleet, cloud, bundles, bucket):
    version = fleet.offer(bundles[0])
    arn = next(iter(cloud.components))
    assert fleet.offer(bundles[0]) == version
    assert len(cloud.asked("GetComponent")) == 1
    elsewhere = Greengrass(fleet.target, bucket, fleet.clients, agent=Agent("/srv/elsewhere"), sleep=lambda _: None)
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*another command") as told:
        elsewhere.offer(bundles[0])
    assert arn in told.value.hint


def test_a_component_that_the_cloud_writes_in_another_way_is_the_same(fleet, cloud, bundles):
    fleet.offer(bundles[0])
    arn, (_, content) = next(iter(cloud.components.items()))
    there = json.loads(content)
    there["Manifests"][0] |= {"Name": "Linux", "Selections": []}
    there["Manifests"][0]["Lifecycle"]["install"]["Timeout"] = "300"
    del there["Manifests"][0]["Lifecycle"]["run"], there["ComponentPublisher"]
    cloud.components[arn] = "of somebody else", json.dumps(there).encode()
    fleet.offer(bundles[0])
    there["Manifests"][0]["Artifacts"][0]["Uri"] = "s3://another/relens.bundle/1.2.3/one.relens"
    cloud.components[arn] = "of somebody else", json.dumps(there).encode()
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*other files"):
        fleet.offer(bundles[0])


def test_a_component_that_fails_is_told(fleet, cloud, bundles):
    cloud.states = ["REQUESTED", "FAILED"]
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*FAILED: no such artifact; 403"):
        fleet.deploy(bundles[0])
    cloud.states = ["INITIATED"]
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*not ready after 180 s"):
        fleet.deploy(bundles[0])
    assert cloud.deployments == {}


def test_a_component_that_failed_is_deleted_and_made_anew(fleet, cloud, bundles):
    cloud.states = ["FAILED"]
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-008") as told:
        fleet.offer(bundles[0])
    (arn,) = cloud.components
    assert f"delete-component --arn {arn}" in told.value.hint
    del cloud.components[arn]
    cloud.states = ["DEPLOYABLE"]
    fleet.offer(bundles[0])
    assert list(cloud.components) == [arn]


def test_the_way_back_is_the_bundle_before(fleet, cloud, bundles):
    one, two = (bundle.sha256[:12] for bundle in bundles)
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-008.*no bundle before"):
        fleet.roll_back()
    fleet.deploy(bundles[0])
    fleet.deploy(bundles[1])
    back = fleet.roll_back(leave=two)
    assert (back.bundle, back.new) == (one, True)
    left = component_version(bundles[1].sha256)
    assert cloud.asked("CreateDeployment")[-1]["deploymentName"] == f"one {one} instead of {left}"
    again = fleet.roll_back(leave=two)
    assert (again.bundle, again.new) == (one, False), "given again, it does nothing"
    with pytest.raises(DeliveryTrouble, match="no bundle before"):
        fleet.roll_back()


def test_what_failed_everywhere_is_left_and_never_gone_back_to(thing, cloud, bundles):
    one, two = (bundle.sha256[:12] for bundle in bundles)
    first, second = (thing.deploy(bundle).deployment for bundle in bundles)
    cloud.deployments[second]["deploymentStatus"] = "FAILED"
    assert thing.roll_back().bundle == one
    with pytest.raises(DeliveryTrouble, match="no bundle before"):
        thing.roll_back()
    cloud.deployments[first]["deploymentStatus"] = "FAILED"
    thing.deploy(bundles[1])
    assert thing.roll_back(leave=two).deployment == "deployment-5", "tried once more, and left once more"
    cloud.heard("cam-1", "deployment-5", "SUCCEEDED")
    assert (thing.statuses()[0].bundle, thing.statuses()[0].name) == (one, "one")


def test_a_rollout_is_cancelled_and_its_cameras_are_taken_back(fleet, cloud, bundles):
    one, two = (bundle.sha256[:12] for bundle in bundles)
    assert fleet.cancel() is None
    fleet.deploy(bundles[0])
    second = fleet.deploy(bundles[1])
    assert (fleet.cancel(), fleet.cancel()) == (second.deployment, None)
    assert len(cloud.asked("CancelDeployment")) == 1
    assert fleet.roll_back(leave=two).bundle == one
    assert fleet.roll_back(leave=two).new is False


def test_the_way_back_leads_to_a_deployment_without_a_name_too(fleet, clients, bundles):
    version = fleet.offer(bundles[0])
    held = {COMPONENT: {"componentVersion": version}}
    clients.greengrass.create_deployment(targetArn=GROUP, components=held)
    fleet.deploy(bundles[1])
    assert fleet.roll_back().version == version


def test_what_was_cancelled_can_be_deployed_again(fleet, bundles):
    first = fleet.deploy(bundles[0])
    fleet.cancel()
    again = fleet.deploy(bundles[0])
    assert again.new and again.deployment != first.deployment, "another request, which AWS takes for a new one"


def test_a_fleets_cameras_are_told_in_our_words(fleet, cloud, bundles):
    one, two = (bundle.sha256[:12] for bundle in bundles)
    first, second = (fleet.deploy(bundle).deployment for bundle in bundles)
    fleet.clients.greengrass.create_deployment(targetArn=THING, components={}, deploymentName="of another target")
    cloud.groups[GROUP] = ["cam-b", "cam-a", "cam-c", "cam-d", "cam-e", "cam-f", "cam-g"]
    cloud.heard("cam-a", first, "SUCCEEDED")
    cloud.heard("cam-a", second, "COMPLETED")
    cloud.heard("cam-b", second, "IN_PROGRESS")
    cloud.heard("cam-c", first, "SUCCEEDED")
    cloud.heard("cam-c", second, "FAILED", reason="install", statusDetails={"errorStack": ["COMPONENT_BROKEN"]})
    cloud.heard("cam-d", first, "SUCCEEDED")
    cloud.heard("cam-d", second, "QUEUED")
    cloud.heard("cam-e", "deployment-3", "SUCCEEDED")
    cloud.heard("cam-g", second, "REJECTED")
    told = {one.camera: one for one in fleet.statuses()}
    since = told["cam-a"].since
    assert since and since.endswith("+00:00")
    assert told["cam-a"] == CameraStatus("cam-a", "confirmed", two, "two", since)
    assert (told["cam-b"].stage, told["cam-b"].bundle) == ("active", two)
    assert (told["cam-c"].stage, told["cam-c"].bundle, told["cam-c"].name) == ("confirmed", one, "one")
    assert told["cam-c"].trouble == "FAILED: install: COMPONENT_BROKEN"
    assert told["cam-c"].bad == {two: told["cam-c"].trouble}
    assert (told["cam-d"].stage, told["cam-d"].bundle, told["cam-d"].bad) == ("away", one, {})
    assert told["cam-e"] == CameraStatus("cam-e", "empty")
    assert (told["cam-f"].stage, told["cam-f"].trouble) == ("away", "Greengrass has never heard of it")
    assert (told["cam-g"].stage, told["cam-g"].bad) == ("empty", {two: "REJECTED"})
    assert list(told) == sorted(told)


def test_one_camera_is_told_too(thing, cloud, bundles):
    assert thing.statuses()[0].stage == "away"
    cloud.heard("cam-1", thing.deploy(bundles[0]).deployment, "IN_PROGRESS")
    assert "iotJobConfiguration" not in cloud.asked("CreateDeployment")[0], "one camera has no rollout"
    (told,) = thing.statuses()
    assert (told.camera, told.stage, told.bundle) == ("cam-1", "active", bundles[0].sha256[:12])


def test_a_deployment_that_is_there_no_more_is_passed_over(thing, cloud, bundles):
    first = thing.deploy(bundles[0]).deployment
    cloud.heard("cam-1", first, "SUCCEEDED")
    del cloud.deployments[first]
    fresh = Greengrass(thing.target, thing.bucket, thing.clients, sleep=lambda _: None)
    assert fresh.statuses() == [CameraStatus("cam-1", "empty")]


@pytest.mark.parametrize(
    "rollout",
    [
        IotJob(0),
        IotJob(1001),
        IotJob(abort_share=0),
        IotJob(abort_share=1.1),
        IotJob(abort_least=0),
        IotJob(patience_min=0),
        IotJob(patience_min=10_081),
    ],
)
def test_a_rollout_that_aws_does_not_take_is_refused(fleet, cloud, bundles, rollout):
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-008"):
        fleet.deploy(bundles[0], rollout)
    assert cloud.calls == []


def test_the_check_of_requests_finds_what_botocore_lets_pass(cloud, strictly):
    model = cloud.client().meta.service_model.operation_model("CreateDeployment").input_shape
    good = {"targetArn": GROUP, "iotJobConfiguration": IotJob().to_job(), "clientToken": "a-1"}
    assert strictly(model, good) == []
    bad = [
        {**good, "targetArn": "arn:aws:iot:eu-west-1:1:job/a"},
        {**good, "clientToken": "a_1"},
        {**good, "clientToken": "a" * 65},
        {**good, "deploymentName": ""},
        {**good, "unknown": 1},
        {"clientToken": "a"},
        {**good, "deploymentPolicies": {"failureHandlingPolicy": "NOTHING"}},
        {
            **good,
            "iotJobConfiguration": IotJob(cameras_per_minute=1000).to_job() | {"abortConfig": {"criteriaList": []}},
        },
        {**good, "iotJobConfiguration": {"jobExecutionsRolloutConfig": {"maximumPerMinute": 1001}}},
        {**good, "components": {"a": {"componentVersion": "1" * 65}}},
        {**good, "components": {"": {"componentVersion": "1"}}},
        {**good, "tags": {}},
    ]
    assert [request for request in bad if not strictly(model, request)] == []


def test_what_aws_refuses_is_told_with_the_permission(fleet, cloud, bundles, monkeypatch):
    monkeypatch.setattr(cloud, "_route", lambda *_: (403, {"_error": "AccessDeniedException", "message": "not you"}))
    with pytest.raises(DeliveryTrouble, match=r"ListDeployments: AccessDenied.*greengrass:ListDeployments") as told:
        fleet.roll_back()
    assert "relens init --aws" in told.value.hint
    assert told.value.details == {"operation": "ListDeployments", "aws_code": "AccessDeniedException"}
    with pytest.raises(DeliveryTrouble, match=r"AccessDenied.*greengrass:CreateComponentVersion") as told:
        fleet.deploy(bundles[0])
    assert "s3:GetObject, greengrass:CreateComponentVersion" in told.value.message, "what it takes behind the scenes"
    monkeypatch.setattr(cloud, "_route", lambda *_: (403, {"_error": "UnrecognizedClientException", "message": "who?"}))
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-007") as told:
        fleet.cancel()
    assert "aws sts get-caller-identity" in told.value.hint
