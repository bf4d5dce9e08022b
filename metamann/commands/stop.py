"""Requests to stop: a signal is raised as `Interrupted`, except while files are written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from metamann.training.loop import Interrupted

HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
REPEATED = 1.0  # seconds in which further signals are the same request: a closing terminal sends several


class _Requests:
    """The signals that were received, and whether they can be raised now."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Reset the state of an earlier job of this process."""
        self.number: int | None = None
        self.raised = -REPEATED
        self.shields = 0

    def receive(self, number: int, _: FrameType | None) -> None:
        """Handle a signal."""
        self.number = number
        self.raise_pending()

    def raise_pending(self) -> None:
        """Raise the received signal, unless a shield is active or it was raised just now."""
        if self.number is not None and not self.shields and time.monotonic() - self.raised >= REPEATED:
            self.raised = time.monotonic()
            raise Interrupted(self.number)


_requests = _Requests()


@contextmanager
def stop_signals() -> Iterator[None]:
    """Raise SIGINT, SIGTERM and SIGHUP as `Interrupted` in this context; under nohup SIGHUP stays ignored."""
    _requests.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in HANDLED:
            handler = signal.getsignal(number)
            if number == signal.SIGINT or handler is not signal.SIG_IGN:
                before[number] = handler or signal.SIG_DFL
                signal.signal(number, _requests.receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shield() -> Iterator[None]:
    """Delay requests to stop until the end of this context."""
    _requests.shields += 1
    try:
        yield
    finally:
        _requests.shields -= 1
    _requests.raise_pending()
