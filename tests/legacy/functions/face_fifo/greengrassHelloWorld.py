#
# Face finder for the box on the shelf. Python 2.7, deployed from the console.
#
import os
import time
from threading import Thread, Timer

import awscam
import cv2
import greengrasssdk

client = greengrasssdk.client('iot-data')
iotTopic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])

ret, frame = awscam.getLastFrame()
ret, jpeg = cv2.imencode('.jpg', frame)
keepWriting = True


class PipeThread(Thread):
    def __init__(self):
        Thread.__init__(self)
        self.setDaemon(True)

    def run(self):
        pipePath = "/tmp/results.mjpeg"
        if not os.path.exists(pipePath):
            os.mkfifo(pipePath, 0666)
        pipe = open(pipePath, 'w')
        client.publish(topic=iotTopic, payload="Opened Pipe")
        while keepWriting:
            try:
                pipe.write(jpeg.tobytes())
            except IOError, e:
                continue


def infer_forever():
    global jpeg
    try:
        modelPath = "/opt/awscam/artifacts/mxnet_deploy_ssd_FP16_FUSED.xml"
        modelType = "ssd"
        side = 300
        threshold = 0.25
        names = dict([(1, 'face')])

        pipeThread = PipeThread()
        pipeThread.start()
        client.publish(topic=iotTopic, payload="Face detection starts now")

        model = awscam.Model(modelPath, {"GPU": 1})
        client.publish(topic=iotTopic, payload="Model loaded")

        ret, frame = awscam.getLastFrame()
        if ret == False:
            raise Exception("No frame from the camera")
        yscale = frame.shape[0] / side
        xscale = frame.shape[1] / side
        print "frame is", frame.shape, "scale", xscale, yscale

        while True:
            started = time.time()
            ret, frame = awscam.getLastFrame()
            if ret == False:
                raise Exception("No frame from the camera")
            small = cv2.resize(frame, (side, side))
            results = model.parseResult(modelType, model.doInference(small))[modelType]
            label = '{'
            for obj in results:
                if not names.has_key(obj['label']):
                    continue
                if obj['prob'] < threshold:
                    break
                xmin = int(xscale * obj['xmin'])
                ymin = int(yscale * obj['ymin'])
                xmax = int(xscale * obj['xmax'])
                ymax = int(yscale * obj['ymax'])
                cv2.rectangle(frame, (xmin, ymin), (xmax, ymax), (255, 165, 20), 4)
                # the caption goes over the middle of the box
                cv2.putText(frame, "%d%%" % (obj['prob'] * 100), ((xmin + xmax) / 2, ymin - 15),
                            cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 165, 20), 2)
                if label <> '{':
                    label += ', '
                label += '"{}": {:.2f}'.format(names[obj['label']], obj['prob'])
            label += '}'
            client.publish(topic=iotTopic, payload=label)
            ret, jpeg = cv2.imencode('.jpg', frame)
            print "took %.3f" % (time.time() - started)
    except Exception, e:
        print "failed:", e
        client.publish(topic=iotTopic, payload="Face function failed: " + str(e))

    # Try again in a while
    Timer(15, infer_forever).start()


infer_forever()


# Never called: the loop above runs as soon as this file is loaded
def function_handler(event, context):
    return
