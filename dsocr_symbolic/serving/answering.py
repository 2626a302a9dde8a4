"""One question after the other, a few waiting, each within a time: whoever comes too many is told when to return."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from dsocr_symbolic.serving.problems import Refused

T = TypeVar("T")
_AGAIN_AFTER = "1"


class Answering:
    """A thread that answers, and how many may wait for it.

    The engine is one thread's: what it keeps of models is not made for several. A question that takes longer than
    `seconds` is refused; what it began ends by itself and holds its place until then.
    """

    def __init__(self, waiting: int, seconds: float) -> None:
        self.m_thread = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self.m_waiting = waiting
        self.m_seconds = seconds
        self.m_begun = 0

    async def of(self, answer: Callable[..., T], *arguments: Any) -> T:
        """Return an answer; Refused if too many wait, or it takes too long."""
        if self.m_begun > self.m_waiting:
            detail = f"{self.m_waiting} questions wait already; ask again in {_AGAIN_AFTER} s"
            raise Refused(429, detail, headers={"Retry-After": _AGAIN_AFTER})
        self.m_begun += 1
        future = self.m_thread.submit(answer, *arguments)
        loop = asyncio.get_running_loop()

        def ended(_: Any) -> None:
            # What ends after the server has nobody to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended)

        future.add_done_callback(ended)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.m_seconds)
        except TimeoutError:
            raise Refused(503, f"it takes longer than {self.m_seconds:g} s; ask for less at once") from None

    def _ended(self) -> None:
        self.m_begun -= 1

    def close(self) -> None:
        """Let no further question begin."""
        self.m_thread.shutdown(wait=False, cancel_futures=True)
