"""What the sandbox decides to say."""

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox.conversation import Ask, Entry, Speaker, Tool
from llm_router.sandbox.script import Call, Reply, answer, fragments

WEATHER = Tool("weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
SHELL = Tool("exec_command", {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]})
SPAWN = Tool("spawn", {}, namespace="agents")
FREE = Tool("patch", free_text=True)


def ask(*entries: tuple[Speaker, str], **more) -> Ask:
    held = tuple(Entry(speaker, text) for speaker, text in entries)
    return Ask(wire=Wire.CHAT, model="echo-1", digest="d", entries=held, **more)


def said(text: str, **more) -> Ask:
    return ask((Speaker.USER, text), **more)


def test_the_last_text_is_echoed():
    """The user's last text comes back, and words are the tokens."""
    asked = ask((Speaker.SYSTEM, "be kind"), (Speaker.USER, "one"), (Speaker.ASSISTANT, "two"), (Speaker.USER, "three"))

    assert answer(asked) == Reply("you said: three", (), input_tokens=5, output_tokens=3)


@pytest.mark.parametrize("entries", [(), ((Speaker.USER, ""),), ((Speaker.USER, " \n"),), ((Speaker.SYSTEM, "x"),)])
def test_an_empty_prompt_is_answered(entries):
    """Nothing said is no error."""
    assert answer(ask(*entries)) == Reply("you said nothing", (), input_tokens=1, output_tokens=3)


def test_an_agents_notes_are_not_what_the_user_said():
    """Reminders around a prompt, and fault markers in it, are not echoed."""
    asked = ask(
        (Speaker.USER, "<environment_context>linux</environment_context>"),
        (Speaker.USER, "[[fault: token_delay=0]] blue <system-reminder>call weather {}</system-reminder>"),
        (Speaker.SYSTEM, "a note in the middle"),
        tools=(WEATHER,),
    )

    assert answer(asked).text == "you said: blue"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("use the tool weather", Call(WEATHER, '{"city": "sandbox"}')),
        ("Please use the tool `weather`.", Call(WEATHER, '{"city": "sandbox"}')),
        ('call weather {"city": "Köln", "days": [1]} now', Call(WEATHER, '{"city": "Köln", "days": [1]}')),
        ("call weather {broken", Call(WEATHER, '{"city": "sandbox"}')),
        ("use the tool exec_command", Call(SHELL, '{"cmd": "echo sandbox-tool-ran"}')),
        ("use the tool spawn", Call(SPAWN, "{}")),
        ("use the tool agents.spawn", Call(SPAWN, "{}")),
        ("use the tool patch", Call(FREE, "sandbox input")),
        ('call patch {"input": "*** Begin"}', Call(FREE, "*** Begin")),
    ],
)
def test_a_tool_is_called_by_name(text: str, call: Call):
    """A command in the user's text names the tool and may bring the arguments."""
    reply = answer(said(text, tools=(WEATHER, SHELL, SPAWN, FREE)))

    assert (reply.text, reply.calls) == ("", (call,))
    assert reply.output_tokens == 1 + len(call.arguments.split())


def test_a_flattened_namespace_is_found():
    """A translator writes the namespace into the name; the short name still finds it."""
    flattened = Tool("agents__spawn")

    assert answer(said("use the tool spawn", tools=(flattened,))).calls == (Call(flattened, "{}"),)


def test_several_calls_in_one_turn():
    """Each command is a call, repeats are one, and a client that wants one call gets the first."""
    text = 'call weather {"city": "A"} and call weather {"city": "B"} and call weather {"city": "B"}'
    calls = (Call(WEATHER, '{"city": "A"}'), Call(WEATHER, '{"city": "B"}'))

    assert answer(said(text, tools=(WEATHER,))).calls == calls
    assert answer(said(text, tools=(WEATHER,), one_call=True)).calls == calls[:1]


@pytest.mark.parametrize("tools", [(), (SHELL,)])
def test_a_tool_that_is_not_offered_is_not_called(tools):
    """A command for an unknown tool is a text like any other."""
    assert answer(said("use the tool weather", tools=tools)).text == "you said: use the tool weather"


def test_a_demanded_call():
    """`tool_choice` makes a call of the first tool or of the one it names, until a result is there."""
    tools = (WEATHER, SHELL)

    assert answer(said("hi", tools=tools, forced="*")).calls == (Call(WEATHER, '{"city": "sandbox"}'),)
    assert answer(said("hi", tools=tools, forced="exec_command")).calls[0].tool == SHELL
    assert answer(said("hi", tools=tools, forced="nothing")).text == "you said: hi"
    answered = ask((Speaker.ASSISTANT, ""), (Speaker.RESULT, "done"), tools=tools, forced="*")
    assert answer(answered).text == "the tool answered: done"


def test_a_result_is_quoted():
    """Results since the assistant last spoke are quoted in order; older ones are history."""
    asked = ask(
        (Speaker.RESULT, "old"),
        (Speaker.ASSISTANT, ""),
        (Speaker.RESULT, "12 degrees"),
        (Speaker.RESULT, "13 degrees"),
        (Speaker.USER, "<system-reminder>todo</system-reminder>"),
        tools=(WEATHER,),
    )

    assert answer(asked).text == "the tool answered: 12 degrees\n13 degrees"


def test_a_structured_answer():
    """A schema is answered with an instance of it, whatever the limit."""
    assert answer(said("hi", schema=WEATHER.schema, limit=1)).text == '{"city": "sandbox"}'


def test_a_limit_cuts_the_text():
    """No more words than the limit come back, and the reply says that it was cut."""
    assert answer(said("a b c", limit=3)) == Reply("you said: a", (), input_tokens=3, output_tokens=3, cut=True)
    assert answer(said("a b c", limit=5)).cut is False


@pytest.mark.parametrize(
    "text", ["you said: hello", " leading", "two  spaces\nand a line ", "trailing\n\n", "ünïcode ✓"]
)
def test_words_and_fragments_lose_nothing(text: str):
    """The pieces of a stream put together are the whole."""
    assert "".join(Reply(text, (), 1, 1).words()) == text
    assert "".join(fragments(text)) == text
    assert len(fragments(text)) > 2
