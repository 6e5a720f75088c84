"""Names that are gone, and back again. In a process of its own: they stay for as long as it lives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys, warnings
warnings.simplefilter("error")  # old_names warns of nothing
from relens.legacy.source import old_names
import cv2, numpy as np
today = {name: getattr(cv2, name) for name in ("findContours", "imencode")}, np.array, sys.modules["json"]
old_names()
rounded, finders = cv2.circle, len(sys.meta_path)
old_names()
assert rounded is cv2.circle and finders == len(sys.meta_path), "idempotent"
assert today == ({name: getattr(cv2, name) for name in ("findContours", "imencode")}, np.array, sys.modules["json"])
warnings.simplefilter("ignore")
results = {}
for name, expression in json.load(sys.stdin).items():
    space = {"np": np, "cv2": cv2, "blank": np.zeros((40, 40, 3), np.uint8)}
    try:
        *before, last = expression.split("; ")
        exec("\\n".join(before), space)
        results[name] = repr(eval(last, space))
    except Exception as error:
        results[name] = f"{type(error).__name__}: {error}"
print(json.dumps(results))
"""

# expression: its value as text
NAMES = {
    "np.int0, np.float_, np.float, np.int, np.object, np.unicode_": (
        "(<class 'numpy.int64'>, <class 'numpy.float64'>, <class 'float'>, <class 'int'>, <class 'object'>, "
        "<class 'numpy.str_'>)"
    ),
    "np.asscalar(np.float32(0.5)), np.product([2, 3]), np.NaN != np.NaN, np.Inf": "(0.5, 6, True, inf)",
    "np.cumproduct([1, 2, 3]).tolist(), np.alltrue([1, 0]), np.sometrue([1, 0])": "([1, 2, 6], False, True)",
    "np.in1d([1, 2], [2]).tolist(), np.trapz([1, 1])": "([False, True], 1.0)",
    "np.fromstring(b'\\1\\2', np.uint8).tolist(), np.fromstring('1 2', sep=' ').tolist()": "([1, 2], [1.0, 2.0])",
    "a = np.fromstring(b'\\1\\2', np.uint8); a.flags.writeable": "True",
    "[np.float32(0.5), np.int64(3)]": "[0.5, 3]",
    "import time; time.clock() <= time.clock()": "True",
    "import string; string.letters[:3], string.join(['a', 'b'], '-')": "('abc', 'a-b')",
    "import os; os.getcwdu() == os.getcwd(), os.errno.ENOENT": "(True, 2)",
    "import sys; sys.setdefaultencoding('utf8'); sys.maxint > 2**62": "True",
    "from itertools import izip, imap; next(izip([1], [2])), next(imap(abs, [-1]))": "((1, 2), 1)",
    "import collections; isinstance({}, collections.Mapping)": "True",
    "import threading; t = threading.Thread(); t.setDaemon(True); t.isAlive(), t.daemon": "(False, True)",
    "import threading; threading.Event().isSet(), threading.currentThread().name": "(False, 'MainThread')",
    "import urllib; urllib.urlencode({'a': 'b c'}), urllib.quote('a b')": "('a=b+c', 'a%20b')",
    "import urllib; callable(urllib.urlopen) and callable(urllib.urlretrieve)": "True",
    "import urllib2; r = urllib2.Request('http://x', 'a=b'); r.data, urllib2.URLError.__name__": "(b'a=b', 'URLError')",
    "import urlparse; urlparse.urlparse('http://x/y').path": "'/y'",
    "from StringIO import StringIO; f = StringIO(); f.write('a'); f.getvalue()": "'a'",
    "from cStringIO import StringIO; f = StringIO(); f.write(b'a'); f.getvalue()": "b'a'",
    "from StringIO import StringIO; StringIO(b'ab').read(1), StringIO('ab').read(1)": "(b'a', 'a')",
    "import Queue; q = Queue.Queue(1); q.put(1); q.full(), Queue.Empty.__name__": "(True, 'Empty')",
    "import ConfigParser; ConfigParser.SafeConfigParser().sections()": "[]",
    "import cPickle; cPickle.loads(cPickle.dumps([1]))": "[1]",
    "import httplib, commands; httplib.OK.name, commands.getoutput('echo a')": "('OK', 'a')",
    "import thread, __builtin__; thread.get_ident() > 0, __builtin__.len is len": "(True, True)",
    "import base64; base64.encodestring(b'a'), base64.decodestring(b'YQ==')": "(b'YQ==\\n', b'a')",
    "import xml.etree.cElementTree as ET; ET.fromstring('<a/>').tag": "'a'",
    "cv2.CV_AA == cv2.LINE_AA, cv2.cv.CV_BGR2GRAY, hasattr(cv2.cv, 'CV_X')": "(True, 6, False)",
    "cv2.cv.CV_CAP_PROP_FPS == cv2.CAP_PROP_FPS, cv2.cv.CV_LOAD_IMAGE_COLOR": "(True, 1)",
    # towards zero, as int() does
    "cv2.rectangle(blank, (1.9, 2.5), (5.5, 6.0), (9, 9, 9), 1); blank[2, 1, 0], blank[6, 5, 0]": "(9, 9)",
    "cv2.circle(blank, (20 / 2, np.float64(10.7)), 0, (9, 9, 9)); blank[10, 10, 0]": "9",
    "cv2.circle(blank, (9, 9), 3.7, (9, 9, 9), -1); blank[9, 12, 0], blank[9, 13, 0]": "(9, 0)",
    "cv2.line(blank, pt1=(0.5, 0), pt2=(3.5, 0), color=(9, 9, 9)); blank[0, :5, 0].tolist()": "[9, 9, 9, 9, 0]",
    "cv2.polylines(blank, [np.array([[1., 1.], [3., 1.]])], False, (9, 9, 9)); blank[1, 2, 0]": "9",
    "cv2.resize(blank, (40 / 2, 10.0)).shape": "(10, 20, 3)",
    "cv2.resize(blank, None, fx=0.5, fy=0.25).shape": "(10, 20, 3)",
    "a, b = blank.copy(), blank.copy(); "
    "cv2.putText(a, 'x', (2.7, 30.9), 0, 0.75, (9, 9, 9)); cv2.putText(b, 'x', (2, 30), 0, 0.75, (9, 9, 9)); "
    "a.any() and (a == b).all()": "True",
}

