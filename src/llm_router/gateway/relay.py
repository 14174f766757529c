"""The one loop: a client's request walks the candidates until one answers, and never after the first byte of output."""

import asyncio
import random
import time
from functools import lru_cache

from llm_router.gateway import headers as filters
from llm_router.gateway import verdicts
from llm_router.gateway.caller import Caller
from llm_router.gateway.calls import Opened
from llm_router.gateway.delivery import Delivery
from llm_router.gateway.exchange import ClientGone
from llm_router.gateway.guard import Guard
from llm_router.gateway.hops import Hops
from llm_router.gateway.recorder import Fields, Recorder
from llm_router.gateway.retries import RetryBudget, pause
from llm_router.gateway.run import Run
from llm_router.gateway.selector import Options, Selector, Way
from llm_router.gateway.story import CLIENT_LEFT
from llm_router.gateway.verdicts import Verdict
from llm_router.routing.health import Availability
from llm_router.routing.outcome import Outcome, may_rotate
from llm_router.routing.plan import Candidate, Lane
from llm_router.wire.errors import Failure


class Relay:
    """Answers requests from upstreams. One for the life of the process."""

    def __init__(self, caller: Caller, hops: Hops, guard: Guard, selector: Selector, recorder: Recorder) -> None:
        self._caller = caller
        self._hops = hops
        self._guard = guard
        self._selector = selector
        self._recorder = recorder
        self._retries = RetryBudget()

    async def serve(self, run: Run) -> None:
        """Answer one request, and write it down. Raises AnswerCut."""
        story = run.story
        try:
            async with run.exchange.until_client_leaves():
                admitted = await self._guard.admit(run.exchange, story, run.asked, run.call)
                if admitted is None:
                    return
                run.admitted = admitted
                try:
                    await self._answer(run)
                finally:
                    if not admitted.finished:
                        await self._guard.finish(admitted, story)
        except ClientGone:
            self._recorder.conclude(story, CLIENT_LEFT, None, "CANCELED")
        finally:
            # Whatever went wrong: each request has its row.
            if not story.concluded:
                self._recorder.conclude(story, 500, None, "INTERNAL")
            self._hops.forget(story.request_id)
            if run.kept is not None:
                run.keep(None)

    async def _answer(self, run: Run) -> None:
        self._retries.earn()
        plan = run.snapshot.plan
        clock = asyncio.get_running_loop().time
        deadline = clock() + plan.gateway.timeouts.first_byte
        for tries in range(plan.policy.retries + 1):
            options = await self._options(run)
            for way in options.ways:
                is_open = way.availability is Availability.OPEN or await self._selector.claim(plan, way, run.story)
                if is_open and await self._try(run, way, options):
                    return
            seconds = pause(tries, random.random())  # noqa: S311 - jitter
            last = tries == plan.policy.retries or clock() + seconds > deadline
            if last or not run.is_worth_retry() or not self._retries.spend():
                break
            await asyncio.sleep(seconds)
        await self._give_up(run, options)

    async def _options(self, run: Run) -> Options:
        plan, story = run.snapshot.plan, run.story
        key = run.asked.key
        allows = key.allows_provider if key.providers else None
        return await self._selector.options(
            plan, story.wire, story.model, story.session, translate=run.translate, allows=allows
        )

    async def _try(self, run: Run, way: Way, options: Options) -> bool:
        """Ask one candidate; True when the client has its answer."""
        story, candidate = run.story, way.candidate
        upstream = run.snapshot.plan.upstreams[candidate.upstream]
        self._recorder.begin(story, candidate.upstream)
        if run.last is not None or not options.is_all_open:
            self._announce_move(run, way, options)
        story.candidate, story.lane, story.billing, story.kind = candidate, way.lane, upstream.billing, upstream.kind
        story.base_url = upstream.base_url
        _describe(run, way)
        began = time.perf_counter()
        try:
            opened = await self._caller.open(run, way, options.binding)
        except asyncio.CancelledError:
            if way.availability is Availability.PROBE:
                await self._selector.abandoned(candidate)
            raise
        if isinstance(opened, Verdict):
            await self._note(run, way, opened, time.perf_counter() - began)
            return False
        return await self._judge(run, way, options, opened, time.perf_counter() - began)

    async def _judge(self, run: Run, way: Way, options: Options, opened: Opened, seconds: float) -> bool:
        """Send a good answer on, or note why it is none."""
        if opened.status < 400 and not opened.error:
            await self._deliver(run, way, options, opened, seconds)
            return True
        verdict = self._caller.read(run, way, opened)
        # Behind LiteLLM the words are LiteLLM's, and a refused key is nothing that a client may see as its own.
        is_its_own = way.lane is Lane.DIRECT and opened.status == verdict.failure.status
        if may_rotate(verdict.outcome):
            run.keep(opened if is_its_own else None)
            if not is_its_own:
                opened.close()
            await self._note(run, way, verdict, seconds)
            return False
        run.story.tried(way.candidate, verdict.outcome, verdict.reason, verdict.status, seconds)
        if way.availability is Availability.PROBE:
            await self._selector.abandoned(way.candidate)
        await self._refuse(run, opened if is_its_own else None, verdict)
        opened.close()
        return True

    async def _deliver(self, run: Run, way: Way, options: Options, opened: Opened, seconds: float) -> None:
        story, candidate, plan = run.story, way.candidate, run.snapshot.plan
        story.first_byte = time.perf_counter()
        story.tried(candidate, Outcome.SUCCESS, "", opened.status, seconds)
        # A stream has succeeded when it has ended; only a probe opens the account to others as soon as it is answered.
        is_early = opened.whole or way.availability is Availability.PROBE
        if is_early:
            await self._selector.succeeded(candidate, story, seconds)
        if len(options.choices) > 1 or options.binding.candidate is not None:
            await self._selector.bind(plan, story.session, candidate, options)
        await Delivery(run, self._recorder, self._hops, self._guard).send(opened)
        if story.outcome is Outcome.OUTAGE:
            await self._selector.failed(plan, candidate, story, Outcome.OUTAGE, None, code=story.code)
        elif not is_early:
            await self._selector.succeeded(candidate, story, seconds)

    async def _refuse(self, run: Run, opened: Opened | None, verdict: Verdict) -> None:
        """Give a caller's own fault back, in the upstream's words where the client reads its format."""
        code = verdicts.ledger_code(verdict.failure)
        if opened is not None:
            self._recorder.conclude(run.story, opened.status, verdict.outcome, code)
            await self._recorder.written()
            await _pass_on(run, opened)
            return
        self._recorder.conclude(run.story, verdict.failure.status_for(run.call.wire), verdict.outcome, code)
        await self._recorder.written()
        await run.exchange.fail(verdict.failure)

    async def _note(self, run: Run, way: Way, verdict: Verdict, seconds: float) -> None:
        """Remember how a candidate failed, here and in its health."""
        is_first = way.candidate not in run.failed
        run.failed[way.candidate] = verdict
        run.last = way
        run.story.tried(way.candidate, verdict.outcome, verdict.reason, verdict.status, seconds)
        if verdict.counts and is_first:  # a request is one failure, however often it was tried
            plan = run.snapshot.plan
            code = verdicts.ledger_code(verdict.failure)
            await self._selector.failed(plan, way.candidate, run.story, verdict.outcome, verdict.wait, code=code)
        elif way.availability is Availability.PROBE:
            await self._selector.abandoned(way.candidate)

    async def _give_up(self, run: Run, options: Options) -> None:
        outcome = next(iter(run.failed.values())).outcome if run.failed else None
        if run.kept is not None and options.is_single:
            kept, run.kept = run.kept, None
            code = verdicts.ledger_code(run.failed[options.choices[0].candidate].failure)
            self._recorder.conclude(run.story, kept.status, outcome, code)
            await self._recorder.written()
            await _pass_on(run, kept)
            return
        failure = await self._final_failure(run, options)
        code = verdicts.ledger_code(failure)
        self._recorder.conclude(run.story, failure.status_for(run.call.wire), outcome, code)
        await self._recorder.written()
        await run.exchange.fail(failure)

    async def _final_failure(self, run: Run, options: Options) -> Failure:
        if options.out_of_scope and not options.choices:
            return verdicts.out_of_scope(run.story.model)
        if options.laneless and not options.choices:
            return verdicts.no_lane(options.laneless[0], run.call.wire)
        choices = (await self._options(run)).choices
        return verdicts.final(run.failed, choices, alone=options.is_single)

    def _announce_move(self, run: Run, way: Way, options: Options) -> None:
        """Tell the audit trail when a request goes elsewhere than it would have gone."""
        if run.last is not None:
            probed = run.last.availability is Availability.PROBE
            origin: Candidate | None = run.last.candidate
            reason = "half_open_probe_failed" if probed else "primary_unavailable"
        else:
            origin, reason = options.skipped_primary(run.snapshot.plan.candidates(run.story.model)), "primary_degraded"
        if origin is not None and origin != way.candidate:
            fields: Fields = {"from": str(origin), "to": str(way.candidate), "reason": reason}
            self._recorder.event(
                "ai_provider_failover", run.story, result="failover", provider=way.candidate.upstream, fields=fields
            )


async def _pass_on(run: Run, opened: Opened) -> None:
    """Return an upstream's own error answer as it is."""
    try:
        headers = [*filters.for_client(opened.reply.headers), ("content-length", str(len(opened.head)))]
        await run.exchange.start(opened.status, headers)
        await run.exchange.finish(opened.head)
    finally:
        opened.close()


def _describe(run: Run, way: Way) -> None:
    told = _told_of(way.candidate.upstream, way.candidate.model, way.lane)
    run.exchange.extra_headers = [*run.headers, *told, ("x-router-attempts", str(len(run.story.attempts) + 1))]


@lru_cache(maxsize=1024)
def _told_of(upstream: str, model: str, lane: Lane) -> tuple[tuple[str, str], ...]:
    return (
        ("x-router-account", filters.shown(upstream)),
        ("x-router-model", filters.shown(model)),
        ("x-router-lane", lane.value),
    )
