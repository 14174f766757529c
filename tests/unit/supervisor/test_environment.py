"""What children see."""

from llm_router.supervisor.environment import allowed, named_variables


def test_only_the_list_and_what_is_named() -> None:
    """Everything else, keys above all, stays with the supervisor."""
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "https_proxy": "p",
        "OPENAI_API_KEY": "k",
        "NAMED": "n",
        "PYTHONPATH": "x",
    }
    assert allowed(environ, ["NAMED", "UNSET"]) == {"PATH": "/bin", "LC_ALL": "C", "https_proxy": "p", "NAMED": "n"}


def test_references_that_name_a_variable() -> None:
    """Only `env:` does."""
    assert named_variables(["env:A", "file:keys/x.key", "", "keyring:a/b", "env:B"]) == {"A", "B"}
