"""Requests to stop: raised wherever the command is, but where halves would be left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from metamann.commands import stop
from metamann.commands.stop import HANDLED, shield, stop_signals
from metamann.training.loop import Interrupted


@pytest.fixture(autouse=True)
def handlers() -> Iterator[list[object]]:
    """Those of the tests, as they were and are to be."""
    before = [signal.getsignal(number) for number in HANDLED]
    yield before
    assert [signal.getsignal(number) for number in HANDLED] == before


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def interrupted(job: Callable[[], None]) -> int:
    """Number of the signal that a job was interrupted by."""
    with pytest.raises(Interrupted) as caught, stop_signals():
        job()
    return int(caught.value.args[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_raised_where_it_comes(number: signal.Signals) -> None:
    done = []

    def job() -> None:
        send(number)
        done.append(1)

    assert interrupted(job) == number
    assert not done


def test_what_handles_errors_does_not_take_a_request_for_one() -> None:
    def job() -> None:
        with contextlib.suppress(Exception):
            send(signal.SIGTERM)

    assert interrupted(job) == signal.SIGTERM


def test_behind_shields_it_waits_for_the_end_of_the_outermost() -> None:
    done = []

    def job() -> None:
        with shield():
            with shield():
                send(signal.SIGTERM)
                done.append(1)
            done.append(2)
        done.append(3)

    assert interrupted(job) == signal.SIGTERM
    assert done == [1, 2]


def test_an_error_behind_a_shield_is_raised_as_it_is() -> None:
    def job() -> None:
        with stop_signals(), shield():
            send(signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job()


def test_several_signals_at_once_are_one_request() -> None:
    saved = []

    def job() -> None:
        try:
            send(signal.SIGHUP)
        except Interrupted:
            send(signal.SIGHUP)
            send(signal.SIGTERM)
            with shield():
                saved.append(1)
            raise

    assert interrupted(job) == signal.SIGHUP
    assert saved == [1]


def test_a_request_that_was_lost_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "REPEATED", 0.0)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)

    class Careless:
        def __del__(self) -> None:
            send(signal.SIGTERM)  # Python prints what is raised here, and goes on

    def job() -> None:
        Careless()
        with shield():
            pass
        pytest.fail("it was lost")

    assert interrupted(job) == signal.SIGTERM


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_request_of_one_job_is_not_one_of_the_next() -> None:
    assert interrupted(lambda: send(signal.SIGTERM)) == signal.SIGTERM
    with stop_signals(), shield():
        pass


def test_outside_of_the_main_thread_signals_are_left_alone() -> None:
    reached = []

    def job() -> None:
        with stop_signals(), shield():
            reached.append([signal.getsignal(number) for number in HANDLED])

    before = [signal.getsignal(number) for number in HANDLED]
    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert reached == [before]
