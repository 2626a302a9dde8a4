"""Jobs on all cores: processes that Ctrl-C does not reach, so that the one which started them ends them in silence."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from dsocr_symbolic.errors import UserError

T = TypeVar("T")


def workers() -> int:
    """Return how many processes to start."""
    return os.cpu_count() or 1


def in_processes(function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], count: int) -> Iterator[tuple[int, T]]:
    """Call a function with the arguments of each job, and yield places and results as they come."""
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_deaf)
    try:
        with _deaf_children():
            places = {pool.submit(function, *job): place for place, job in enumerate(jobs)}
        for future in as_completed(places):
            yield places[future], future.result()
    except BrokenProcessPool as error:
        raise UserError("a process of the verification was killed, perhaps for want of memory; try again") from error
    except BaseException:
        # The pool would wait for jobs that nobody needs any more.
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _deaf() -> None:
    """Let a worker ignore Ctrl-C, which a terminal sends to all processes alike."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C even while they import; what is pressed meanwhile is heard after it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
