# Reads the last layer itself, because parseResult did not know the network.
import os
import json
import time
import numpy as np
import awscam
import cv2
import greengrasssdk

client = greengrasssdk.client('iot-data')
THING = os.environ['AWS_IOT_THING_NAME']
LABELS = ('daisy', 'dandelion', 'roses', 'sunflowers', 'tulips')


def softmax(scores):
    scores = np.exp(scores - np.max(scores))
    return scores / np.sum(scores)


def best_of(infer_output):
    layers = list(infer_output.keys())
    for name in layers:
        values = np.squeeze(np.array(infer_output[name], dtype=np.float))
        if values.ndim == 1 and values.shape[0] == len(LABELS):
            if abs(values.sum() - 1) > .01:
                values = softmax(values)
            index = np.argmax(values)
            return name, LABELS[index], np.asscalar(values[index])
    raise ValueError('no layer with %d scores in %s' % (len(LABELS), layers))


def infinite_infer_run():
    start = time.clock()
    frames = 0
    try:
        model = awscam.Model('/opt/awscam/artifacts/flowers_custom_head_FP32.xml', {'GPU': 1})
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            infer_output = model.doInference(cv2.resize(frame, (128, 128)))
            layer, label, prob = best_of(infer_output)
            for output in infer_output.values():
                if not np.all(np.isfinite(output)):
                    raise ValueError('the network answers rubbish')
            frames += 1
            client.publish(topic='$aws/things/%s/infer' % THING,
                           payload=json.dumps({'layer': str(layer), 'label': label, 'prob': prob, 'frame': frames}))
            if frames % 100 == 0:
                client.publish(topic='$aws/things/%s/speed' % THING,
                               payload=json.dumps({'fps': frames / max(time.clock() - start, 1e-6)}))
    except Exception as ex:
        client.publish(topic='$aws/things/%s/infer' % THING, payload='Error in raw scores: {}'.format(ex))


infinite_infer_run()


def lambda_handler(event, context):
    pass
