"""An answer on its way to its client: what is passed on, and when its row is written."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.answers import JSON, Books, RememberingClient, WrittenReply, run_of
from support.stage import BEGUN, ENDED

from llm_router.gateway.calls import Opened
from llm_router.gateway.delivery import AnswerCut, Delivery
from llm_router.gateway.guard import Guard
from llm_router.gateway.hops import Hops
from llm_router.gateway.run import Run
from llm_router.gateway.upstream import Reason, UpstreamFailure
from llm_router.providers.endpoints import Operation
from llm_router.routing.plan import Wire
from llm_router.state.memory import MemoryStore
from llm_router.wire.usage import Source, Usage

GENERATING = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)
CUT = UpstreamFailure(Reason.BROKEN, "reset")
SOFT = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
WHOLE = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}'


class Scene:
    """A delivery over real books; `client.seen` holds the number of rows at each message."""

    def __init__(self, folder: Path) -> None:
        self.books = Books(folder)
        self.client = RememberingClient(look=lambda: len(self.books.rows()))
        self.hops = Hops()

    async def deliver(self, run: Run, opened: Opened) -> None:
        guard = Guard(MemoryStore(), self.books.recorder)
        await Delivery(run, self.books.recorder, self.hops, guard).send(opened)

    async def stream(self, *chunks: object, wire: Wire = Wire.CHAT) -> Run:
        """Deliver a stream whose first chunk has been held."""
        run = run_of(self.client, wire)
        head, *rest = chunks
        await self.deliver(run, Opened(WrittenReply(rest), head, whole=False))  # type: ignore[arg-type]
        return run

    def rows_at(self, text: bytes) -> int:
        """How many rows there were when the client got `text`."""
        at = next(at for at, message in enumerate(self.client.messages) if text in message.get("body", b""))
        return int(str(self.client.seen[at]))

    @property
    def row(self) -> dict[str, object]:
        (row,) = self.books.rows()
        return row


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    held = Scene(tmp_path)
    yield held
    held.books.ledger.close()


@pytest.mark.parametrize("wire", GENERATING)
async def test_the_row_of_a_stream_is_there_before_its_last_event(scene: Scene, wire: Wire):
    """Whoever reads the end of an answer finds its row."""
    await scene.stream(BEGUN[wire], ENDED[wire], wire=wire)

    assert scene.client.body == BEGUN[wire] + ENDED[wire]
    assert (scene.rows_at(BEGUN[wire]), scene.rows_at(ENDED[wire])) == (0, 1)
    assert (scene.row["outcome"], scene.row["bytes_out"]) == ("success", len(scene.client.body))


async def test_the_row_of_a_whole_answer_is_there_before_its_head(scene: Scene):
    """Even the status line comes after it."""
    run = run_of(scene.client)
    reply = WrittenReply([], headers=list(JSON))
    await scene.deliver(run, Opened(reply, WHOLE, whole=True))  # type: ignore[arg-type]

    assert scene.client.body == WHOLE
    assert scene.client.seen[0] == 1
    assert (scene.row["input"], scene.row["output"], scene.row["usage_source"]) == (3, 5, "reported")
    assert reply.closed == 1


async def test_usage_that_follows_the_soft_end_counts(scene: Scene):
    """OpenAI tells the tokens after the last words, and before the last line."""
    await scene.stream(BEGUN[Wire.CHAT], SOFT, USAGE, ENDED[Wire.CHAT])

    assert (scene.rows_at(SOFT), scene.rows_at(b"[DONE]")) == (0, 1)
    assert (scene.row["input"], scene.row["output"], scene.row["usage_source"]) == (3, 5, "reported")


async def test_a_soft_end_without_the_last_line(scene: Scene):
    """Some never send it: the answer is whole all the same, and its row is there before the connection's end."""
    await scene.stream(BEGUN[Wire.CHAT], SOFT)

    assert (scene.client.messages[-1]["more_body"], scene.client.seen[-1]) == (False, 1)
    assert (scene.row["outcome"], scene.row["usage_source"], scene.row["input"]) == ("success", "estimated", 7)


