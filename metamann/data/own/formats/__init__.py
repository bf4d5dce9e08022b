"""Formats of files of sentences: each module turns files of one tool into documents or tagged sentences.

    source = Source(path)
    known = known_format(source)
    content = known.read(source) if known else ...  # a text file: plain, or with columns

To add a format, write a module with a `Format` and list it in FORMATS.
"""

from __future__ import annotations

from metamann.data.own.formats.brat import BRAT
from metamann.data.own.formats.csv_tables import CSV
from metamann.data.own.formats.docbin import DOCBIN
from metamann.data.own.formats.json_formats import JSON
from metamann.data.own.formats.source import Content, Format, Source

FORMATS = (DOCBIN, BRAT, JSON, CSV)  # the first that matches is taken


def known_format(source: Source) -> Format | None:
    """The format of a file, detected from its content; None if it is a text file of none of them.

    Raises:
        DataError: if the file cannot be read.
    """
    return next((format_ for format_ in FORMATS if format_.matches(source)), None)


__all__ = ["FORMATS", "Content", "Format", "Source", "known_format"]
