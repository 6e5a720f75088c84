"""What functions publish, and the parts of Greengrass and Kinesis that they import."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from relens.errors import DeviceTrouble, LegacyTrouble
from relens.spec import BrokerSettings

PUBLISH = """
import os
import awscam
import greengrasssdk
from greengrass_common.env_vars import MY_FUNCTION_ARN
from greengrass_ipc_python_sdk.ipc_client import IPCClient, IPCException
client = greengrasssdk.client('iot-data')
topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])
client.publish(topic=topic, payload='text')
client.publish(topic=topic, payload=b'\\xff\\xd8 bytes', qos=1)
client.publish(topic='other', payload=bytearray(b'more'), queueFullPolicy='AllOrException')
client.publish(topic='grüße', payload='schön')
client.publish('positional', '1')
client.publish(topic='arn', payload=str(MY_FUNCTION_ARN))
awscam.getLastFrame()
"""


def test_messages_of_every_kind_are_counted_and_kept(run_text: Callable[..., Any]) -> None:
    summary = run_text(PUBLISH, thing="deeplens_OJf-1")
    topic = "$aws/things/deeplens_OJf-1/infer"
    assert [(one["topic"], one["payload"]) for one in reversed(summary.messages)] == [
        (topic, "text"),
        (topic, "\ufffd\ufffd bytes"),
        ("other", "more"),
        ("grüße", "schön"),
        ("positional", "1"),
        ("arn", "arn:aws:lambda:us-east-1:000000000000:function:lambda_function:1"),
    ]
    assert summary.published == 6
    assert json.loads(json.dumps(summary.to_json()))["published"] == 6


def test_messages_reach_a_real_broker_as_they_were(run_text: Callable[..., Any], broker: int) -> None:
    seen: list[tuple[str, bytes]] = []
    witness = Client(CallbackAPIVersion.VERSION2, "witness", protocol=MQTTv311)
    there: list[Any] = []
    witness.on_connect = lambda client, *_: client.subscribe([("$aws/#", 1), ("#", 1)])
    witness.on_subscribe = lambda *_: there.append(1)
    witness.on_message = lambda _, __, message: seen.append((message.topic, message.payload))
    witness.connect("127.0.0.1", broker)
    witness.loop_start()
    try:
        until(lambda: there)
        settings = BrokerSettings.model_validate({"host": "127.0.0.1", "port": broker, "tls": False})
        run_text(PUBLISH, broker=settings)
        until(lambda: len(seen) >= 6)
    finally:
        witness.disconnect()
        witness.loop_stop()
    assert seen[:5] == [
        ("$aws/things/deeplens/infer", b"text"),
        ("$aws/things/deeplens/infer", b"\xff\xd8 bytes"),
        ("other", b"more"),
        ("grüße", "schön".encode()),
        ("positional", b"1"),
    ]


def until(done: Callable[[], Any]) -> None:
    end_s = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_broker_that_is_not_there_is_said_before_the_function_runs(run_text: Callable[..., Any]) -> None:
    settings = BrokerSettings.model_validate({"host": "127.0.0.1", "port": 1, "tls": False})
    with pytest.raises(DeviceTrouble, match="Connection refused") as raised:
        run_text(PUBLISH, broker=settings)
    assert raised.value.code == "RL-OUTLET-001"


@pytest.mark.parametrize(
    "call",
    [
        "client.get_thing_shadow(thingName='x')",
        "client.update_thing_shadow(thingName='x', payload='{}')",
        "greengrasssdk.client('lambda')",
        "greengrasssdk.client('secretsmanager')",
        "IPCClient()",
    ],
)
def test_what_only_aws_could_answer_is_named_even_if_the_function_hides_it(
    run_text: Callable[..., Any], call: str
) -> None:
    text = PUBLISH.replace(
        "awscam.getLastFrame()",
        f"try:\n    {call}\nexcept Exception as e:\n    client.publish(topic='e', payload=str(e))",
    )
    with pytest.raises(LegacyTrouble) as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-011"


def test_a_payload_that_is_neither_text_nor_bytes_is_the_functions_own_mistake(run_text: Callable[..., Any]) -> None:
    text = PUBLISH + "client.publish(topic='t', payload={'a': 1})\n"
    with pytest.raises(LegacyTrouble, match=r"line 16\): TypeError: payload is text or bytes, and not dict") as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-009"


def test_the_sdk_that_a_function_carries_does_not_win(run_text: Callable[..., Any], tmp_path: Any) -> None:
    own = tmp_path / "function/greengrasssdk"
    own.mkdir(parents=True)
    (own / "__init__.py").write_text("raise RuntimeError('the copy that the zip carried')")
    assert run_text(PUBLISH).published == 6


KINESIS = """
import awscam
import greengrasssdk
import DeepLens_Kinesis_Video as dkv
producer = dkv.createProducer('key', 'secret', 'token', 'us-east-1')
stream = producer.createStream('yard', 2)
said = [stream.isActive]
stream.start()
said.append(stream.isActive)
stream.stop()
said.append(stream.isActive)
greengrasssdk.client('iot-data').publish(topic='said', payload=str(said))
awscam.getLastFrame()
"""


def test_a_kinesis_stream_starts_and_stops_in_name(run_text: Callable[..., Any]) -> None:
    summary = run_text(KINESIS)
    assert summary.messages[0]["payload"] == "[False, True, False]"
    assert summary.warnings == ("the function sends video to Kinesis (yard), and there is none: nothing is sent",)


def test_a_message_that_no_broker_takes_is_a_warning(run_text: Callable[..., Any], broker: int) -> None:
    text = PUBLISH.replace("topic='other'", "topic='a/#'")
    settings = BrokerSettings.model_validate({"host": "127.0.0.1", "port": broker, "tls": False})
    summary = run_text(text, broker=settings)
    assert len(summary.warnings) == 1 and "cannot be sent" in summary.warnings[0]
