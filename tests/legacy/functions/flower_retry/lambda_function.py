#!/usr/bin/env python3
"""Waits for its model: the optimizer fails now and then, and works the next time."""
import json
import os
import time

import awscam
import cv2
import greengrasssdk
import mo

client = greengrasssdk.client('iot-data')
iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])
NAMES = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'flowers.json'))
NAMES = json.load(NAMES)


def optimized(name, width, height):
    aux = {'--epoch': 3, '--precision': 'FP16'}
    error, tries = 1, 0
    while error and tries < 5:
        error, path = mo.optimize(name, width, height, aux_inputs=aux)
        tries += 1
        if error:
            client.publish(topic=iot_topic, payload=f'optimizer said {error}, trying again')
            time.sleep(0.1 * tries)
    if error:
        raise RuntimeError(f'no model after {tries} tries')
    return path


def greengrass_infinite_infer_run():
    try:
        model = awscam.Model(optimized('flower-classification', 224, 224), {'GPU': 1})
        client.publish(topic=iot_topic, payload='Model loaded')
        last = None
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            result = model.parseResult('classification', model.doInference(cv2.resize(frame, (224, 224))))
            best, *others = result['classification'][:3]
            name = NAMES[str(best['label'])]
            if name != last:
                client.publish(topic=iot_topic, payload=json.dumps({'flower': name, 'prob': best['prob']}))
                last = name
            client.publish(topic=iot_topic + '/all',
                           payload=json.dumps({NAMES[str(o['label'])]: o['prob'] for o in [best, *others]}))
    except Exception as e:
        client.publish(topic=iot_topic, payload='Flowers failed: ' + str(e))


greengrass_infinite_infer_run()
