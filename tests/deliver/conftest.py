"""Bundles to publish, S3 as a process of its own on loopback, Greengrass as HTTP answers held to AWS's own model."""

import base64
import io
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from relens.bundle import Bundle, open_bundle

SECRET = "a-secret-that-is-seen-nowhere"
REGION = "eu-west-1"
ACCOUNT = "000000000000"


@pytest.fixture(scope="session")
def bundles(shapes, tmp_path_factory) -> list[Bundle]:
    import relens

    folder = tmp_path_factory.mktemp("bundles")
    found = []
    for name in ("one", "two"):
        model = Path(folder / f"{name}.tflite")
        model.write_bytes(shapes.graph.read_bytes())
        relens.package(model, folder / f"{name}.relens", labels=("circle", "square", "cross"))
        found.append(open_bundle(folder / f"{name}.relens", folder))
    return found


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[str]:
    """The address of a ministack that is this session's own; it refuses a wrong checksum as S3 does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"BIND_HOST": "127.0.0.1", "SFTP_ENABLED": "0", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0"}
    folder = tmp_path_factory.mktemp("ministack")
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "ministack"]
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"{address}/_ministack/ready", timeout=1):
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(autouse=True)
def credentials(monkeypatch, tmp_path_factory) -> None:
    """Found where the SDK looks for them; nobody else's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nothing = str(tmp_path_factory.getbasetemp() / "no such file")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKEFAKE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def at_emulator(emulator, monkeypatch, credentials) -> str:
    """The SDK talks to the emulator, in this process and in those begun from here."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", emulator)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", emulator)
    monkeypatch.setenv("AWS_ENDPOINT_URL_GREENGRASSV2", "http://127.0.0.1:9")
    return emulator


NUMBERS = itertools.count(1)


@pytest.fixture
def bucket(at_emulator) -> str:
    """An empty one."""
    name = f"yard-{os.getpid()}-{next(NUMBERS)}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def listed(at_emulator) -> Callable[[str], dict[str, str]]:
    """The keys of a bucket, and their checksums."""
    client = boto3.client("s3")

    def look(name: str) -> dict[str, str]:
        keys = [one["Key"] for one in client.list_objects_v2(Bucket=name).get("Contents", ())]
        return {
            key: client.head_object(Bucket=name, Key=key, ChecksumMode="ENABLED").get("ChecksumSHA256", "")
            for key in keys
        }

    return look


def strict(shape: Any, value: Any, path: str = "") -> list[tuple[str, str]]:
    """Whatever AWS's model of a value forbids, and botocore lets pass: enums, patterns, lengths, least and most."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        inner = [(shape.members.get(name), one, f"{path}.{name}") for name, one in value.items()]
        found = [(at, "unknown") for member, _, at in inner if member is None]
        found += [(f"{path}.{name}", "missing") for name in shape.required_members if name not in value]
        return found + [flaw for member, one, at in inner if member for flaw in strict(member, one, at)]
    measured: float | None = None
    found = []
    if kind == "list":
        measured = len(value)
        found = [flaw for at, one in enumerate(value) for flaw in strict(shape.member, one, f"{path}[{at}]")]
    elif kind == "map":
        measured = len(value)
        found = [flaw for key in value for flaw in strict(shape.key, key, f"{path}<{key}>")]
        found += [flaw for key, one in value.items() for flaw in strict(shape.value, one, f"{path}.{key}")]
    elif kind == "string":
        measured = len(value)
        if shape.enum and value not in shape.enum:
            found = [(path, f"{value} is none of {shape.enum}")]
        if not re.search(limits.get("pattern", ""), value):
            found.append((path, f"{value} is not {limits['pattern']}"))
    elif kind == "blob":
        measured = len(value)
    elif kind in ("integer", "long", "float", "double"):
        measured = value
    if measured is not None and not limits.get("min", measured) <= measured <= limits.get("max", measured):
        found.append((path, f"{measured} is not within {limits.get('min')} to {limits.get('max')}"))
    return found


class Killed(Exception):
    """At this moment."""


