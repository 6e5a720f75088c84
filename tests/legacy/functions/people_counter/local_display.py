""" The project stream, in a module of its own """
import os
from threading import Thread, Event
import cv2
import numpy as np


class LocalDisplay(Thread):
    """ Writes every frame into the pipe that mplayer reads """
    def __init__(self, resolution):
        super(LocalDisplay, self).__init__()
        RESOLUTION = {'1080p' : (1920, 1080), '720p' : (1280, 720), '480p' : (858, 480)}
        if not RESOLUTION.has_key(resolution):
            raise Exception("Invalid resolution: " + `resolution`)
        self.resolution = RESOLUTION[resolution]
        self.frame = cv2.imencode('.jpg', 255*np.ones([640, 480, 3]))[1]
        self.stop_request = Event()

    def run(self):
        result_path = '/tmp/results.mjpeg'
        if not os.path.exists(result_path):
            os.mkfifo(result_path)
        with open(result_path, 'w') as fifo_file:
            while not self.stop_request.isSet():
                try:
                    fifo_file.write(self.frame.tostring())
                except IOError, e:
                    continue

    def set_frame_data(self, frame):
        ret, jpeg = cv2.imencode('.jpg', cv2.resize(frame, self.resolution))
        if not ret:
            raise Exception, 'Failed to set frame data'
        self.frame = jpeg

    def join(self):
        self.stop_request.set()
