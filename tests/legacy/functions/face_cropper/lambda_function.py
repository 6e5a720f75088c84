# -*- coding: utf-8 -*-
# Cuts faces out of the frame and sends them away, with what moved around them.
import os
import json
import urllib2
import urllib
import time
from StringIO import StringIO
from Queue import Queue, Full

import awscam
import cv2
import numpy as np
import greengrasssdk

try:
    import boto3
    s3 = boto3.client('s3', region_name='us-east-1')
except Exception as e:
    print('no boto3: %s' % e)
    s3 = None

BUCKET = os.environ.get('FACE_BUCKET', '')
HOOK = os.environ.get('FACE_HOOK', '')

client = greengrasssdk.client('iot-data')
iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])
waiting = Queue(4)


def push(name, crop):
    """Keeps the last few crops, and sends them where somebody wants them."""
    ok, jpeg = cv2.imencode('.jpg', crop, [int(cv2.IMWRITE_JPEG_QUALITY), 90])
    data = StringIO(jpeg.tostring())
    try:
        waiting.put_nowait(data)
    except Full:
        waiting.get_nowait()
    if s3 is not None and BUCKET:
        s3.put_object(Body=data.getvalue(), Bucket=BUCKET, Key='faces/%s.jpg' % urllib.quote(name))
    if HOOK:
        urllib2.urlopen(HOOK, urllib.urlencode({'name': name, 'size': len(data.getvalue())})).read()
    return len(data.getvalue())


def moved(before, after):
    """Boxes around everything that moved, turned as it lies."""
    gray = cv2.absdiff(cv2.cvtColor(before, cv2.COLOR_BGR2GRAY), cv2.cvtColor(after, cv2.COLOR_BGR2GRAY))
    ret, mask = cv2.threshold(cv2.GaussianBlur(gray, (5, 5), 0), 25, 255, cv2.THRESH_BINARY)
    image, contours, hierarchy = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = []
    for contour in sorted(contours, cmp=lambda a, b: cmp(cv2.contourArea(b), cv2.contourArea(a)))[:3]:
        boxes.append(np.int0(cv2.boxPoints(cv2.minAreaRect(contour))))
    return boxes


def infinite_infer_run():
    try:
        model = awscam.Model('/opt/awscam/artifacts/mxnet_deploy_ssd_FP16_FUSED.xml', {'GPU': 1})
        ret, before = awscam.getLastFrame()
        pad = 20
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            shown = frame.copy()
            boxes = moved(before, frame)
            for box in boxes:
                cv2.drawContours(shown, [box], 0, (0, 255, 0), 2)
            before = frame
            found = model.parseResult('ssd', model.doInference(cv2.resize(frame, (300, 300))))['ssd']
            faces = filter(lambda o: o['label'] == 1 and o['prob'] > 0.4, found)
            sent = 0
            for number in xrange(len(faces)):
                face = faces[number]
                height, width = frame.shape[:2]
                x1 = max(0, int(face['xmin']) * width / 300 - pad)
                y1 = max(0, int(face['ymin']) * height / 300 - pad)
                x2 = min(width, int(face['xmax']) * width / 300 + pad)
                y2 = min(height, int(face['ymax']) * height / 300 + pad)
                crop = frame[y1:y2, x1:x2]
                if crop.size > 0:
                    sent += push(u'face-%d-%d' % (int(time.time()), number), crop)
            client.publish(topic=iot_topic, payload=json.dumps({'faces': len(faces), 'bytes': sent,
                                                                'moved': [box.tolist() for box in boxes]}))
    except Exception as e:
        client.publish(topic=iot_topic, payload='Error in cropper: %s' % e.message)


infinite_infer_run()


def lambda_handler(event, context):
    return
