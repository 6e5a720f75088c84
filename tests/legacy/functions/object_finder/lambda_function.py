"""Finds twenty kinds of objects and tells the cloud of them (Python 3.7)."""
import json
import os
from threading import Event, Thread

import numpy as np
import awscam
import cv2
import greengrasssdk

VOC = ['aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'diningtable', 'dog',
       'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor']


class LocalDisplay(Thread):
    """Shows the stream of the project: mplayer reads the pipe."""

    SIZES = {'1080p': (1920, 1080), '720p': (1280, 720), '480p': (858, 480)}

    def __init__(self, resolution):
        super(LocalDisplay, self).__init__()
        if resolution not in self.SIZES:
            raise Exception('No such resolution')
        self.resolution = self.SIZES[resolution]
        self.frame = cv2.imencode('.jpg', 255 * np.ones([640, 480, 3]))[1]
        self.stop_request = Event()

    def run(self):
        path = '/tmp/results.mjpeg'
        if not os.path.exists(path):
            os.mkfifo(path)
        with open(path, 'w') as pipe:
            while not self.stop_request.isSet():
                try:
                    pipe.write(self.frame.tobytes())
                except IOError:
                    continue

    def set_frame_data(self, frame):
        ok, jpeg = cv2.imencode('.jpg', cv2.resize(frame, self.resolution))
        if not ok:
            raise Exception('Cannot show this frame')
        self.frame = jpeg

    def join(self):
        self.stop_request.set()


def infinite_infer_run():
    client = greengrasssdk.client('iot-data')
    iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])
    try:
        output_map = {number: name for number, name in enumerate(VOC, 1)}
        local_display = LocalDisplay('720p')
        local_display.start()
        model_path = '/opt/awscam/artifacts/mxnet_deploy_ssd_resnet50_300_FP16_FUSED.xml'
        client.publish(topic=iot_topic, payload='Loading object detection model')
        model = awscam.Model(model_path, {'GPU': 1})
        client.publish(topic=iot_topic, payload='Object detection model loaded')
        threshold = 0.25
        input_height = 300
        input_width = 300
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            outputs = model.doInference(cv2.resize(frame, (input_height, input_width)))
            yscale = float(frame.shape[0] / input_height)
            xscale = float(frame.shape[1] / input_width)
            cloud_output = {}
            for obj in model.parseResult('ssd', outputs)['ssd']:
                if obj['prob'] > threshold:
                    xmin = int(xscale * obj['xmin'])
                    ymin = int(yscale * obj['ymin'])
                    xmax = int(xscale * obj['xmax'])
                    ymax = int(yscale * obj['ymax'])
                    cv2.rectangle(frame, (xmin, ymin), (xmax, ymax), (255, 165, 20), 10)
                    cv2.putText(frame, '{}: {:.2f}%'.format(output_map[obj['label']], obj['prob'] * 100),
                                (xmin, ymin - 15), cv2.FONT_HERSHEY_SIMPLEX, 2.5, (255, 165, 20), 6)
                    cloud_output[output_map[obj['label']]] = obj['prob']
            local_display.set_frame_data(frame)
            client.publish(topic=iot_topic, payload=json.dumps(cloud_output))
    except Exception as ex:
        client.publish(topic=iot_topic, payload='Error in object finder: {}'.format(ex))


infinite_infer_run()
