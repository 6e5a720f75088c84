"""Streams video to Kinesis while a person is seen."""
import datetime
import json
import os
import time

import awscam
import cv2
import greengrasssdk
import DeepLens_Kinesis_Video as dkv
from botocore.session import Session

client = greengrasssdk.client('iot-data')
iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])


class Recorder(object):
    """Starts at the first person, and stops when none was seen for a while."""

    def __init__(self, name, hours, patience):
        credentials = Session().get_credentials()
        producer = dkv.createProducer(credentials.access_key, credentials.secret_key, credentials.token, 'us-east-1')
        client.publish(topic=iot_topic, payload='DKV Producer created.')
        self.stream = producer.createStream(name, hours)
        client.publish(topic=iot_topic, payload='DKV Stream {} created'.format(name))
        self.patience = patience
        self.seen = 0

    def update(self, person):
        if person:
            self.seen = time.time()
            if not self.stream.isActive:
                self.stream.start()
                client.publish(topic=iot_topic, payload='DKV Stream started')
        elif self.stream.isActive and time.time() - self.seen > self.patience:
            self.stream.stop()
            client.publish(topic=iot_topic, payload='DKV Stream stopped')


def infinite_infer_run():
    try:
        recorder = Recorder('hall-camera', 24, 0.5)
        model = awscam.Model('/opt/awscam/artifacts/mxnet_deploy_ssd_resnet50_300_FP16_FUSED.xml', {'GPU': 1})
        client.publish(topic=iot_topic, payload='Person model loaded')
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            results = model.parseResult('ssd', model.doInference(cv2.resize(frame, (300, 300))))['ssd']
            persons = [obj for obj in results if obj['label'] == 15 and obj['prob'] > 0.5]
            recorder.update(bool(persons))
            client.publish(topic=iot_topic, payload=json.dumps({
                'persons': len(persons),
                'streaming': bool(recorder.stream.isActive),
                'timestamp': datetime.datetime.now().isoformat(),
            }))
    except Exception as ex:
        client.publish(topic=iot_topic, payload='Error in person stream: {}'.format(ex))


infinite_infer_run()
