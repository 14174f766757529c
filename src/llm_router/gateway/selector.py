"""Which candidate is asked next: the pure choice of `routing.order`, fed from shared state, and what it learns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llm_router.gateway.affinity import Binding
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.story import Story
from llm_router.providers.prices import PriceTable
from llm_router.routing import health as machine
from llm_router.routing.health import Availability, Health, HealthPolicy, State
from llm_router.routing.order import Choice, Standing, choose
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Billing, Candidate, Lane, Plan, Strategy, Wire
from llm_router.state.port import StateStore

_SMOOTHING = 0.2  # the weight of the newest time to the first byte
_MOST_TIMES = 10_000
_MOST_ROUTES = 10_000  # a glob lets clients make up names
_MOST_ORDERS = 256  # of one route: one for each account that a session may be bound to
_TURNING = frozenset({Strategy.ROUND_ROBIN, Strategy.WEIGHTED})


@dataclass(frozen=True, slots=True)
class Way:
    """One candidate that may be asked now, and how."""

    candidate: Candidate
    lane: Lane
    availability: Availability


@dataclass(frozen=True, slots=True)
class Options:
    """Everything there is for a request: the ways that are open, the places of all, those no lane leads to."""

    ways: tuple[Way, ...]
    choices: tuple[Choice, ...]
    laneless: tuple[Candidate, ...]
    held_back: tuple[Candidate, ...]  # paid by the token, behind a plan account
    out_of_scope: tuple[Candidate, ...]  # of providers that the client key may not use
    binding: Binding
    bound: Candidate | None  # the one that the session belongs to, if it is a candidate
    is_all_open: bool = False  # whether none of the candidates is skipped now

    @property
    def is_single(self) -> bool:
        """Whether there is one candidate and no other, open or not."""
        return len(self.choices) == 1 and not self.held_back

    def skipped_primary(self, listed: Sequence[Candidate]) -> Candidate | None:
        """The candidate that would have been asked first, when its health keeps it from being asked."""
        known = {choice.candidate: choice for choice in self.choices}
        first = self.bound or next((candidate for candidate in listed if candidate in known), None)
        return first if first in known and known[first].is_skipped else None


def health_policy(plan: Plan) -> HealthPolicy:
    """The profile's numbers for the health machine."""
    policy = plan.policy
    return HealthPolicy(
        failures_until_degraded=policy.failures_until_degraded, base=policy.cooldown, cap=policy.cooldown_cap
    )


def walk(plan: Plan, model: str) -> list[tuple[Candidate, ...]]:
    """The candidates of a model, then those of its fallbacks, alias by alias; each candidate once."""
    groups: list[tuple[Candidate, ...]] = []
    seen: set[Candidate] = set()
    visited: set[str] = set()
    alias: str | None = model
    while alias is not None and alias not in visited:
        visited.add(alias)
        group = tuple(one for one in dict.fromkeys(plan.candidates(alias)) if one not in seen)
        seen.update(group)
        if group:
            groups.append(group)
        alias = plan.policy.fallbacks.get(alias)
    return groups


class Route:
    """What a plan says of one model name, worked out once: who may answer, how, and in what order while all is well."""

    __slots__ = ("_lanes", "_plan", "groups", "names", "while_well")

    def __init__(self, plan: Plan, model: str) -> None:
        self._plan = plan
        self.groups = walk(plan, model)
        self.names = tuple(str(one) for group in self.groups for one in group)
        self.while_well: dict[tuple[Wire, bool, str], Options] = {}
        self._lanes: dict[tuple[Wire, bool], dict[Candidate, Lane]] = {}

    def lanes(self, wire: Wire, *, translate: bool) -> Mapping[Candidate, Lane]:
        """The candidates to which a lane leads, in the plan's order."""
        held = self._lanes.get((wire, translate))
        if held is None:
            held = self._lanes[wire, translate] = {}
            for group in self.groups:
                for one in group:
                    if lane := self._plan.lane(one, wire, translate=translate):
                        held[one] = lane
        return held


