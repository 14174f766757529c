"""Whether the keyring can be used, when the configuration names it."""

from importlib import import_module

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """The backend that is chosen, and whether it hides anything. No entry is read: that may ask for a password."""
    from llm_router.doctor.references import named_secrets
    from llm_router.secrets.references import Store

    if context.loaded is None:
        return None
    named = [(at, held) for at, held in named_secrets(context.loaded.settings) if held.store is Store.KEYRING]
    problem = _problem(context) if named else ""
    if not problem:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The keyring cannot be used",
        problem,
        evidence=shown([f"{at}: {held}" for at, held in named]),
        fix="router secret set NAME, and name it `file:keys/NAME.key` in the configuration",
        unharmed="Accounts whose keys are in files or variables answer",
    )


def _problem(context: Context) -> str:
    chosen = context.environ.get("PYTHON_KEYRING_BACKEND", "")
    if chosen:
        module, _, name = chosen.rpartition(".")
        try:
            getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            return f"PYTHON_KEYRING_BACKEND names `{chosen}`, which cannot be loaded"
        return "PYTHON_KEYRING_BACKEND chooses no keyring at all" if module.endswith((".fail", ".null")) else ""
    import keyring
    from keyring.backends import fail, null

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring | null.Keyring):
        return "this machine has no keyring that llm-router could ask"
    return ""


CHECK = Check(
    "secrets.keyring", "the keyring's backend", examine, depends_on=("config.missing", "config.invalid"), limit=8.0
)
