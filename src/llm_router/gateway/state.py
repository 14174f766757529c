"""What the gateway knows at one moment, and the translators it has been given.

A request takes one `Snapshot` and keeps it: a new plan takes effect between two requests. A translator generation is
forgotten when nothing is in flight through it and a newer one is in force. Where several workers share the doors, what
is in flight may be another's: there it is kept for as long as an old LiteLLM is let live.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from llm_router.providers.endpoints import Operation
from llm_router.routing.plan import UNIT_URL, Plan, Upstream, Wire
from llm_router.secrets.client_keys import ClientKeys
from llm_router.secrets.secret import Secret

KEPT_FOR_OTHERS = 660.0  # seconds: longer than the supervisor drains an old LiteLLM


def digest(key: str) -> bytes:
    """What is compared instead of a key, so that comparing takes the same time for any key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the plan that does not work now, for `health` and `/readyz`."""

    code: str
    message: str
    hint: str

    def as_json(self) -> dict[str, str]:
        """The entry of `problems` on the control channel."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class DirectWay:
    """How one operation of one upstream is called in its own wire: worked out once for each plan."""

    url: str
    headers: list[tuple[str, str]] = field(repr=False)  # those that carry the key
    is_local: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One plan with its secrets resolved."""

    plan: Plan
    credentials: Mapping[str, Secret]  # by upstream; absent when it needs none or it could not be resolved
    keys: ClientKeys
    endpoints: Mapping[str, str] = MappingProxyType({})  # unit -> base URL
    problems: tuple[Problem, ...] = ()
    ways: dict[tuple[str, Wire, Operation], DirectWay] = field(default_factory=dict, compare=False, repr=False)

    def base_url(self, upstream: Upstream) -> str | None:
        """Where an upstream is, or None while the unit that serves it has no address."""
        if upstream.base_url.startswith(UNIT_URL):
            return self.endpoints.get(upstream.base_url.removeprefix(UNIT_URL))
        return upstream.base_url

    def is_usable(self, upstream: Upstream) -> bool:
        """Whether a call could be made: an address, and the key if it wants one."""
        return self.base_url(upstream) is not None and (not upstream.key or upstream.name in self.credentials)


@dataclass(slots=True)
class Translator:
    """One LiteLLM process: its address, the key it asks for, and the key it must show at the doors."""

    generation: int
    base_url: str
    api_key: Secret
    door_digest: bytes
    snapshot: Snapshot
    in_flight: int = 0
    replaced_at: float | None = None  # by the state's clock; None while it is in force

    def take(self) -> None:
        """One more request is in flight."""
        self.in_flight += 1

    def give_back(self) -> None:
        """One request has been answered."""
        self.in_flight -= 1


@dataclass(slots=True)
class GatewayState:
    """The snapshot in force and every translator that still has work."""

    snapshot: Snapshot | None = None
    translator: Translator | None = None
    no_translator: str = ""  # why none will come; empty while one is there or awaited
    in_flight: int = 0
    clock: Callable[[], float] = time.monotonic
    _known: dict[int, Translator] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def configure(self, snapshot: Snapshot, translator: Translator | None, no_translator: str = "") -> None:
        """Put a plan and a translator in force, and wake everybody who waits for one."""
        if translator is not None:
            translator = self._same_process(translator)
            self._known[translator.generation] = translator
            translator.replaced_at = None
            for other in self._known.values():
                if other is not translator and other.replaced_at is None:
                    other.replaced_at = self.clock()
        self.snapshot, self.translator, self.no_translator = snapshot, translator, no_translator
        self._forget_idle()
        self._changed.set()
        self._changed = asyncio.Event()

    def remember(self, former: Iterable[Translator]) -> None:
        """Translators that were replaced before this worker came, and may still work for others."""
        for translator in former:
            if translator.generation not in self._known:
                translator.replaced_at = self.clock()
                self._known[translator.generation] = translator

    def _same_process(self, translator: Translator) -> Translator:
        held = self._known.get(translator.generation)
        if held is None or (held.base_url, held.door_digest) != (translator.base_url, translator.door_digest):
            return translator
        held.snapshot = translator.snapshot
        return held

    def _forget_idle(self) -> None:
        kept = KEPT_FOR_OTHERS if self.snapshot is not None and self.snapshot.plan.gateway.workers > 1 else 0.0
        now = self.clock()
        for generation, held in list(self._known.items()):
            over = held.replaced_at is not None and now - held.replaced_at >= kept
            if over and held is not self.translator and held.in_flight == 0 and self.translator is not None:
                del self._known[generation]

    def translators_in_flight(self) -> dict[str, int]:
        """How many requests each translator generation still works on."""
        self._forget_idle()
        return {str(generation): held.in_flight for generation, held in sorted(self._known.items())}

    def translator_of_door(self, key: str) -> Translator | None:
        """The translator that holds this door key, or None."""
        self._forget_idle()
        wanted = digest(key)
        found = None
        for held in self._known.values():
            if hmac.compare_digest(wanted, held.door_digest):
                found = held
        return found

    async def changed(self, seconds: float) -> bool:
        """Wait for the next `configure`; False when it did not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
