"""1,000 requests at once: each is answered by 2xx, or by 429 with Retry-After. Run it as it is."""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2 as httpx
from served import serving

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1000


async def ask(address: str) -> Counter[str]:
    limits = httpx.Limits(max_connections=COUNT)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=300) as client:

        async def one(place: int) -> str:
            answer = await client.post("/totals", json={"workload": "tiny", "settings": {"batch": 1 + place % 50}})
            named = answer.status_code != 429 or "retry-after" in answer.headers
            return f"{answer.status_code}{'' if named else ' without Retry-After'}"

        return Counter(await asyncio.gather(*(one(place) for place in range(COUNT))))


with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as address:
    began = time.monotonic()
    found = asyncio.run(ask(address))
    print(f"{COUNT} requests at once in {time.monotonic() - began:.1f} s: {dict(found)}")
    sys.exit(set(found) - {"200", "429"} != set())
