"""A network camera for the tests: GStreamer's RTSP server. Run by the system's Python, which has GStreamer's bindings.

It shows a white ball that moves over black to the user `cam`, whose password is in the environment variable PASSWORD,
on loopback, and prints its port. SIGUSR1 changes the picture's size to `--then` while the stream goes on; SIGUSR2 stops
the frames and leaves the connection as it is.
"""

import argparse
import os
import signal
import sys

import gi

for library in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(library, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

CODECS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! rtph264pay config-interval=-1",
    "jpeg": "jpegenc ! rtpjpegpay",
}
SOURCE = "videotestsrc is-live=true pattern=ball ! capsfilter name=size caps={caps} ! valve name=valve"


def caps(size: str) -> str:
    width, height = size.split("x")
    return f"video/x-raw,format=I420,framerate=30/1,width={width},height={height}"


def guard(method: str) -> GstRtspServer.RTSPAuth:
    """Lets the user in by `basic` or `digest` authentication."""
    auth, token = GstRtspServer.RTSPAuth.new(), GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("cam", os.environ["PASSWORD"], token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("cam", os.environ["PASSWORD"]), token)
    return auth


def stream(size: str, codec: str) -> GstRtspServer.RTSPMediaFactory:
    """One pipeline, shared by all who look."""
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(f"( {SOURCE.format(caps=caps(size))} ! {CODECS[codec]} name=pay0 pt=96 )")
    factory.set_shared(True)
    allowed = GstRtspServer.RTSPPermissions.new()
    for right in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role("viewer", right, True)
    factory.set_permissions(allowed)
    return factory


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--then", default="480x270")
    parser.add_argument("--codec", choices=CODECS, default="h264")
    parser.add_argument("--auth", choices=("basic", "digest"), default="digest")
    asked = parser.parse_args()
    Gst.init(None)
    server, factory = GstRtspServer.RTSPServer.new(), stream(asked.size, asked.codec)
    server.set_address("127.0.0.1")
    server.set_service(asked.port)
    server.set_auth(guard(asked.auth))
    server.get_mount_points().add_factory("/yard", factory)
    changes = {
        signal.SIGUSR1: ("size", "caps", Gst.Caps.from_string(caps(asked.then))),
        signal.SIGUSR2: ("valve", "drop", True),
    }
    factory.connect("media-configure", lambda _, media: changeable(media.get_element(), changes))
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def changeable(pipeline: Gst.Element, changes: dict[int, tuple[str, str, object]]) -> None:
    """Each signal sets one property of one element."""
    for number, (element, key, value) in changes.items():
        found = pipeline.get_by_name(element)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, found.set_property, key, value)


if __name__ == "__main__":
    main()
