"""References name a secret; nothing else may stand where one is wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.secrets.references import BadReference, Reference, Store

NEVER_HERE = (
    "a key is never written here itself; name it as `sealed:NAME`, `env:NAME`, `file:PATH` or `keyring:SERVICE/ENTRY`"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("env:OPENAI_API_KEY", Reference(Store.ENV, "OPENAI_API_KEY")),
        ("file:keys/local.key", Reference(Store.FILE, "keys/local.key")),
        ("file:~/a b.key", Reference(Store.FILE, "~/a b.key")),
        ("sealed:openai", Reference(Store.SEALED, "openai")),
        ("keyring:llm-router/team/openai", Reference(Store.KEYRING, "llm-router/team/openai")),
    ],
)
def test_parse(text, wanted):
    """Each form is read, and is written back as it was."""
    assert wanted == Reference.parse(text)
    assert text == str(Reference.parse(text))


def test_service_and_entry():
    """The first slash parts a keyring's service from its entry."""
    assert Reference.parse("keyring:llm-router/team/openai").keyring_parts() == ("llm-router", "team/openai")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sk-canary",
            NEVER_HERE,
        ),
        (
            "",
            NEVER_HERE,
        ),
        ("env:1A", "`env:` wants the name of an environment variable, as in `env:OPENAI_API_KEY`"),
        ("env:", "`env:` wants the name of an environment variable, as in `env:OPENAI_API_KEY`"),
        ("file: ", "`file:` wants a path, as in `file:keys/openai.key`"),
        ("keyring:service", "`keyring:` wants a service and an entry, as in `keyring:llm-router/openai`"),
        ("sealed:a/b", "`sealed:` wants the name of a sealed key, as in `sealed:openai`"),
        ("sealed:", "`sealed:` wants the name of a sealed key, as in `sealed:openai`"),
        ("keyring:/entry", "`keyring:` wants a service and an entry, as in `keyring:llm-router/openai`"),
    ],
)
def test_refused(text, message):
    """What is no reference is refused with the form that is wanted."""
    with pytest.raises(BadReference) as caught:
        Reference.parse(text)

    assert message == caught.value.message


@given(st.text("0123456789", min_size=12))
def test_refusal_never_repeats_what_was_written(text):
    """What stands there may be a key, so no error shows it."""
    with pytest.raises(BadReference) as caught:
        Reference.parse(f"sk-{text}")

    assert text not in str(caught.value.as_json())
