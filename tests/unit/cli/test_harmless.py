"""What clients and upstreams write never commands the terminal of who reads it."""

import json

import pytest

from llm_router.cli.console import Console, harmless
from llm_router.cli.failures import show
from llm_router.errors import RouterError
from llm_router.wire.errors import read_error

EVIL = "a\x1b]52;c;ZXZpbA==\x07b\x9b2Jc\x7f\u202ed\re\tf\ng\x00"
SHOWN = "a?]52;c;ZXZpbA==?b?2Jc??d?e\tf\ng?"


def test_every_way_to_the_screen(capsys: pytest.CaptureFixture[str]):
    """Answers, talk, warnings and errors."""
    console = Console()
    console.result(EVIL)
    console.say(EVIL)
    console.warn(EVIL)
    show(RouterError(EVIL, hints=[EVIL]), [])
    seen = capsys.readouterr()

    assert seen.out == f"{SHOWN}\n"
    assert seen.err == f"{SHOWN}\nwarning: {SHOWN}\nerror: {SHOWN}\n\nhint: {SHOWN}\n"


def test_json_keeps_what_it_says(capsys: pytest.CaptureFixture[str]):
    """In JSON such characters are escaped, and nothing is lost."""
    Console().result_json({"text": EVIL, "é": "日"})
    text = capsys.readouterr().out

    assert json.loads(text) == {"schema": 1, "text": EVIL, "é": "日"}
    assert harmless(text) == text
    assert "日" in text


def test_a_translator_s_traceback_is_not_told():
    """LiteLLM writes one into its messages, with paths of this machine."""
    message = (
        'litellm.APIConnectionError: it broke\nTraceback (most recent call last):\n  File "/home/x/litellm/main.py"'
    )
    body = json.dumps({"error": {"message": message, "code": "500"}}).encode()

    assert read_error(body) == ("litellm.APIConnectionError: it broke", "500")
    assert read_error(json.dumps({"error": message}).encode()) == ("litellm.APIConnectionError: it broke", "")
