"""Sorts flowers: tells which of the five stands in front of the camera."""
import os
import json
import time
import awscam
import mo
import cv2
import greengrasssdk
from threading import Thread

client = greengrasssdk.client('iot-data')
iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])

jpeg = None
Write_To_FIFO = True

class FIFO_Thread(Thread):
    def __init__(self):
        Thread.__init__(self)

    def run(self):
        fifo_path = "/tmp/results.mjpeg"
        if not os.path.exists(fifo_path):
            os.mkfifo(fifo_path)
        f = open(fifo_path, 'w')
        while Write_To_FIFO:
            try:
                f.write(jpeg.tobytes())
            except (IOError, AttributeError) as e:
                time.sleep(0.1)
                continue

def infinite_infer_run():
    global jpeg
    try:
        input_width = 224
        input_height = 224
        model_name = 'image-classification'
        error, model_path = mo.optimize(model_name, input_width, input_height)
        if error:
            raise Exception('optimizer: {}'.format(error))
        model = awscam.Model(model_path, {'GPU': 1})
        client.publish(topic=iot_topic, payload='Model loaded')

        with open('labels.txt', 'r') as f:
	        labels = [l.rstrip() for l in f]
                client.publish(topic=iot_topic, payload='Read labels.txt')

        topk = len(labels) / 2
        results_thread = FIFO_Thread()
        results_thread.start()
        client.publish(topic=iot_topic, payload='Sorting {} flowers'.format(len(labels)))

        while True:
            ret, frame = awscam.getLastFrame()
            if ret == False:
                raise Exception('Failed to get frame from the stream')
            # the middle of the picture, as a square
            height, width, channels = frame.shape
            edge = (width - height) / 2
            square = frame[0:height, edge:width - edge]
            output = model.doInference(cv2.resize(square, (input_width, input_height)))
            top_k = model.parseResult('classification', output)['classification'][0:topk]
            if top_k[0]['prob'] > 0.3:
            	caption = '{}: {:.2f}'.format(labels[top_k[0]['label']], top_k[0]['prob'])
            	cv2.putText(frame, caption, (width / 20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 165, 20), 3)
            else:
                cv2.putText(frame, '?', (width / 20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 165, 20), 3)
            ret, jpeg = cv2.imencode('.jpg', frame)
            message = {}
            for obj in top_k:
                message[labels[obj['label']]] = obj['prob']
            client.publish(topic=iot_topic, payload=json.dumps(message))
    except Exception as e:
        client.publish(topic=iot_topic, payload='Flower sorter failed: ' + str(e))

infinite_infer_run()

def lambda_handler(event, context):
    return
