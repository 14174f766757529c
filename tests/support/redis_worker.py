"""One gateway's store in a process of its own: says `ready`, waits for a line, asks in parallel, and prints what it was
given as JSON.

Arguments: url, prefix, requests a minute, session budget, concurrency, number of requests, kind (`rate`, `budget`,
`slots`). For `slots` it keeps a counter in Redis beside the store and reports the most that it ever saw.
"""

import asyncio
import json
import sys

from llm_router.routing.limits import Ask, KeyLimits
from llm_router.state.link import connect
from llm_router.state.port import Admitted
from llm_router.state.redis import RedisOptions, RedisStore


async def work(url: str, prefix: str, limits: KeyLimits, count: int, kind: str) -> dict[str, int]:
    client = connect(url, None)
    beside = connect(url, None)
    store = RedisStore(client, options=RedisOptions(prefix=prefix))
    await store.open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    admitted = most = 0

    async def one(number: int) -> None:
        nonlocal admitted, most
        found = await store.admit(Ask("shared", "s" if kind == "budget" else f"s{number % 7}", limits, tokens=10))
        if not isinstance(found, Admitted):
            return
        admitted += 1
        most = max(most, await beside.incr(f"{prefix}:beside"))
        await beside.decr(f"{prefix}:beside")
        await store.finish(found, 10)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number), name=f"request-{number}")
    await store.close()
    await beside.aclose()
    await beside.connection_pool.disconnect()
    return {"admitted": admitted, "most": most}


if __name__ == "__main__":
    url, prefix, rate, budget, concurrency, count, kind = sys.argv[1:]
    bounds = KeyLimits(int(rate), int(budget), 0, 0, 0, 0, int(concurrency))
    sys.stdout.write(json.dumps(asyncio.run(work(url, prefix, bounds, int(count), kind))))
