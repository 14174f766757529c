"""`router chat`: one question, or a conversation, through the router."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from llm_router.cli.console import harmless
from llm_router.cli.invocation import Invocation, of
from llm_router.errors import RouterError

if TYPE_CHECKING:
    from llm_router.control.conversation import Answer, Conversation

app = typer.Typer(rich_markup_mode=None)


class LaneChoice(StrEnum):
    """Which of the gateway's doors to use."""

    DIRECT = "direct"
    TRANSLATED = "translated"


@app.command(epilog="Examples: `router chat hello`, `git diff | router chat 'review this'`, `router chat -m claude-x`")
def chat(
    ctx: typer.Context,
    question: Annotated[list[str] | None, typer.Argument(help="The question; none starts a conversation.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="An alias or provider/model.")] = "router-default",
    lane: Annotated[LaneChoice, typer.Option(help="`translated` goes through LiteLLM.")] = LaneChoice.DIRECT,
    system: Annotated[str, typer.Option(help="A system text to begin with.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
) -> None:
    """Ask a question through the router; the answer is streamed, with its route, latency and tokens."""
    invocation = of(ctx)
    conversation = _open(invocation, model, lane, system)
    try:
        asked = _question(question)
        if asked is not None:
            _ask(invocation, conversation, model, asked, as_json=as_json)
        else:
            _converse(invocation, conversation, model)
    finally:
        conversation.close()


def _open(invocation: Invocation, model: str, lane: LaneChoice, system: str) -> "Conversation":
    from llm_router.control.conversation import Conversation, Turn
    from llm_router.control.endpoint import find_endpoint
    from llm_router.errors import UsageError
    from llm_router.secrets.keys import read_local_key

    endpoint = find_endpoint(invocation.home)
    url = endpoint.url if lane is LaneChoice.DIRECT else endpoint.translator_url
    if url is None:
        raise UsageError("The translator is off in this configuration", hints=["Set `litellm.enabled: true`"])
    conversation = Conversation(url, read_local_key(invocation.home), model)
    if system:
        conversation.add(Turn("system", system))
    return conversation


def _question(words: list[str] | None) -> str | None:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()
    text = "\n\n".join(part for part in (" ".join(words or []), piped) if part)
    if text or (sys.stdin is not None and sys.stdin.isatty()):
        return text or None
    from llm_router.errors import UsageError

    raise UsageError("There is no question", hints=["Run `router chat hello`"])


def _converse(invocation: Invocation, conversation: "Conversation", model: str) -> None:
    invocation.console.say("Ask away; Ctrl-D ends the conversation.")
    while True:
        try:
            asked = input("  you › ").strip()
        except EOFError:
            invocation.console.say("")
            return
        if asked:
            _ask(invocation, conversation, model, asked, as_json=False)


def _ask(invocation: Invocation, conversation: "Conversation", model: str, asked: str, *, as_json: bool) -> None:
    console = invocation.console
    with conversation.ask(asked) as (answer, pieces):
        if not as_json:
            shown = asked if len(asked) <= 24 else f"{asked[:23]}…"
            route = f"{model} → {answer.account}/{answer.model}"
            console.say(f"  you › {shown:<16} {route:<40} {answer.first_byte * 1000:.0f} ms")
        try:
            for piece in pieces:
                if not as_json:
                    # A file or a pipe gets what the model said, byte for byte; a terminal would obey some of it.
                    sys.stdout.write(harmless(piece) if console.is_terminal else piece)
                    sys.stdout.flush()
        except RouterError:
            sys.stdout.write("\n" if answer.text and not as_json else "")
            raise
    if as_json:
        console.result_json(answer.as_json())
        return
    sys.stdout.write("\n")
    sys.stdout.flush()
    console.say(f"  {_footer(answer)}")
    _note_fallback(invocation, model, answer)


def _note_fallback(invocation: Invocation, model: str, answer: "Answer") -> None:
    from llm_router.control.endpoint import find_endpoint

    candidates = [str(candidate) for candidate in find_endpoint(invocation.home).plan.candidates(model)]
    if answer.attempts > 1 and candidates and f"{answer.account}/{answer.model}" != candidates[0]:
        first = candidates[0]
        invocation.console.warn(f"`{first}` was to answer and did not; `router chat -m {first} hello` says why")


def _footer(answer: "Answer") -> str:
    tokens = answer.tokens
    used = (
        f"tokens: {tokens.get('prompt_tokens', '?')} in, {tokens.get('completion_tokens', '?')} out" if tokens else ""
    )
    parts = [f"{answer.lane} lane", f"{answer.total * 1000:.0f} ms in all", used]
    return " · ".join(part for part in parts if part)
