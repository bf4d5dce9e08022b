"""Image files of many kinds, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def disc(mode: str = "L", size: tuple[int, int] = (40, 40), paper: Any = 255, ink: Any = 0) -> Image.Image:
    """A disc of ink in the middle of the paper."""
    image = Image.new(mode, size, paper)
    width, height = size
    ImageDraw.Draw(image).ellipse((width / 4, height / 4, 3 * width / 4, 3 * height / 4), fill=ink)
    return image


def put(root: Path, name: str, image: Image.Image | None = None, **options: Any) -> Path:
    """Save a picture, a disc unless another is given, in the format of its suffix."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or disc()).save(path, **options)
    return path


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def from_values(values: Any, dtype: Any) -> Image.Image:
    """An image of these numbers."""
    return Image.fromarray(np.asarray(values, dtype=dtype))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A grey PNG of zeros with further chunks before its pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zeros((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def zeros(number: int) -> bytes:
    """So many zeros, deflated without ever holding them."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    packed = [packer.compress(block[: min(len(block), number - start)]) for start in range(0, number, len(block))]
    return b"".join([*packed, packer.flush()])


def tiff(**changes: Any) -> bytes:
    """A grey TIFF of 10 x 10 zeros; `t256=(type, count, value)` sets a tag, None takes it out."""
    tags: dict[int, Any] = {
        256: (4, 1, 10), 257: (4, 1, 10), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 500),
        277: (3, 1, 1), 278: (4, 1, 10), 279: (4, 1, 100),
    }  # fmt: skip
    tags.update({int(name[1:]): tag for name, tag in changes.items()})
    entries = [struct.pack("<HHII", number, *tag) for number, tag in sorted(tags.items()) if tag]
    return b"II" + struct.pack("<HIH", 42, 8, len(entries)) + b"".join(entries) + bytes(1000)