class Selector:
    """One for the life of the process."""

    def __init__(self, store: StateStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._first_bytes: dict[str, float] = {}  # candidate -> seconds
        self._plan: Plan | None = None
        self._routes: dict[str, Route] = {}

    def route(self, plan: Plan, model: str) -> Route:
        """What `plan` says of `model`; kept for the names asked of the plan that was asked last."""
        if plan is not self._plan:
            self._plan, self._routes = plan, {}
        held = self._routes.get(model)
        if held is None:
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            held = self._routes[model] = Route(plan, model)
        return held

    async def options(
        self,
        plan: Plan,
        wire: Wire,
        model: str,
        session: str = "",
        *,
        translate: bool = False,
        allows: Callable[[str], bool] | None = None,
    ) -> Options:
        """What may be asked for `model`, in order. `session` is empty when the request belongs to none."""
        route = self.route(plan, model)
        text = await self._store.affinity(session) if session and plan.policy.affinity else None
        usual = (wire, translate, text or "")
        is_well = allows is None and plan.policy.strategy is Strategy.AS_LISTED
        if is_well:
            for health in (await self._store.health(route.names)).values():
                is_well = is_well and health is machine.HEALTHY
        if is_well and (held := route.while_well.get(usual)) is not None:
            return held
        found = await self._options(plan, model, text, route.lanes(wire, translate=translate), allows)
        if is_well:
            if len(route.while_well) >= _MOST_ORDERS:
                route.while_well.clear()
            route.while_well[usual] = found
        return found

    async def _options(
        self,
        plan: Plan,
        model: str,
        bound_to: str | None,
        known: Mapping[Candidate, Lane],
        allows: Callable[[str], bool] | None,
    ) -> Options:
        groups = self.route(plan, model).groups
        listed = [one for group in groups for one in group if allows is None or allows(one.upstream)]
        lanes = {one: known[one] for one in listed if one in known}
        binding = Binding.read(bound_to) if lanes else Binding()
        # Who answers in another model's place answers only as long as it must.
        bound = binding.among([one for group in groups[:1] for one in group if one in lanes])
        choices: list[Choice] = []
        for number, group in enumerate(groups):
            turns = f"{model}#{number}" if number else model
            choices += await self._ordered(plan, turns, [one for one in group if one in lanes], bound)
        if bound is not None:
            choices.sort(key=lambda choice: choice.candidate != bound or choice.is_skipped)
        held_back = _paid_behind_plans(plan, list(lanes), choices)
        kept = [choice for choice in choices if choice.candidate not in held_back]
        return Options(
            ways=tuple(Way(c.candidate, lanes[c.candidate], c.availability) for c in kept if not c.is_skipped),
            choices=tuple(kept),
            laneless=tuple(one for one in listed if one not in lanes),
            held_back=tuple(held_back),
            out_of_scope=tuple(
                one for group in groups for one in group if allows is not None and not allows(one.upstream)
            ),
            binding=binding,
            bound=bound,
            is_all_open=not any(choice.is_skipped for choice in kept),
        )

    async def _ordered(
        self, plan: Plan, turns: str, group: Sequence[Candidate], bound: Candidate | None
    ) -> list[Choice]:
        if not group:
            return []
        known = await self._store.health([str(candidate) for candidate in group])
        strategy = plan.policy.strategy
        standings = [self._standing(plan, one, known[str(one)]) for one in group]
        policy, now = health_policy(plan), self._store.now()
        # A session that stays where it is takes no turn: else sessions of even length would all begin with the same.
        stays = bound in group and machine.availability(known[str(bound)], now, policy) is Availability.OPEN
        turn = await self._store.turn(turns) if strategy in _TURNING and len(group) > 1 and not stays else 0
        return choose(standings, strategy, policy, now=now, bound=bound, turn=turn)

    def _standing(self, plan: Plan, candidate: Candidate, known: Health) -> Standing:
        upstream = plan.upstreams[candidate.upstream]
        cost = None
        if plan.policy.strategy is Strategy.CHEAPEST:
            cost = 0.0 if upstream.billing is Billing.PLAN else _blended(self._recorder.prices, candidate)
        return Standing(candidate, known, upstream.weight, cost, self._first_bytes.get(str(candidate)))

    async def claim(self, plan: Plan, way: Way, story: Story) -> bool:
        """Whether the request may go this way; when it is the probe, nobody else may until it ends."""
        if way.availability is Availability.OPEN:
            return True
        claimed = await self._store.claim(str(way.candidate), health_policy(plan))
        if claimed is Availability.PROBE:
            self._recorder.begin(story, way.candidate.upstream)
            self._recorder.event(
                "ai_provider_half_open_probe",
                story,
                result="started",
                provider=way.candidate.upstream,
                fields={"model": way.candidate.model},
            )
        return claimed is not Availability.CLOSED

    async def succeeded(self, candidate: Candidate, story: Story, seconds: float) -> None:
        """It answered; `seconds` to the first byte."""
        name = str(candidate)
        before = self._first_bytes.get(name)
        if before is None and len(self._first_bytes) >= _MOST_TIMES:
            self._first_bytes.clear()
        self._first_bytes[name] = seconds if before is None else before + _SMOOTHING * (seconds - before)
        known = (await self._store.health([name])).get(name, machine.HEALTHY)
        if (
            known is machine.HEALTHY
            or known == machine.HEALTHY
            or (known.state is State.HEALTHY and not known.failures)
        ):
            return
        now = self._store.now()
        changed = await self._store.change_health(name, lambda held: machine.succeeded(held, now))
        if changed.before.state not in {State.HEALTHY, State.PAUSED}:
            self.announce(candidate, story, changed.before, changed.after)

    async def failed(
        self, plan: Plan, candidate: Candidate, story: Story, outcome: Outcome, wait: float | None, *, code: str = ""
    ) -> Health:
        """It failed in a way that counts against it, told to clients as `code`; returns its health afterwards."""
        now, policy = self._store.now(), health_policy(plan)
        changed = await self._store.change_health(
            str(candidate), lambda held: machine.failed(held, outcome, now, policy, wait=wait)
        )
        self.announce(candidate, story, changed.before, changed.after, code=code)
        return changed.after

    async def abandoned(self, candidate: Candidate) -> None:
        """Its probe ended without a verdict."""
        now = self._store.now()
        await self._store.change_health(str(candidate), lambda held: machine.abandon_probe(held, now))

    async def bind(self, plan: Plan, session: str, candidate: Candidate, options: Options) -> None:
        """The session stays with the account that answered it."""
        if not session or not plan.policy.affinity:
            return
        binding = options.binding.after(candidate, [*(one.candidate for one in options.choices), *options.held_back])
        if binding != options.binding:
            await self._store.bind(session, str(binding))

    def announce(
        self, candidate: Candidate, story: Story | None, before: Health, after: Health, *, code: str = ""
    ) -> None:
        """Tell of a change of state: every one as `account_health`, and those of a request in the audit trail too."""
        change = machine.transition(before, after)
        if change is None:
            return
        where = {"model": candidate.model, "reason": change.reason}
        self._recorder.event(
            "account_health",
            story,
            result=change.after.value,
            provider=candidate.upstream,
            fields={"before": change.before.value, **where},
        )
        if story is None:
            return
        fields: dict[str, str | int] = {"model": candidate.model, "baseUrl": story.base_url}
        if change.after is State.DEGRADED:
            fields |= {"failures": after.failures, "reason": code or change.reason}
            self._recorder.event(
                "ai_provider_degraded", story, result="degraded", provider=candidate.upstream, fields=fields
            )
        if change.after is State.HEALTHY:
            fields |= {"fromHalfOpen": change.before is State.HALF_OPEN, "reason": change.reason}
            self._recorder.event(
                "ai_provider_recovered", story, result="recovered", provider=candidate.upstream, fields=fields
            )


def _paid_behind_plans(plan: Plan, listed: Sequence[Candidate], choices: Sequence[Choice]) -> list[Candidate]:
    """What is paid by the token and comes after a plan account, as listed or as chosen, unless the profile allows it.

    One that is listed before the plan accounts is meant to be paid for; what never happens is a move from plan to paid.
    """
    if plan.policy.plan_to_paid:
        return []
    chosen = [choice.candidate for choice in choices if not choice.is_skipped]
    held: dict[Candidate, None] = {}
    for order in (listed, chosen):
        behind_plan = False
        for candidate in order:
            is_plan = plan.upstreams[candidate.upstream].billing is Billing.PLAN
            behind_plan = behind_plan or is_plan
            if behind_plan and not is_plan:
                held[candidate] = None
    return list(held)


def _blended(prices: PriceTable, candidate: Candidate) -> float | None:
    """USD per million tokens of a request with three tokens in for each one out."""
    price = prices.find(candidate.model, candidate.upstream)
    if price is None or price.input is None or price.output is None:
        return None
    return (3 * price.input + price.output) / 4
