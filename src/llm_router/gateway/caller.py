"""Asking one candidate, straight or through LiteLLM, and reading what its refusal means."""

import asyncio
from dataclasses import replace

from llm_router.gateway import verdicts
from llm_router.gateway.affinity import Binding
from llm_router.gateway.calls import Call, NotUsable, Opened, open_direct, open_translated
from llm_router.gateway.hops import Hops
from llm_router.gateway.recorder import Fields, Recorder
from llm_router.gateway.run import Run
from llm_router.gateway.selector import Way
from llm_router.gateway.state import GatewayState, Snapshot, Translator
from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure
from llm_router.gateway.verdicts import Verdict
from llm_router.routing.plan import Lane, deployment_name
from llm_router.routing.readings import read_failure, read_stream_error
from llm_router.wire.body import replace_model
from llm_router.wire.reasoning import drop_reasoning

# A translator that is gone is replaced; any other failure of its would come again.
_WORTH_WAITING = frozenset({Reason.CONNECT, Reason.CONNECT_TIMEOUT, Reason.BROKEN})
_MOST_BROKEN = 3  # a request that brings down every translator it meets is given up on
_TRANSLATOR_PAUSE = 0.25  # seconds between two tries while a translator is replaced


class Caller:
    """One for the life of the process."""

    def __init__(self, state: GatewayState, client: UpstreamClient, hops: Hops, recorder: Recorder) -> None:
        self._state = state
        self._client = client
        self._hops = hops
        self._recorder = recorder

    async def open(self, run: Run, way: Way, binding: Binding) -> Opened | Verdict:
        """Ask a candidate; an answer that proved itself, or how it failed. `binding` is the session's."""
        call = run.call if binding.candidate is None else self._readable(run, way, binding)
        if way.lane is not Lane.DIRECT:
            return await self._open_translated(run, way, call)
        upstream = run.snapshot.plan.upstreams[way.candidate.upstream]
        body = replace_model(call.body, way.candidate.model)
        sent = call if body is call.body else call.with_body(body)
        try:
            return await open_direct(self._client, run.snapshot, upstream, sent)
        except NotUsable as error:
            return verdicts.of_unusable(str(error))
        except UpstreamFailure as error:
            return verdicts.of_network(upstream.name, error)

    def read(self, run: Run, way: Way, opened: Opened) -> Verdict:
        """What an error answer means; behind LiteLLM the upstream's own answer tells it, not LiteLLM's words."""
        if way.lane is not Lane.DIRECT and (hop := self._hops.of(run.story.request_id).verdict) is not None:
            return hop
        now = self._recorder.now()
        reading = read_stream_error(opened.head, now) if opened.error else None
        if reading is None:
            reading = read_failure(opened.status, dict(opened.reply.headers), opened.head, now)
        verdict = verdicts.of_reading(way.candidate.upstream, opened.status, reading)
        return verdict if way.lane is Lane.DIRECT else replace(verdict, counts=False)

    async def _open_translated(self, run: Run, way: Way, call: Call) -> Opened | Verdict:
        """Ask through LiteLLM, waiting for one that starts or is being replaced as long as the plan allows."""
        verdict = verdicts.of_unusable("The translator (LiteLLM) is not ready")
        clock = asyncio.get_running_loop().time
        deadline = clock() + run.snapshot.plan.gateway.timeouts.translator
        broken = 0
        while broken < _MOST_BROKEN:
            if (translator := self._state.translator) is not None:
                try:
                    return await self._send_translated(translator, way, call)
                except UpstreamFailure as error:
                    hop = self._hops.of(call.request_id).verdict
                    verdict = hop or verdicts.of_network("litellm", error, counts=False)
                    if error.reason not in _WORTH_WAITING or hop is not None:
                        break
                    broken += error.reason is Reason.BROKEN
            elif self._state.no_translator:
                verdict = verdicts.of_unusable(f"The translator (LiteLLM) does not run: {self._state.no_translator}")
                break
            left = deadline - clock()
            if left <= 0:
                break
            await self._state.changed(left if translator is None else min(left, _TRANSLATOR_PAUSE))
        return replace(verdict, retries=False)

    async def _send_translated(self, translator: Translator, way: Way, call: Call) -> Opened:
        trace = self._hops.begin(call.request_id)
        name = _translated_name(translator.snapshot, way, call)
        translator.take()
        try:
            sent = call.with_body(replace_model(call.body, name))
            opened = await open_translated(self._client, translator, sent, trace)
        except BaseException:
            translator.give_back()
            raise
        return opened.holding(translator.give_back).renaming(name, way.candidate.model)

    def _readable(self, run: Run, way: Way, binding: Binding) -> Call:
        """The call as another account than the session's own can read it: without that account's reasoning."""
        if not binding.is_foreign_to(way.candidate):
            return run.call
        body, dropped = drop_reasoning(run.call.body, run.call.wire)
        if not dropped:
            return run.call
        fields: Fields = {"from": str(binding.candidate), "to": str(way.candidate), "items": dropped}
        provider = way.candidate.upstream
        self._recorder.event("reasoning_dropped", run.story, result="dropped", provider=provider, fields=fields)
        return run.call.with_body(body)


def _translated_name(snapshot: Snapshot, way: Way, call: Call) -> str:
    if way.lane is Lane.RAW:
        return way.candidate.model
    upstream = snapshot.plan.upstreams.get(way.candidate.upstream)
    wire = (upstream.translation_wire() if upstream is not None else None) or call.wire
    return deployment_name(way.candidate, wire)
