# Is somebody at the gate? A frozen graph of my own, imported as an externally trained TensorFlow model.
from threading import Thread, Event, Timer
import os
import json
import numpy as np
import awscam
import cv2
import mo
import greengrasssdk
from utils import LocalDisplay, gate_state

client = greengrasssdk.client('iot-data')
iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])

SIDE = 96


def lambda_handler(event, context):
    return


def infinite_infer_run():
    try:
        local_display = LocalDisplay('480p')
        local_display.start()

        error, model_path = mo.optimize('frozen_model', SIDE, SIDE, platform='tf')
        if error:
            raise Exception('mo.optimize: {}'.format(error))
        model = awscam.Model(model_path, {'GPU': 1})
        client.publish(topic=iot_topic, payload='Gate model loaded from ' + model_path)

        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            height, width, _ = frame.shape
            # the square in the middle
            top, left = 0, (width - height) // 2
            square = frame[top:height, left:left + height, :]
            small = cv2.resize(square, (SIDE, SIDE))
            # trained on RGB between 0 and 1
            rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
            inputs = rgb.astype(np.float32) / 255.

            result = model.parseResult('classification', model.doInference(inputs))['classification']
            answer = gate_state(result)
            cv2.putText(frame, answer['state'], (width / 10, height / 10), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 255), 2)
            local_display.set_frame_data(frame)
            client.publish(topic=iot_topic, payload=json.dumps(answer))
    except Exception as ex:
        print('Error in gate: {}'.format(ex))
        client.publish(topic=iot_topic, payload='Error in gate: {}'.format(ex))


infinite_infer_run()
