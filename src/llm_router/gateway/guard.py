"""A client key's limits around one request: the cap clamped, the place taken, and what it used given back."""

from dataclasses import dataclass, replace

from llm_router.gateway.calls import Call
from llm_router.gateway.exchange import Exchange
from llm_router.gateway.recorder import Fields, Recorder
from llm_router.gateway.story import Story
from llm_router.providers.endpoints import Operation
from llm_router.routing.limits import Ask, KeyLimits, Refused, clamped_header, output_cap, tokens_to_reserve
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Wire
from llm_router.secrets.client_keys import ClientKey
from llm_router.state.port import Admitted, StateStore
from llm_router.wire.facts import LimitFacts, clamp_output_cap
from llm_router.wire.multiples import choices_of, fit_thinking


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Asked:
    """A request as limits see it."""

    key: ClientKey
    facts: LimitFacts


class Guard:
    """One for the life of the process."""

    def __init__(self, store: StateStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder

    async def admit(self, exchange: Exchange, story: Story, asked: Asked, call: Call) -> Admitted | None:
        """Take a place, waiting for one if the key says so; None when the client has been refused."""
        limits = asked.key.limits
        waiting = False

        def on_wait(position: int) -> None:
            nonlocal waiting
            waiting = True
            fields: Fields = {"sessionKey": story.session, "queuePosition": position}
            self._recorder.event("ai_session_queue_enqueued", story, result="queued", fields=fields)

        result = await self._store.admit(_ask(story, asked, call, limits), on_wait)
        if isinstance(result, Refused):
            failure = result.failure(story.wire, self._recorder.now())
            self._recorder.conclude(story, failure.status_for(story.wire), None, result.code)
            await self._recorder.written()
            await exchange.fail(failure)
            return None
        story.queued = result.waited
        if waiting:
            fields: Fields = {"sessionKey": story.session, "queueRemaining": result.left_waiting}
            self._recorder.event("ai_session_queue_dequeued", story, result="started", fields=fields)
        return result

    async def finish(self, admitted: Admitted, story: Story) -> None:
        """Give the place back, once; tokens are charged as they were reported: on success, and when it was the client
        that left in the middle of a stream. Who hangs up before the end has read what came until then.
        """
        if admitted.finished:
            return
        has_left = story.outcome is None and story.first_byte is not None
        usage = story.usage if story.outcome is Outcome.SUCCESS or has_left else None
        await self._store.finish(admitted, usage.input + usage.output if usage is not None else 0)


def clamp(call: Call, limits: KeyLimits, facts: LimitFacts) -> tuple[Call, list[tuple[str, str]]]:
    """The call with its output capped, and the header that says so."""
    if call.operation is not Operation.GENERATE:
        return call, []
    if not limits.output_cap:
        return call, []
    cap = _cap_of_each(choices_of(call.body, call.wire), limits, facts)
    if cap is None:
        return call, []
    body = clamp_output_cap(call.body, facts, cap)
    if body is call.body:
        return call, []
    if call.wire is Wire.MESSAGES:
        body = fit_thinking(body, call.wire, cap)
    return call.with_body(body), [clamped_header(facts.cap_member or "output", facts.cap, cap)]


def _cap_of_each(choices: int, limits: KeyLimits, facts: LimitFacts) -> int | None:
    """The cap to write into a request: the answers that it asks for share the key's; None when it may stay as it is."""
    if not limits.output_cap or choices <= 1:
        return output_cap(limits, facts.cap)
    return output_cap(replace(limits, output_cap=max(1, limits.output_cap // choices)), facts.cap)


def _ask(story: Story, asked: Asked, call: Call, limits: KeyLimits) -> Ask:
    if call.operation is not Operation.GENERATE:
        return Ask(asked.key.name, story.session, limits)
    facts = asked.facts
    if call.wire is Wire.EMBEDDINGS:
        return Ask(asked.key.name, story.session, limits, facts.messages, facts.prompt_tokens)
    choices = choices_of(call.body, call.wire)
    cap = _cap_of_each(choices, limits, facts)
    of_each = tokens_to_reserve(0, facts.cap if cap is None else cap)
    tokens = facts.prompt_tokens + of_each * choices
    return Ask(asked.key.name, story.session, limits, facts.messages, tokens)
