"""strokes: invented alphabets that look like Omniglot [L15], drawn by random motor programs.

An alphabet has a style and a stock of strokes; a character joins one to five of them; a drawing is one
handwritten execution of its character. Everything follows from the seed, and nothing is downloaded.

References:
    [L15] Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program
        induction, Science 350(6266), 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from metamann.data.cache import cached, expect
from metamann.data.store import ClassStore, DataSplits
from metamann.errors import check_number, check_seed, check_sizes

Floats = NDArray[np.float64]

VERSION = 1  # of the generator: raise it with every change that moves a pixel
SPLITS = ("train", "val", "test")
FRAME = 105  # pixels, as Omniglot's drawings
MARGIN = 5  # pixels of the frame, enough for the pen
PEN = tuple((x, y) for x in range(-2, 3) for y in range(-2, 3) if abs(x * y) < 4)  # pixels of the frame
MAX_STROKES = 5
SEGMENTS = 4  # of a stroke, each an arc or a straight line, joined at corners
POINTS = 128  # of a stroke: close enough for the pen to leave no gap
NOISE_SHAPE = (MAX_STROKES + 1, 3 * SEGMENTS + 4)  # of a drawing: a row a stroke, the last for the whole
TRIES = 20  # programs looked at before the most novel one is taken
ALIKE = 0.8  # cosine of two blurred characters from which they count as the same
ONSETS = [*"bdfghjklmnprstvz", "ch", "kh", "sh", "th"]
SYLLABLES = [onset + vowel for onset in ONSETS for vowel in "aeiou"]
ENDINGS = ("", "n", "r", "k", "sh", "l", "m", "th")


class _Style(NamedTuple):
    """What the characters of one alphabet have in common."""

    stock: Floats  # stock x segments x 3, its strokes, as the moves of a program
    stock_weights: Floats  # stock, how often each of them is used
    count_weights: Floats  # max_strokes, how often a character has 1, 2, ... strokes
    joint_weights: Floats  # how often a stroke starts at another's tip, on its middle, crosses it, stands apart
    mirrored: float  # share of the strokes
    extent: float  # height or width of a character, whichever is more, as a share of the frame


class _Program(NamedTuple):
    """The motor program of one character: its strokes, and where each starts."""

    moves: Floats  # strokes x segments x (radians at the corner before it, radians along it, length; absent: 0)
    joined_to: NDArray[np.int64]  # strokes, number of an earlier stroke
    joined_at: Floats  # strokes, the place on that stroke, 0 its start and 1 its end
    joined_by: Floats  # strokes, the place on this stroke
    gaps: Floats  # strokes x 2, from that place to this, to the right and down, in units of length


def strokes(
    alphabets: Sequence[int] = (30, 5, 10),
    characters: int = 25,
    drawings: int = 20,
    size: int = 28,
    seed: int = 0,
    rotations: bool = False,
) -> DataSplits:
    """Invent alphabets and draw their characters; needs no files and no network.

    A drawing depends on the seed, the size and its own numbers (split, alphabet, character, drawing), not on
    the number of other drawings.

    Args:
        alphabets: number of alphabets of train, validation and test.
        characters: per alphabet.
        drawings: per character.
        size: height and width of the images, pixels.
        seed: another seed gives other alphabets.
        rotations: make every rotation by 90 degrees a class of its own, in all three splits.

    Raises:
        ConfigError: if an argument is out of range.
    """
    check_sizes("data.alphabets", alphabets, SPLITS, 1000)
    check_number("data.characters", characters, least=1, most=100, whole=True)
    check_number("data.drawings", drawings, least=2, most=1000, whole=True)
    check_number("data.size", size, least=8, most=FRAME, whole=True)
    check_seed("data.seed", seed)
    # numbered across the splits in turn, so that no split's alphabets depend on the size of another
    numbers = {split: [3 * row + part for row in range(alphabets[part])] for part, split in enumerate(SPLITS)}
    images = cached(
        "-".join(map(str, (f"strokes-v{VERSION}", *alphabets, characters, drawings, size, seed))),
        lambda: {split: _draw(numbers[split], characters, drawings, size, seed) for split in SPLITS},
        lambda made: {
            split: expect(made[split], torch.uint8, len(numbers[split]) * characters * drawings, 1, size, size)
            for split in SPLITS
        },
    )
    stores = {}
    for split in SPLITS:
        names = [_alphabet_name(number, seed) for number in numbers[split]]
        class_names = [f"{name}/character{number:02}" for name in names for number in range(1, characters + 1)]
        groups = [name for name in names for _ in range(characters)]
        by_class = images[split].reshape(-1, drawings, 1, size, size).unbind()
        store = ClassStore.from_classes(f"strokes/{split}", by_class, class_names, groups)
        stores[split] = store.with_rotations() if rotations else store
    return DataSplits("strokes", stores["train"], stores["val"], stores["test"])


def _random(seed: int, alphabet: int, character: int = -1, drawing: int = -1) -> np.random.Generator:
    # 0 stands for none: numpy takes a shorter tuple for one that ends in zeros
    return np.random.default_rng((alphabet + 1, character + 1, drawing + 1, seed))


def _alphabet_name(alphabet: int, seed: int) -> str:
    """A pronounceable name; two alphabets of one seed never share one."""
    n_names = len(SYLLABLES) ** 2 * len(ENDINGS)
    # 30011 is prime and does not divide n_names, so that this is a permutation
    number = (alphabet * 30011 + int(_random(seed, -1).integers(n_names))) % n_names
    first, second, ending = map(int, np.unravel_index(number, (len(SYLLABLES), len(SYLLABLES), len(ENDINGS))))
    return f"{SYLLABLES[first]}{SYLLABLES[second]}{ENDINGS[ending]}".capitalize()


def _draw(alphabets: Sequence[int], characters: int, drawings: int, size: int, seed: int) -> Tensor:
    """All drawings of some alphabets, `items x 1 x size x size`, uint8."""
    images = np.empty((len(alphabets), characters, drawings, size, size), dtype=np.uint8)
    for row, alphabet in enumerate(alphabets):
        style = _invent_style(_random(seed, alphabet))
        known: list[Floats] = []
        for character in range(characters):
            program = _invent_character(style, known, _random(seed, alphabet, character))
            writers = [_random(seed, alphabet, character, drawing) for drawing in range(drawings)]
            noise = np.stack([writer.standard_normal(NOISE_SHAPE) for writer in writers])
            for drawing, inked in enumerate(_ink(_place(program, style.extent, noise))):
                small = Image.fromarray(inked).resize((size, size), Image.Resampling.LANCZOS)
                images[row, character, drawing] = np.asarray(small)
    return torch.from_numpy(images.reshape(-1, 1, size, size))


def _invent_style(rng: np.random.Generator) -> _Style:
    count = int(rng.integers(5, 10))
    shape = (count, SEGMENTS)
    curved = rng.random(shape) < rng.beta(0.6, 0.6)
    loops = rng.random(shape) < rng.uniform(0.0, 0.3)
    sign = rng.choice([-1.0, 1.0], shape)
    bends = curved * sign * np.where(loops, rng.uniform(5.0, 6.3, shape), rng.uniform(1.0, 3.6, shape))
    turn = rng.choice([1.57, 1.57, 1.9, 2.3])
    corners = np.where(curved & (rng.random(shape) < 0.5), 0.0, sign[:, ::-1] * rng.normal(turn, 0.1, shape))
    lengths = rng.uniform(0.4, 1.0, shape) * (1 + 0.2 * np.abs(bends))
    stock = np.stack([corners, bends, lengths], axis=2)
    stock[np.arange(SEGMENTS) >= rng.choice([1, 2, 3, 4], (count, 1), p=rng.dirichlet([3.0, 3.0, 2.0, 0.7]))] = 0.0
    # people write to the right and downwards; what counts for an arc is its chord
    directions = np.pi * rng.choice([0.0, 0.5, 0.25, 0.75, -0.25], count, p=rng.dirichlet([3.0, 3.0, 1.0, 1.0, 0.5]))
    stock[:, 0, 0] = directions - stock[:, 0, 1] / 2
    if rng.random() < 0.3:  # an alphabet with dots
        stock[-1] = 0.0
        stock[-1, 0, 2] = 0.05
    return _Style(
        stock,
        stock_weights=rng.dirichlet([1.5] * count),
        count_weights=rng.dirichlet([1.5, 5.0, 4.5, 2.5, 1.0]),
        joint_weights=rng.dirichlet([2.0, 2.0, 0.8, 0.8]),
        mirrored=rng.choice([0.0, 0.3]),
        extent=rng.uniform(0.5, 0.72),
    )


def _invent_character(style: _Style, known: list[Floats], rng: np.random.Generator) -> _Program:
    """The first legible program unlike the known ones, or else the best; its blurred shape becomes known."""
    candidates: list[tuple[float, _Program, Floats]] = []
    while len(candidates) < TRIES and (not candidates or candidates[-1][0] >= ALIKE):
        program = _invent_program(style, rng)
        points = _execute(program, np.zeros((1, *NOISE_SHAPE)))[0].reshape(-1, 2)
        short, long = np.sort(np.ptp(points, axis=0))
        length = program.moves[..., 2].sum() / long
        cells = len(np.unique(np.rint(points / long * 15) @ (1, 1000)))  # few, if strokes run over one another
        illegible = short < 0.25 * long or length > 5.5 or cells < 13 * length
        shape = _blurred(points)
        likeness = max((float((shape * other).sum()) for other in known), default=0.0)
        candidates.append((likeness + illegible, program, shape))
    _, program, shape = min(candidates, key=lambda candidate: candidate[0])
    known.append(shape)
    return program


def _invent_program(style: _Style, rng: np.random.Generator) -> _Program:
    count = 1 + int(rng.choice(MAX_STROKES, p=style.count_weights))
    moves = style.stock[rng.choice(len(style.stock), count, p=style.stock_weights)]
    moves[rng.random(count) < style.mirrored, :, :2] *= -1
    moves[1:, :, 2] *= rng.uniform(0.45, 1.0, (count - 1, 1))
    at_tip, _, across, apart = np.arange(4)[:, None] == rng.choice(4, count, p=style.joint_weights)
    middle = rng.uniform(0.25, 0.75, (2, count))
    return _Program(
        moves,
        joined_to=rng.integers(0, np.maximum(np.arange(count), 1)),
        joined_at=np.where(at_tip, rng.integers(0, 2, count), middle[0]),
        joined_by=np.where(across | apart, middle[1], 0.0),
        gaps=apart[:, None] * rng.normal(0.0, 0.4, (count, 2)),
    )


def _execute(program: _Program, noise: Floats) -> Floats:
    """Pen positions, `drawings x strokes x points x 2` (right, down), in units of length; no noise: as meant."""
    count = len(program.moves)
    whole = noise[:, -1, :, None, None]  # drawings x noise x 1 x 1
    wobble = 0.65 * np.exp(0.35 * whole[:, 0]) * noise[:, :count]
    rounding = 0.05 + 0.12 * np.abs(whole[:, 1])  # of the corners, in units of length
    corners = program.moves[..., 0] + 0.13 * wobble[..., 0:4]
    bends = program.moves[..., 1] + (0.12 + 0.12 * np.abs(program.moves[..., 1])) * wobble[..., 4:8]
    lengths = program.moves[..., 2] * np.exp(0.17 * wobble[..., 8:12])
    ends = np.cumsum(lengths, axis=2)
    pace = ends[..., -1:] / POINTS
    way = pace * (np.arange(POINTS) + 0.5)  # drawings x strokes x points
    heading = corners[..., :1] + np.zeros(POINTS)
    for k in range(SEGMENTS):
        past = way - (ends - lengths)[..., k, None]
        heading += bends[..., k, None] * np.clip(past / np.maximum(lengths[..., k, None], 1e-6), 0.0, 1.0)
        if k:
            heading += corners[..., k, None] * np.clip(past / rounding + 0.5, 0.0, 1.0)
    points = np.cumsum(np.stack([pace * np.cos(heading), pace * np.sin(heading)], axis=3), axis=2)
    places = np.stack([program.joined_at, program.joined_by], axis=1) + 0.05 * wobble[..., 12:14]
    at, by = np.moveaxis(np.rint(np.clip(places, 0.0, 1.0) * (POINTS - 1)).astype(np.int64), 2, 0)
    drawing = np.arange(len(noise))
    for k in range(1, count):
        joint = points[drawing, program.joined_to[k], at[:, k]] + program.gaps[k] + 0.05 * wobble[:, k, 14:]
        points[:, k] += (joint - points[drawing, k, by[:, k]])[:, None]
    return points


def _place(program: _Program, extent: float, noise: Floats) -> Floats:
    """Execute a program, and turn, shear, scale and move each drawing: `drawings x all_points x 2`, pixels."""
    nominal = _execute(program, np.zeros((1, *NOISE_SHAPE))).reshape(-1, 2)
    x, y = np.moveaxis(_execute(program, noise).reshape(len(noise), -1, 2), 2, 0)
    turn, shear, wide, large = np.moveaxis(noise[:, -1, 2:6, None] * [[0.07], [0.12], [0.1], [0.13]], 1, 0)
    x = x + shear * y
    right, down = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    points = np.stack([np.exp(large + wide) * right, np.exp(large - wide) * down], axis=2)
    points *= extent * FRAME / np.ptp(nominal, axis=0).max()
    room = FRAME - 1 - 2 * MARGIN
    points *= np.minimum(1.0, room / np.ptp(points, axis=1).max(1))[:, None, None]
    low, high = points.min(1), points.max(1)
    slack = (room - (high - low)) / 2
    centre = (FRAME - 1) / 2 + np.clip(5.0 * noise[:, -1, 6:8], -slack, slack)
    points += (centre - (low + high) / 2)[:, None]
    return points


def _ink(points: Floats) -> NDArray[np.uint8]:
    """Draw with a round pen: `drawings x frame x frame`, 255 for ink."""
    inked = np.zeros((len(points), FRAME, FRAME), dtype=np.uint8)
    x, y = np.moveaxis(np.rint(points).astype(np.int64), 2, 0)
    for right, down in PEN:
        inked[np.arange(len(points))[:, None], y + down, x + right] = 255
    return inked


def _blurred(points: Floats) -> Floats:
    """The shape of a character regardless of place and size: a blurred map of its ink, of norm 1."""
    low, high = points.min(0), points.max(0)
    x, y = np.rint((points - (low + high) / 2) / (high - low).max() * 9 + 6).astype(np.int64).T
    grid = np.zeros((13, 13))
    grid[y, x] = 1.0
    for axis in (0, 1):
        grid = grid + 0.5 * (np.roll(grid, 1, axis) + np.roll(grid, -1, axis))
    shape: Floats = grid / np.sqrt((grid**2).sum())
    return shape