class Raw(io.BytesIO):
    """What botocore reads of an HTTP answer."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Cloud:
    """AWS IoT Greengrass V2, as far as relens asks it: the client is botocore's, only HTTP ends here.

    Each request and each answer is held to the service's model. kill_at: the number of the request that ends the
    command, before it is heard or (`lost`) after. lags: the newest deployment is not listed yet.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.components: dict[str, tuple[str, bytes]] = {}
        self.states = ["REQUESTED", "DEPLOYABLE"]
        self.deployments: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}
        self.groups: dict[str, list[str]] = {}
        self.effective: dict[str, list[dict[str, Any]]] = {}
        self.kill_at: int | None = None
        self.lost = False
        self.lags = False
        self._asked, self._clock = itertools.count(1), itertools.count(1_790_000_000)

    def client(self) -> Any:
        """Of boto3, with this behind it."""
        made = boto3.client("greengrassv2", endpoint_url="http://127.0.0.1:9")
        events = made.meta.events
        events.register("provide-client-params.greengrassv2", self._check_request)
        events.register("before-send.greengrassv2", self._answer)
        events.register("after-call.greengrassv2", self._check_answer)
        return made

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of an operation."""
        return [params for name, params in self.calls if name == operation]

    def _check_request(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        assert strict(model.input_shape, params) == []
        self.calls.append((model.name, params))

    def _check_answer(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            values = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
            assert strict(model.output_shape, values) == []
        else:
            known = {shape.name for shape in model.error_shapes} | {"UnrecognizedClientException"}
            assert parsed["Error"]["Code"] in known

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        dies = self.kill_at == next(self._asked)
        if dies and not self.lost:
            raise Killed
        url = urlsplit(request.url)
        path = unquote(url.path).removeprefix("/greengrass/v2/").split("/")
        body = json.loads(request.body) if request.body else {}
        status, values = self._route(request.method, path, body, {k: v[0] for k, v in parse_qs(url.query).items()})
        if dies:
            raise Killed
        headers = {"x-amzn-errortype": values.pop("_error", "")}
        return AWSResponse(request.url, status, headers, Raw(json.dumps(values).encode()))

    def _route(self, method: str, path: list[str], body: dict[str, Any], query: dict[str, str]) -> tuple[int, Any]:
        answer: tuple[int, Any] = (404, _error("ResourceNotFound"))
        match method, path:
            case "POST", ["createComponentVersion"]:
                answer = self._create_component(body)
            case "GET", ["components", arn, "metadata"]:
                answer = 200, {"arn": arn, "status": self._status(arn)}
            case "GET", ["components", arn]:
                answer = 200, {"recipeOutputFormat": "JSON", "recipe": self._digested(arn)}
            case "POST", ["deployments"]:
                answer = self._create_deployment(body)
            case "GET", ["deployments"]:
                answer = 200, {"deployments": [*self._listed(query["targetArn"])]}
            case "GET", ["deployments", name] if name in self.deployments:
                answer = 200, self.deployments[name]
            case "POST", ["deployments", name, "cancel"]:
                self.deployments[name]["deploymentStatus"] = "CANCELED"
                answer = 200, {"message": "canceled"}
            case "GET", ["coreDevices"]:
                found = self.groups.get(query["thingGroupArn"], [])
                at = int(query.get("nextToken", "0"))
                more = {"nextToken": str(at + 2)} if at + 2 < len(found) else {}
                answer = 200, {"coreDevices": [{"coreDeviceThingName": one} for one in found[at : at + 2]], **more}
            case "GET", ["coreDevices", name, "effectiveDeployments"] if name in self.effective:
                answer = 200, {"effectiveDeployments": self.effective[name]}
        return answer

    def _listed(self, target: str) -> Iterator[dict[str, Any]]:
        keys = ("targetArn", "deploymentId", "deploymentName", "creationTimestamp", "deploymentStatus")
        for one in list(self.deployments.values())[: -1 if self.lags else None]:
            if one["targetArn"] == target:
                yield {key: one[key] for key in keys if key in one}

    def _create_component(self, body: dict[str, Any]) -> tuple[int, Any]:
        content = base64.b64decode(body["inlineRecipe"])
        recipe = json.loads(content)
        name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}"
        values = {"arn": arn, "componentName": name, "componentVersion": version}
        values |= {"creationTimestamp": next(self._clock), "status": {"componentState": "REQUESTED"}}
        if body["clientToken"] in self.tokens:
            return 201, values  # what was answered then, whatever has become of it
        if arn in self.components:
            return 409, _error("Conflict")
        self.tokens[body["clientToken"]] = arn
        self.components[arn] = body["clientToken"], content
        return 201, values

    def _status(self, arn: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        more = {"message": "no such artifact", "errors": {"s3": "403"}} if state == "FAILED" else {}
        return {"componentState": state, **more}

    def _digested(self, arn: str) -> str:
        """As the cloud gives it back: with the digests that it has taken."""
        recipe = json.loads(self.components[arn][1])
        for artifact in recipe["Manifests"][0]["Artifacts"]:
            artifact |= {"Digest": "AAAA", "Algorithm": "SHA-256"}
        return base64.b64encode(json.dumps(recipe).encode()).decode()

    def _create_deployment(self, body: dict[str, Any]) -> tuple[int, Any]:
        token = body.pop("clientToken")
        if token not in self.tokens:
            for one in self.deployments.values():
                if (one["targetArn"], one["deploymentStatus"]) == (body["targetArn"], "ACTIVE"):
                    one["deploymentStatus"] = "CANCELED"  # as AWS does with what is replaced
            name = self.tokens[token] = f"deployment-{len(self.deployments) + 1}"
            self.deployments[name] = {
                **body,
                "deploymentId": name,
                "creationTimestamp": next(self._clock),
                "deploymentStatus": "ACTIVE",
            }
        return 201, {"deploymentId": self.tokens[token]}

    def heard(self, camera: str, deployment: str, state: str, **more: Any) -> None:
        """A camera tells what became of a deployment."""
        told, now = self.deployments[deployment], next(self._clock)
        of = {key: told[key] for key in ("deploymentId", "deploymentName", "targetArn", "creationTimestamp")}
        others = [one for one in self.effective.get(camera, []) if one["deploymentId"] != deployment]
        now_is = {**of, "coreDeviceExecutionStatus": state, "modifiedTimestamp": now, **more}
        self.effective[camera] = [*others, now_is]


def _error(kind: str) -> dict[str, str]:
    return {"_error": f"{kind}Exception", "message": f"said by the test at {datetime.now(timezone.utc):%H:%M}"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def clients(at_emulator, cloud):
    from relens.deliver.greengrass import Clients

    return Clients(boto3.client("s3"), cloud.client(), boto3.client("sts"))


@pytest.fixture
def killed() -> type[Exception]:
    return Killed


@pytest.fixture
def strictly() -> Callable[..., list[tuple[str, str]]]:
    return strict
