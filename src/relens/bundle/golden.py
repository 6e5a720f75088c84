"""A golden frame as files: the picture as a PNG, what is expected of each output as an `.npy`.

Both formats can do more than a bundle needs (pickled objects, other types, colour profiles, animation, rotation), and
two readers may disagree about it. So the writer uses one narrow form of each, and the reader takes no other.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from relens.bundle.bundle import KEPT, GoldenFrame
from relens.bundle.refusal import damaged
from relens.errors import BadData, BadModel
from relens.vision import Frame

# Of all golden frames of a bundle together: decoded they take at most 201 MB.
MAX_PIXELS = 1 << 26

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = (b"IHDR", b"IDAT", b"IEND")
PNG_MAX_CHUNKS = 1 << 16
EIGHT_BIT_RGB = bytes([8, 2, 0, 0, 0])  # the end of IHDR: depth, colour type, compression, filter, interlace
NPY_HEADER_BYTES = 128


def golden_names(frames: int, outputs: int) -> list[str]:
    """The files of that many golden frames of a model with that many outputs."""
    return [
        f"golden/{number:03d}/{file}"
        for number in range(frames)
        for file in ("frame.png", *(f"output-{place}.npy" for place in range(outputs)))
    ]


def golden_files(golden: Sequence[GoldenFrame], outputs: Sequence[str]) -> dict[str, bytes]:
    """The files of golden frames; `outputs` are the model's, in its order.

    Raises:
        BadData: RL-DATA-002, the frames are too large.
        BadModel: RL-SOURCE-012, the model answered NaN or infinity.
        ValueError: a frame that is not (H, W, 3) uint8, or not exactly one answer for each output.
    """
    pixels = sum(item.frame.shape[0] * item.frame.shape[1] for item in golden)
    if pixels > MAX_PIXELS:
        raise BadData(
            "RL-DATA-002",
            f"{len(golden)} golden frames have {pixels} pixels together, and a bundle takes {MAX_PIXELS}",
            hint="use smaller pictures: the model sees them at its own input size anyway",
        )
    contents = [content for item in golden for content in _contents(item, outputs)]
    return dict(zip(golden_names(len(golden), len(outputs)), contents, strict=True))


def read_golden(bundle: Path, files: Mapping[str, bytes], outputs: Sequence[str]) -> tuple[GoldenFrame, ...]:
    """The golden frames among a bundle's files, which hold exactly what `golden_names` says.

    Raises:
        BadBundle: RL-BUNDLE-001, a picture or values in another form than the writer's, or too large.
    """
    pictures = [name for name in sorted(files) if name.endswith("/frame.png")]
    sizes = [_png_size(bundle, name, files[name]) for name in pictures]
    if sum(height * width for height, width in sizes) > MAX_PIXELS:
        raise damaged(bundle, f"its golden frames have more than {MAX_PIXELS} pixels")
    golden = []
    for name, size in zip(pictures, sizes, strict=True):
        folder = name.removesuffix("/frame.png")
        answers = (f"{folder}/output-{place}.npy" for place in range(len(outputs)))
        expected = {output: _values(bundle, file, files[file]) for output, file in zip(outputs, answers, strict=True)}
        golden.append(GoldenFrame(folder.removeprefix("golden/"), _picture(bundle, name, files[name], size), expected))
    return tuple(golden)


def _contents(item: GoldenFrame, outputs: Sequence[str]) -> Iterator[bytes]:
    if item.frame.ndim != 3 or item.frame.shape[2] != 3 or item.frame.dtype != np.uint8 or not item.frame.size:
        raise ValueError(f"golden frame {item.name} is {item.frame.dtype} {item.frame.shape}, not (H, W, 3) uint8")
    if set(item.expected) != set(outputs):
        raise ValueError(f"golden frame {item.name} has answers of {sorted(item.expected)}, not of {sorted(outputs)}")
    yield _png(item.frame)
    for output in outputs:
        values = item.expected[output]
        if values.ndim != 1 or values.size > KEPT:
            raise ValueError(f"golden frame {item.name}: `{output}` has {values.shape} values; see `sampled`")
        if not np.isfinite(values).all():
            raise BadModel(
                "RL-SOURCE-012",
                f"the model answers NaN or infinity in output `{output}` to golden frame {item.name}",
                hint="look for a division by zero or a logarithm of zero in the model, then export it again",
            )
        yield _npy(values)


def _npy(values: NDArray[np.float32]) -> bytes:
    """Version 1.0 of the format, as `numpy.save` writes a vector of little-endian float32."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(values)},), }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", NPY_HEADER_BYTES - 10)
    padded = start + header.encode().ljust(NPY_HEADER_BYTES - len(start) - 1) + b"\n"
    return padded + values.astype("<f4").tobytes()


def _values(bundle: Path, name: str, content: bytes) -> NDArray[np.float32]:
    data = content[NPY_HEADER_BYTES:]
    if len(data) % 4 or len(data) > 4 * KEPT:
        raise damaged(bundle, f"{name} does not hold up to {KEPT} float32 values")
    values = np.frombuffer(data, "<f4").astype(np.float32)
    if _npy(values) != content:
        raise damaged(bundle, f"{name} is not a plain vector of little-endian float32")
    if not np.isfinite(values).all():
        raise damaged(bundle, f"{name} holds NaN or infinity")
    return values


def _png(frame: Frame) -> bytes:
    done, picture = cv2.imencode(".png", frame)
    if not done:
        raise ValueError(f"OpenCV cannot write a PNG of shape {frame.shape}")
    content = picture.tobytes()
    chunks = (content[start:end] for kind, start, end in _chunks(content) if kind in PNG_NEEDED)
    return PNG_SIGNATURE + b"".join(chunks)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's type and where it starts and ends; the last end lies beyond the content where it is cut short."""
    place = len(PNG_SIGNATURE)
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], place, place + 12 + size
        place += 12 + size


def _png_size(bundle: Path, name: str, content: bytes) -> tuple[int, int]:
    """Height and width, of nothing but an 8-bit RGB picture in the three chunks it needs."""
    chunks = list(islice(_chunks(content), PNG_MAX_CHUNKS))
    kinds = [kind for kind, _, _ in chunks]
    alone = kinds == [b"IHDR", *[b"IDAT"] * (len(kinds) - 2), b"IEND"] and chunks[-1][2] == len(content)
    if not alone or not content.startswith(PNG_SIGNATURE) or content[24:29] != EIGHT_BIT_RGB:
        raise damaged(bundle, f"{name} is not a plain 8-bit RGB PNG")
    width, height = struct.unpack(">2I", content[16:24])
    return height, width


def _picture(bundle: Path, name: str, content: bytes, size: tuple[int, int]) -> Frame:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None or picture.shape != (*size, 3):
        raise damaged(bundle, f"{name} cannot be decoded")
    return np.asarray(picture, np.uint8)
