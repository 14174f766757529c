"""What an operator asks of a running gateway, over the supervisor's channel: health, pause and resume, and why."""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_router.gateway.selector import Selector, health_policy, walk
from llm_router.gateway.state import GatewayState, Snapshot
from llm_router.routing import health as machine
from llm_router.routing.health import Health
from llm_router.routing.order import Choice
from llm_router.routing.plan import Candidate, Plan, Wire
from llm_router.state.port import StateStore

Report = dict[str, Any]
OPERATIONS = frozenset({"accounts", "pause", "resume", "explain"})


class UnknownAccount(ValueError):
    """No candidate of the plan has this name."""

    def __init__(self, account: str, known: Iterable[str]) -> None:
        """`known` are the names that exist."""
        super().__init__(account)
        self.account, self.known = account, list(known)


class Desk:
    """Answers in plain values, as JSON carries them. Times are seconds from now."""

    def __init__(self, state: GatewayState, store: StateStore, selector: Selector) -> None:
        self._state = state
        self._store = store
        self._selector = selector

    async def perform(self, message: Mapping[str, Any]) -> Report:
        """One operation of OPERATIONS. Raises ValueError or KeyError when it cannot be done."""
        snapshot = self._state.snapshot
        if snapshot is None:
            raise ValueError("the gateway has no plan yet")
        match message["op"]:
            case "accounts":
                return {"accounts": await self._accounts(snapshot)}
            case "pause":
                words = str(message.get("reason") or "paused by hand")[:200]
                return {"accounts": await self._change(snapshot, str(message["account"]), words)}
            case "resume":
                return {"accounts": await self._change(snapshot, str(message["account"]), None)}
            case "explain":
                return await self._explain(snapshot, str(message["model"]), Wire(str(message.get("wire", "chat"))))
        raise ValueError(f"there is no operation {message['op']}")

    async def _accounts(self, snapshot: Snapshot) -> list[Report]:
        known = await self._store.all_health()
        names = dict.fromkeys([*(str(one) for one in _candidates(snapshot.plan)), *known])
        return [self._row(snapshot, name, known.get(name, machine.HEALTHY)) for name in names]

    def _row(self, snapshot: Snapshot, name: str, health: Health) -> Report:
        plan, now = snapshot.plan, self._store.now()
        policy = health_policy(plan)
        upstream = plan.upstreams.get(name.partition("/")[0])
        return {
            "account": name,
            "state": health.state.value,
            "availability": machine.availability(health, now, policy).value,
            "reason": health.reason,
            "failures": health.failures,
            "since": round(now - health.since, 1) if health.since else None,
            "next_chance": machine.next_chance(health, now, policy),
            "billing": upstream.billing.value if upstream is not None else "",
            "usable": upstream is not None and snapshot.is_usable(upstream),
        }

    async def _change(self, snapshot: Snapshot, account: str, words: str | None) -> list[Report]:
        """Pause with `words`, or resume: one candidate, or every candidate of an upstream."""
        known = await self._store.all_health()
        every = dict.fromkeys([*(str(one) for one in _candidates(snapshot.plan)), *known])
        names = [name for name in every if account in {name, name.partition("/")[0]}]
        if not names and "/" in account and account.partition("/")[0] in snapshot.plan.upstreams:
            names = [account]  # a model that only a glob names
        if not names:
            accounts = [name.partition("/")[0] for name in every]
            raise UnknownAccount(account, dict.fromkeys([*accounts, *every]))
        now = self._store.now()
        for name in names:
            changed = await self._store.change_health(
                name, lambda held: machine.resumed(now) if words is None else machine.paused(held, now, words)
            )
            upstream, _, model = name.partition("/")
            self._selector.announce(Candidate(upstream, model), None, changed.before, changed.after)
        held = await self._store.all_health()
        return [self._row(snapshot, name, held.get(name, machine.HEALTHY)) for name in names]

    async def _explain(self, snapshot: Snapshot, model: str, wire: Wire) -> Report:
        plan = snapshot.plan
        options = await self._selector.options(plan, wire, model, "", translate=False)
        lanes = {way.candidate: way.lane.value for way in options.ways}
        rows = [_explained(place, choice, lanes) for place, choice in enumerate(options.choices, 1)]
        rows += [_left_out(one, f"no lane leads from {wire} to it") for one in options.laneless]
        rows += [_left_out(one, "paid by the token, and `plan_to_paid` is off") for one in options.held_back]
        for row in rows:
            upstream = plan.upstreams[str(row["candidate"]).partition("/")[0]]
            if not snapshot.is_usable(upstream):
                row["reason"] = "its key cannot be read" if upstream.key else "what serves it does not run"
                row["chosen"] = False
        return {
            "model": model,
            "wire": wire.value,
            "profile": plan.profile,
            "strategy": plan.policy.strategy.value,
            "candidates": rows,
        }


def _explained(place: int, choice: Choice, lanes: Mapping[Candidate, str]) -> Report:
    return {
        "place": None if choice.is_skipped else place,
        "candidate": str(choice.candidate),
        "chosen": not choice.is_skipped,
        "lane": lanes.get(choice.candidate, ""),
        "reason": choice.reason,
        "next_chance": choice.next_chance,
    }


def _left_out(candidate: Candidate, reason: str) -> Report:
    return {
        "place": None,
        "candidate": str(candidate),
        "chosen": False,
        "lane": "",
        "reason": reason,
        "next_chance": None,
    }


def _candidates(plan: Plan) -> list[Candidate]:
    """Every candidate that the plan names, in order; globs that pass any name on are left out."""
    found = [one for model in plan.models for group in walk(plan, model.pattern) for one in group if one.model != "*"]
    listed = [Candidate(up.name, model) for up in plan.upstreams.values() for model in up.models]
    named = [one for one in found if "*" not in one.model]
    return list(dict.fromkeys([*named, *listed]))
