"""Kill the server while it writes, start it anew: every report that was acknowledged is there and whole."""

import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2 as httpx
from served import free_port, start

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
RUN = "/analytic/deepseek-ocr/run"


def ask(address: str, place: int, acknowledged: list[str]) -> None:
    try:
        request = {"profile_id": "tiny", "settings": {"batch": place}, "force_rebuild": True}
        answer = httpx.post(f"{address}{RUN}", json=request, timeout=60)
    except httpx.HTTPError:
        return
    if answer.status_code == 202:
        acknowledged.append(answer.json()["report_id"])


with tempfile.TemporaryDirectory() as name:
    folder, acknowledged, place = Path(name), list[str](), 0
    for _ in range(ROUNDS):
        port = free_port()
        process = start(folder, port)
        threads = []
        for _ in range(24):
            place += 1
            threads.append(threading.Thread(target=ask, args=(f"http://127.0.0.1:{port}", place, acknowledged)))
            threads[-1].start()
        time.sleep(random.uniform(3, 9))
        process.kill()
        process.wait()
        for thread in threads:
            thread.join()
    port = free_port()
    process = start(folder, port)
    kept = [
        httpx.get(f"http://127.0.0.1:{port}/analytic/deepseek-ocr/{report_id}/model", timeout=60)
        for report_id in acknowledged
    ]
    process.terminate()
    process.wait()
    whole = sum(
        answer.status_code == 200 and answer.json()["report_id"] == each
        for answer, each in zip(kept, acknowledged, strict=True)
    )
    print(f"{ROUNDS} kills, {place} requests, {len(acknowledged)} acknowledged, {whole} of them whole")
    sys.exit(whole != len(acknowledged))
