"""Messages are tested by what they have to name, not by the prose around it.

What a message has to name is the setting or the file, the value that is wrong, and the choices or the remedy.
"""

from __future__ import annotations

import re


def in_order(*parts: str) -> str:
    """The regular expression of a line that holds these texts in this order, such as for `pytest.raises`."""
    return ".*".join(map(re.escape, parts))


def names(message: str, *parts: str) -> bool:
    """Whether a message is one line that holds these texts in this order."""
    return "\n" not in message and re.search(in_order(*parts), message) is not None
