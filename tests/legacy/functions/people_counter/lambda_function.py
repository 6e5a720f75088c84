""" Counts the people in the room """
import os
import json
import awscam
import cv2
import greengrasssdk
from local_display import LocalDisplay


def lambda_handler(event, context):
    """ Empty: the work begins when this file is imported """
    return


def infinite_infer_run():
    try:
        model_type = 'ssd'
        person = 15
        client = greengrasssdk.client('iot-data')
        iot_topic = '$aws/things/{}/infer'.format(os.environ['AWS_IOT_THING_NAME'])
        local_display = LocalDisplay('480p')
        local_display.start()
        model_path = '/opt/awscam/artifacts/mxnet_deploy_ssd_resnet50_300_FP16_FUSED.xml'
        client.publish(topic=iot_topic, payload='Loading people model')
        model = awscam.Model(model_path, {'GPU': 1})
        client.publish(topic=iot_topic, payload='People model loaded')
        detection_threshold = 0.4
        input_height = 300
        input_width = 300
        last = -1
        while True:
            ret, frame = awscam.getLastFrame()
            if not ret:
                raise Exception('Failed to get frame from the stream')
            frame_resize = cv2.resize(frame, (input_height, input_width))
            parsed = model.parseResult(model_type, model.doInference(frame_resize))
            yscale = float(frame.shape[0]) / float(input_height)
            xscale = float(frame.shape[1]) / float(input_width)
            people = 0
            for obj in parsed[model_type]:
                if obj['prob'] < detection_threshold:
                    break
                if obj['label'] != person:
                    continue
                people += 1
                xmin, ymin = int(xscale * obj['xmin']), int(yscale * obj['ymin'])
                xmax, ymax = int(xscale * obj['xmax']), int(yscale * obj['ymax'])
                cv2.rectangle(frame, (xmin, ymin), (xmax, ymax), (255, 165, 20), 10)
                cv2.circle(frame, ((xmin + xmax) / 2, (ymin + ymax) / 2), 7, (0, 0, 255), -1)
            cv2.putText(frame, 'people: {}'.format(people), (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
            local_display.set_frame_data(frame)
            jpeg_bytes = cv2.imencode('.jpg', frame)[1].tostring()
            client.publish(topic=iot_topic, payload=json.dumps({'people': people, 'changed': people != last,
                                                                'bytes': len(jpeg_bytes)}))
            last = people
    except Exception as ex:
        client.publish(topic=iot_topic, payload='Error in people counter: {}'.format(ex))


infinite_infer_run()
