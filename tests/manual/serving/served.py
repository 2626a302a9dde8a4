"""A server in a process of its own, for checks by hand."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    with socket.socket() as open_one:
        open_one.bind(("127.0.0.1", 0))
        port: int = open_one.getsockname()[1]
        return port


def start(folder: Path, port: int, *more: str) -> subprocess.Popen[bytes]:
    """Start ``dsocr serve`` and wait until it answers."""
    command = [sys.executable, "-m", "dsocr_symbolic", "serve", "--port", str(port), "--folder", str(folder), *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
            return process
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[str]:
    """Serve meanwhile; yield the address."""
    port = free_port()
    process = start(folder, port, *more)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
