"""Display and labels of the gate."""
import os
from threading import Thread, Event
import cv2
import numpy as np


class LocalDisplay(Thread):
    def __init__(self, resolution):
        super(LocalDisplay, self).__init__()
        self.resolution = {'1080p': (1920, 1080), '720p': (1280, 720), '480p': (858, 480)}[resolution]
        self.frame = cv2.imencode('.jpg', 255 * np.ones([640, 480, 3]))[1]
        self.stop_request = Event()

    def run(self):
        result_path = '/tmp/results.mjpeg'
        if not os.path.exists(result_path):
            os.mkfifo(result_path)
        with open(result_path, 'w') as fifo_file:
            while not self.stop_request.isSet():
                try:
                    fifo_file.write(self.frame.tobytes())
                except IOError:
                    continue

    def set_frame_data(self, frame):
        ret, jpeg = cv2.imencode('.jpg', cv2.resize(frame, self.resolution))
        if not ret:
            raise Exception('Failed to set frame data')
        self.frame = jpeg

    def join(self):
        self.stop_request.set()


def gate_state(result):
    probs = {}
    for obj in result:
        probs[obj['label']] = obj['prob']
    person = probs.get(1, 0.0)
    return {'state': 'person' if person > 0.5 else 'nobody', 'prob': float(person)}