# expression: the beginning of its error
REFUSED = {
    "cv2.rectangle(blank, 'no', (1, 2), (9, 9, 9))": "error: OpenCV",
    "cv2.CascadeClassifier('haarcascade_frontalface.xml')": (
        "LegacyTrouble: RL-LEGACY-012: cv2.CascadeClassifier (haarcascade_frontalface.xml)"
    ),
}


@pytest.fixture(scope="module")
def results() -> dict[str, str]:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps({name: name for name in NAMES | REFUSED}),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3] / "src",
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


@pytest.mark.parametrize("expression", NAMES)
def test_an_old_name_works_as_it_did(expression: str, results: dict[str, str]) -> None:
    assert results[expression] == NAMES[expression]


@pytest.mark.parametrize("expression", REFUSED)
def test_what_cannot_be_is_refused(expression: str, results: dict[str, str]) -> None:
    assert results[expression].startswith(REFUSED[expression])


def test_a_module_of_their_own_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "Queue.py").write_text("mine = True\n")
    program = "from relens.legacy.source import old_names; old_names(); import Queue; print(Queue.mine)"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3] / 'src'}"}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert told.stdout == "True\n", told.stderr


def test_who_only_reads_a_source_loads_no_opencv() -> None:
    program = (
        "import sys, relens.legacy.source; print(sorted({'cv2', 'numpy', 'fissix', 'lib2to3'} & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert told.stdout == "[]\n", told.stderr
