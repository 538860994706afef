"""Bus, presence, limits and codes for several processes, over one Redis (6.2 or newer) or Redis Cluster.

`RedisServices(url, node_name, clock)` has the attributes `bus`, `presence`, `limiter`, `codes` and `stream`, one for
each port, and `async start()` and `close()`.

- `bus` is what happens; `batches` what travels, `routes` where to, `stream_link` on what.
- `membership` knows which nodes live, `presence` which users they have.
- `cascade` is the stream from which other systems read.
- `limits` and `codes` are scripts that Redis runs.
- `connection` and `errors` are the way to Redis and what can be wrong with it.
"""

from storage.redis.errors import NameTaken, RedisUnusable, TooOld
from storage.redis.services import RedisServices, RedisSettings

__all__ = ["NameTaken", "RedisServices", "RedisSettings", "RedisUnusable", "TooOld"]
