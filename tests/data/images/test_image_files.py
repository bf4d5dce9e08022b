"""One image file: seen as a viewer shows it, refused in a few words, never at the price of what it claims to hold."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import disc, encoded, from_values, png, png_chunk, put, tiff, zeros
from PIL import Image, ImageOps

from metamann.data.images.files import (
    Picture,
    TooManyPixelsError,
    UnreadableImageError,
    full_range,
    read_picture,
    shades,
    square,
)

LIMIT = 50_000_000
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (31, 43, 4), dtype=np.uint8))
DEEP = from_values(np.random.default_rng(1).integers(0, 65536, (20, 30)), np.uint16)


def read(tmp_path: Path, content: bytes, name: str = "0.png", max_pixels: int = LIMIT) -> Picture:
    (tmp_path / name).write_bytes(content)
    return read_picture(tmp_path / name, max_pixels)


def as_before(image: Image.Image) -> np.ndarray:
    """What older versions read: fingerprints of data sets hang on it."""
    coloured = image.convert("RGBA")
    paper = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, coloured).convert("L"))


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("L", "PNG"), ("LA", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("P", "GIF"),
     ("RGB", "BMP"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("RGBA", "TIFF"), ("PA", "TIFF"), ("LAB", "TIFF"),
     ("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "WEBP"), ("RGB", "PPM"), ("1", "PPM")],
)  # fmt: skip
def test_images_of_8_bits_are_seen_as_ever(tmp_path: Path, mode: str, file_format: str) -> None:
    image = NOISE.convert("RGB").convert("LA").convert("PA") if mode == "PA" else NOISE.convert("RGB").convert(mode)
    image = NOISE if mode == "RGBA" else image
    content = encoded(image, file_format)
    values, depth, several = read(tmp_path, content)
    with Image.open(tmp_path / "0.png") as opened:
        assert np.array_equal(values, as_before(opened))
    assert (values.dtype, depth, several) == (np.uint8, None, False)


def test_transparency_beside_the_pixels_is_paper(tmp_path: Path) -> None:
    for image, colour in ((disc(paper=7), 7), (disc("RGB", paper=(7, 8, 9), ink=(0, 0, 0)), (7, 8, 9))):
        values = read(tmp_path, encoded(image, "PNG", transparency=colour)).values
        assert (values[0, 0], values[20, 20]) == (255, 0)
    deep = from_values([[7, 60000], [7, 7]], np.uint16)
    assert read(tmp_path, encoded(deep, "PNG", transparency=7)).values.tolist() == [[65535, 60000], [65535, 65535]]


def test_a_print_of_four_inks_is_not_its_negative(tmp_path: Path) -> None:
    white, black = ((0, 0, 0, 0), (0, 0, 0, 255))
    for file_format in ("JPEG", "TIFF"):
        values = read(tmp_path, encoded(disc("CMYK", paper=white, ink=black), file_format)).values
        assert (values[0, 0] > 250, values[20, 20] < 5) == (True, True)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_from_a_camera_is_applied(tmp_path: Path, orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = NOISE.convert("RGB")
    values = read(tmp_path, encoded(image, file_format, exif=exif)).values
    exif[0x0112] = 1
    upright = read(tmp_path, encoded(image, file_format, exif=exif)).values
    turns = [lambda v: v, np.fliplr, lambda v: v[::-1, ::-1], np.flipud, np.transpose, lambda v: np.rot90(v, -1),
             lambda v: v[::-1, ::-1].T, np.rot90]  # fmt: skip
    assert np.array_equal(values, turns[orientation - 1](upright))


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    damaged = encoded(NOISE.convert("RGB"), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read(tmp_path, damaged).values.shape == (31, 43)


@pytest.mark.parametrize(
    ("content", "depth"),
    [
        (encoded(DEEP, "PNG"), "16 bits"),
        (encoded(DEEP, "TIFF"), "16 bits"),
        (encoded(DEEP, "TIFF", compression="tiff_lzw"), "16 bits"),
        (encoded(DEEP, "PPM"), "16 bits"),
        (encoded(from_values(DEEP, ">u2"), "TIFF"), "16 bits"),
        (encoded(from_values(DEEP, np.int32), "TIFF"), "32 bits, whole numbers"),
        (encoded(from_values(DEEP, np.float32), "TIFF"), "32 bits, real numbers"),
        (encoded(from_values(DEEP, np.float32), "PPM"), "32 bits, real numbers"),
    ],
)
def test_numbers_beyond_8_bits_are_read_whole(tmp_path: Path, content: bytes, depth: str) -> None:
    found = read(tmp_path, content)
    assert found.depth == depth
    assert np.array_equal(found.values, np.asarray(DEEP))


def test_deep_images_whose_white_is_zero_are_turned_over(tmp_path: Path) -> None:
    values = read(tmp_path, encoded(DEEP, "TIFF", tiffinfo={262: 0})).values
    assert np.array_equal(values, 65535 - np.asarray(DEEP).astype(int))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0, 65535, (0, 65535)), (3000, 40000, (0, 65535)), (3000, 13200, (0, 16383)), (0, 4095, (0, 4095)),
        (0, 255, (0, 255)), (100, 130, (0, 255)), (0, 100, (0, 100)), (0, 1, (0, 1)), (0.1, 0.7, (0, 1)),
        (0.1, 0.3, (0.1, 0.3)), (0, 1.5, (0, 1.5)), (-1000, 400, (-1000, 400)), (-1, 1, (-1, 1)),
        (0, 2**31 - 1, (0, 2**31 - 1)), (5, 5, (5, 5)), (0, 0, (0, 0)),
    ],
)  # fmt: skip
def test_the_range_that_is_shown(low: float, high: float, shown: tuple[float, float]) -> None:
    assert full_range(low, high) == shown


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
def test_white_paper_stays_light_whatever_the_depth(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assume(low < high)
    grey = shades(np.array([[low, high]]), *full_range(low, high))
    assert grey[0, 1] >= 127
    assert grey[0, 0] < grey[0, 1] or low >= 0.99 * high


@given(hnp.arrays(np.uint8, (3, 4)))
def test_a_copy_of_16_bits_looks_like_the_image_of_8(values: np.ndarray) -> None:
    assert np.array_equal(shades(values.astype(np.int32) * 257, 0, 65535), values)
    assert np.array_equal(shades(values.astype(np.float32) / 255, 0, 1), values)


@given(hnp.arrays(np.float32, (3, 4)))
def test_any_real_numbers_can_be_shown(values: np.ndarray) -> None:
    finite = values[np.isfinite(values)].astype(float)
    low, high = (finite.min(), finite.max()) if len(finite) else (0, 0)
    grey = shades(values, *full_range(low, high))
    assert grey.dtype == np.uint8
    order = np.argsort(finite, kind="stable")
    assert (np.diff(grey[np.isfinite(values)][order].astype(int)) >= 0).all()


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60))),
    st.integers(1, 40),
    st.sampled_from(["auto", "dark", "light"]),
)
def test_a_square_of_any_image(grey: np.ndarray, size: int, ink: str) -> None:
    found = square(grey, size, ink)
    assert found.shape == (1, size, size)
    long, short = max(grey.shape), min(grey.shape)
    if round(short / long * size) >= 1 and ink != "auto":
        padded = ImageOps.pad(
            Image.fromarray(255 - grey if ink == "dark" else grey), (size, size), Image.Resampling.LANCZOS, color=0
        )
        assert np.array_equal(found[0], np.asarray(padded))


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (1, 57), (3, 20000)])
def test_a_long_line_stays_a_line(shape: tuple[int, int]) -> None:
    grey = np.full(shape, 255, dtype=np.uint8)
    image = square(grey, 28, "light")[0]
    line = image if shape[0] < shape[1] else image.T
    assert int((line == 255).all(1).sum()) == 1
    assert int(line.sum()) == 28 * 255


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    values = read(tmp_path, encoded(Image.new("L", (1, 1), 0), "PNG")).values
    assert square(values, 28, "dark").min() == 255


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_taken(tmp_path: Path, file_format: str) -> None:
    first, second = disc(), disc(paper=0, ink=255)
    found = read(tmp_path, encoded(first, file_format, save_all=True, append_images=[second]))
    assert found.several
    assert (found.values[0, 0] > 250, found.values[20, 20] < 5) == (True, True)
    assert not read(tmp_path, encoded(first, file_format)).several


def test_a_photograph_with_a_second_picture_is_no_animation(tmp_path: Path) -> None:
    found = read(tmp_path, encoded(disc(), "MPO", save_all=True, append_images=[disc()]), "0.jpg")
    assert not found.several


@pytest.mark.parametrize(
    "content",
    [
        b"", b"GIF of nothing", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        b"8BPS\0\1" + bytes(40), b"%PDF-1.4\n", b"\xd7\xcd\xc6\x9a" + bytes(40), encoded(NOISE, "ICO"),
        encoded(NOISE, "TGA"), encoded(NOISE.convert("RGB"), "PCX"), b"<svg/>",
    ],
)  # fmt: skip
def test_other_formats_are_no_images_whatever_their_name(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("a program was started"))
    with pytest.raises(UnreadableImageError, match="no PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM image"):
        read(tmp_path, content, "0.jpg")


def huge(content: bytes, at: int, numbers: bytes) -> bytes:
    return content[:at] + numbers + content[at + len(numbers) :]


GIF = encoded(disc("P"), "GIF")
JPEG = encoded(disc(), "JPEG")
BOMBS = {
    "png": png(13_000, 13_000),
    "jpeg": huge(JPEG, JPEG.index(b"\xff\xc0") + 5, struct.pack(">HH", 65500, 65500)),
    "bmp": huge(encoded(disc(), "BMP"), 18, struct.pack("<ii", 12_000, 12_000)),
    "gif": huge(GIF, 6, struct.pack("<HH", 65535, 65535)),
    "frame of gif": huge(GIF, GIF.index(b",") + 5, struct.pack("<HH", 12_000, 12_000)),
    "tiff": tiff(t256=(4, 1, 40_000), t257=(4, 1, 40_000)),
    "tile of tiff": tiff(t259=(3, 1, 8), t322=(4, 1, 40_000), t323=(4, 1, 40_000), t324=(4, 1, 500), t325=(4, 1, 9)),
    "ppm": b"P6 12000 12000 255\n" + bytes(100),
}
PACKED = {
    "profile of png": png(10, 10, png_chunk(b"iCCP", b"x\0\0" + zeros(1 << 28))),
    "text of png": png(10, 10, png_chunk(b"zTXt", b"x\0\0" + zeros(1 << 28))),
    "texts of png": png(10, 10, *(png_chunk(b"zTXt", b"%d\0\0" % n + zeros(1 << 20)) for n in range(150))),
    "unicode text of png": png(10, 10, png_chunk(b"iTXt", b"x\0\1\0\0\0" + zeros(1 << 28))),
    "strips of tiff": tiff(t273=(4, 1_000_000_000, 8), t279=(4, 1_000_000_000, 8)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_image_of_too_many_pixels_is_refused(tmp_path: Path, kind: str, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(TooManyPixelsError, match=r" pixels$"):
        read(tmp_path, BOMBS[kind])
    assert not recwarn.list


@pytest.mark.parametrize("kind", PACKED)
def test_a_file_that_swells_beside_its_pixels_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnreadableImageError):
        read(tmp_path, PACKED[kind])


PEAK = """
import sys
from pathlib import Path
from metamann.data.images.files import UnreadableImageError, read_picture
peak = lambda: int(next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l).split()[1])
before = peak()
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_picture(file, 50_000_000)
    except UnreadableImageError:
        print(file.name, (peak() - before) // 1000)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux says the peak of the memory")
def test_what_is_refused_never_takes_the_memory_that_it_claims(tmp_path: Path) -> None:
    for kind, content in {**BOMBS, **PACKED}.items():
        (tmp_path / kind).write_bytes(content)
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    megabytes = [int(line.rpartition(" ")[2]) for line in done.stdout.splitlines()]
    assert len(megabytes) == len(BOMBS) + len(PACKED)
    assert megabytes[-1] < 150, done.stdout


def test_a_tag_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    assert read(tmp_path, tiff(t65000=(3, 1_000_000_000, 8))).values.shape == (10, 10)


def test_the_limit_of_pixels_is_the_callers(tmp_path: Path) -> None:
    content = png(100, 100)
    assert read(tmp_path, content, max_pixels=10_000).values.shape == (100, 100)
    with pytest.raises(TooManyPixelsError, match="100 x 100 pixels"):
        read(tmp_path, content, max_pixels=9_999)


def test_a_file_that_is_too_long_for_its_pixels_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "0.webp"
    path.touch()
    os.truncate(path, 20_000_000_000)
    with pytest.raises(TooManyPixelsError, match="20,000,000,000 bytes"):
        read_picture(path, LIMIT)


def test_a_broken_tiff_is_no_matter_for_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(encoded(NOISE.convert("RGB"), "TIFF", compression="tiff_lzw"))
    content[8:200] = b"\xff" * 192
    with pytest.raises(UnreadableImageError):
        read(tmp_path, bytes(content), "0.tif")
    print("still heard", file=sys.stderr)
    assert capfd.readouterr().err == "still heard\n"


RGB = NOISE.convert("RGB")
FUZZED = {
    "png": encoded(NOISE, "PNG"), "png16": encoded(DEEP, "PNG"), "jpeg": encoded(RGB, "JPEG"),
    "cmyk": encoded(RGB.convert("CMYK"), "JPEG", progressive=True), "gif": encoded(RGB.quantize(9), "GIF"),
    "animation": encoded(RGB, "GIF", save_all=True, append_images=[RGB.rotate(90)]), "bmp": encoded(RGB, "BMP"),
    "tiff": encoded(RGB, "TIFF"), "lzw": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "fax": encoded(RGB.convert("1"), "TIFF", compression="group4"), "lab": encoded(RGB.convert("LAB"), "TIFF"),
    "float": encoded(from_values(DEEP, np.float32), "TIFF"), "webp": encoded(NOISE, "WEBP"),
    "moving": encoded(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(90)]), "ppm": encoded(RGB, "PPM"),
}  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, put in or taken out, most of them in the head, and now and then the end missing."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 2, 4, 32])):
        at = rng.randrange(rng.choice([40, 200, len(changed)]))
        changed[at : at + rng.choice([1, 1, 1, 4])] = rng.choice([rng.randbytes(1), b"\xff\xff\xff\xff", b""])
    return bytes(changed[: rng.choice([len(changed)] * 6 + [rng.randrange(len(changed))])])


@pytest.mark.parametrize("kind", FUZZED)
def test_damaged_bytes_are_read_or_refused_without_a_sound(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    rng = random.Random(kind)
    for _ in range(100):
        try:
            values, depth, _ = read(tmp_path, damaged(FUZZED[kind], rng))
        except UnreadableImageError as error:
            assert 0 < len(str(error)) <= 120  # noqa: PT017  # both outcomes are right
            continue
        assert square(values if depth is None else shades(values, 0, 65535), 28, "auto").shape == (1, 28, 28)
    assert capfd.readouterr().err == ""
    assert not recwarn.list


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: None])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "0.png")
    with pytest.raises(UnreadableImageError):
        read_picture(tmp_path / "0.png", LIMIT)


def test_the_content_says_the_format_and_not_the_name(tmp_path: Path) -> None:
    path = put(tmp_path, "0.png").rename(tmp_path / "0.jpg")
    assert read_picture(path, LIMIT).values.shape == (40, 40)
