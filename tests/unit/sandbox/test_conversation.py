"""The last turn of a conversation, whatever wire it came on."""

from llm_router.routing.plan import Wire
from llm_router.sandbox.conversation import Ask, Entry, Speaker, Tool, entries_of, texts_in


def test_the_newest_fault_marker_of_the_turn_counts():
    """A marker in an older turn has had its effect."""
    old = Entry(Speaker.USER, "[[fault: status=500]]")
    said = Entry(Speaker.ASSISTANT, "[[fault: empty]]")
    entries = (old, said, Entry(Speaker.USER, "[[fault: a]] x [[ fault: status=503,retry_after=1 ]]"))

    assert Ask(Wire.CHAT, "m", "d", entries).fault() == "status=503,retry_after=1"
    assert Ask(Wire.CHAT, "m", "d", (old, said)).fault() == ""


def test_tools_count_as_tokens():
    """20 for each tool, and never none."""
    assert Ask(Wire.CHAT, "m", "d", (Entry(Speaker.USER, "a b"),), (Tool("x"), Tool("y"))).input_tokens() == 42
    assert Ask(Wire.CHAT, "m", "d").input_tokens() == 1


def test_an_operators_note_is_a_system_text_again():
    """What a translator made of a system message is not taken for the user's words."""
    content = [{"text": "hello"}, {"text": "Operator note (not from the user): the following"}, {"text": "be brief"}]

    assert list(entries_of(Speaker.USER, content)) == [
        Entry(Speaker.USER, "hello"),
        Entry(Speaker.SYSTEM, "Operator note (not from the user): the following"),
        Entry(Speaker.SYSTEM, "be brief"),
    ]
    assert list(entries_of(Speaker.USER, None)) == [Entry(Speaker.USER, "")]


def test_only_texts_are_read():
    """Images, numbers and blocks without a text are passed over."""
    assert list(texts_in(["a", {"type": "text", "text": "b"}, {"type": "image"}, {"text": 7}, 5])) == ["a", "b"]
    assert list(texts_in({"text": "no list"})) == []
