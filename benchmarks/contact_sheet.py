"""Draw the README's picture of `strokes`: python benchmarks/contact_sheet.py docs/images/strokes.png."""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from metamann.data.images.strokes import strokes
from metamann.reports.contact_sheet import contact_sheet

ALPHABETS, CHARACTERS, DRAWINGS = 4, 6, 6

if __name__ == "__main__":
    store = strokes().train
    starts = [numbers[0] for numbers in list(store.classes_by_group.values())[:ALPHABETS]]
    sheets = [contact_sheet(store, range(start, start + CHARACTERS), DRAWINGS) for start in starts]
    Image.fromarray(np.concatenate(sheets, axis=1)).save(sys.argv[1])