@pytest.mark.parametrize("wire", GENERATING)
@pytest.mark.parametrize("end", [(CUT,), (b'data: {"half', CUT), (b'data: {"half',), ()])
async def test_a_broken_stream(scene: Scene, wire: Wire, end: tuple[object, ...]):
    """An outage with its code and an error event; what came out is counted, half an event is not passed on."""
    run = await scene.stream(BEGUN[wire], *end, wire=wire)

    assert b"half" not in scene.client.body
    assert (scene.row["outcome"], scene.row["code"], scene.row["status"]) == ("outage", "LLM_API_ERROR", 200)
    assert (scene.row["usage_source"], run.story.usage) == ("estimated", Usage(7, output=1, source=Source.ESTIMATED))
    assert scene.client.seen[-1] == 1
    assert b"The upstream broke off" in scene.client.messages[-1]["body"]


async def test_a_stream_that_says_itself_that_it_failed(scene: Scene):
    """Its own words are passed on, and none are added."""
    error = b'data: {"error":{"message":"overloaded"}}\n\n'
    await scene.stream(BEGUN[Wire.CHAT], error)

    assert scene.client.body == BEGUN[Wire.CHAT] + error
    assert (scene.row["outcome"], scene.row["code"]) == ("outage", "LLM_API_ERROR")


async def test_a_client_that_leaves(scene: Scene):
    """What came out until then was used; the row is written by whoever sees the client go."""
    waiting = asyncio.Event()

    async def never() -> bytes:
        waiting.set()
        return await asyncio.get_running_loop().create_future()

    run = run_of(scene.client)
    reply = WrittenReply([never])
    opened = Opened(reply, BEGUN[Wire.CHAT], whole=False)  # type: ignore[arg-type]
    task = asyncio.create_task(scene.deliver(run, opened), name="delivery")
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (run.story.usage, scene.books.rows(), reply.closed) == (
        Usage(7, output=1, source=Source.ESTIMATED),
        [],
        1,
    )


async def test_what_the_upstream_behind_litellm_reported_counts(scene: Scene):
    """LiteLLM's own numbers are a translation."""
    run = run_of(scene.client, Wire.MESSAGES)
    scene.hops.begin(run.story.request_id)
    scene.hops.of(run.story.request_id).usage = Usage(input=11, cached=4, output=2)
    opened = Opened(WrittenReply([]), BEGUN[Wire.MESSAGES] + ENDED[Wire.MESSAGES], whole=False)  # type: ignore[arg-type]
    await scene.deliver(run, opened)

    assert (scene.row["input"], scene.row["cached"], scene.row["output"]) == (11, 4, 2)


async def test_bytes_without_a_known_end(scene: Scene):
    """What is no stream of events is passed as it comes; only a cut tells that it broke off."""
    run = run_of(scene.client, Wire.EMBEDDINGS)
    await scene.deliver(run, Opened(WrittenReply([b"b"], headers=list(JSON)), b"a", whole=False))  # type: ignore[arg-type]
    assert (scene.client.body, scene.row["outcome"], scene.client.seen[-1]) == (b"ab", "success", 1)

    run = run_of(scene.client, Wire.EMBEDDINGS)
    with pytest.raises(AnswerCut):
        await scene.deliver(run, Opened(WrittenReply([CUT], headers=list(JSON)), b"a", whole=False))  # type: ignore[arg-type]
    assert [row["outcome"] for row in scene.books.rows()] == ["success", "outage"]


async def test_counting_tokens_uses_none(scene: Scene):
    """Only generation has usage."""
    run = run_of(scene.client, Wire.MESSAGES, Operation.COUNT_TOKENS)
    opened = Opened(WrittenReply([], headers=list(JSON)), b'{"input_tokens":3}', whole=True)  # type: ignore[arg-type]
    await scene.deliver(run, opened)

    assert (scene.row["usage_source"], scene.row["outcome"]) == (None, "success")
