"""What is seen of a function before it starts."""

from relens.legacy.source import Needs, needs

SOURCE = b"""
import os, json
from threading import Thread
from . import nothing
import awscam, mo
import PIL.Image as Image
try:
    import boto3
    from botocore.session import Session
except Exception, e:
    import botocore
THING = os.environ['AWS_IOT_THING_NAME']
TOPIC = '$aws/things/{}/infer'.format(THING)
LABELS = 'labels.txt'
FOLDER = '/opt/awscam/artifacts/'
HERE = os.path.join(os.path.dirname(__file__), 'data', 'map.json')

class A:
    def __init__(self, client, extra='deploy_extra'):
        import cv2
        self.path = FOLDER + 'mxnet_deploy_ssd_FP16_FUSED.xml'
        self.model = awscam.Model(self.path, {'GPU': 1})
        error, path = mo.optimize(model_name=extra, input_width=1)
        self.logo = cv2.imread("logo.png")
        client.publish(topic=TOPIC, payload='Model loaded')
        client.publish(topic='$aws/things/%s/alarm' % THING, payload='')
        client.publish(topic=TOPIC + '/more', payload='')

def optimized(name):
    return mo.optimize(name, 224, 224, aux_inputs={'--epoch': 3})

def run(unknown):
    optimized('image-classification')
    with open(LABELS) as f, open(HERE, 'r') as g, open('out.txt', 'w'), open(unknown):
        open('/tmp/results.mjpeg', mode='wb')
"""


def test_modules_files_models_and_topics_are_found() -> None:
    assert needs(SOURCE, "lambda_function.py") == Needs(
        modules=("PIL", "awscam", "boto3", "botocore", "cv2", "json", "mo", "os", "threading"),
        optional=("boto3", "botocore"),
        files=("data/map.json", "labels.txt", "logo.png"),
        models=("/opt/awscam/artifacts/mxnet_deploy_ssd_FP16_FUSED.xml", "deploy_extra", "image-classification"),
        topics=("$aws/things/{}/alarm", "$aws/things/{}/infer", "$aws/things/{}/infer/more"),
    )


def test_names_that_go_round_in_a_circle_are_not_followed_for_ever() -> None:
    assert needs(b"a = b\nb = a\nopen(a)\nx = x + x\nopen(x)\n", "f.py").files == ()


def test_a_function_that_asks_for_nothing_needs_nothing() -> None:
    assert needs(b"", "f.py") == Needs((), (), (), (), ())
