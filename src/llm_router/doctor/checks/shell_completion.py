"""Whether the shell completes `router`'s commands, where that was asked for."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

PLACES = {
    "bash": ((".bash_completions", "router.sh"), ".bashrc"),
    "zsh": ((".zfunc", "_router"), ".zshrc"),
}


def examine(context: Context) -> Finding | None:
    """Installed, and no longer named in the shell's own start file. Who never installed it is not told."""
    shell = context.environ.get("SHELL", "").rpartition("/")[2]
    if shell not in PLACES:
        return None
    place, start = PLACES[shell]
    script = context.person.joinpath(*place)
    try:
        text = (context.person / start).read_text("utf-8", "replace") if script.exists() else script.name
    except OSError:
        text = ""
    if place[0] in text or not script.exists():
        return None
    return Finding(
        CHECK.code,
        Severity.INFO,
        "The shell does not complete `router`",
        f"`{script}` is there, and `~/{start}` does not name it",
        fix="router --install-completion",
    )


CHECK = Check("shell.completion", "the shell's completion", examine)
