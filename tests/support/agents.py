"""Coding agents from npm, each run once with a home of its own and told about nothing but one router."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CLIENTS = Path(__file__).parents[1] / "clients"
PROGRAMS = CLIENTS / "node_modules" / ".bin"
LONGEST_TURN = 90.0  # seconds

CODEX_CONFIG = """\
model = "{model}"
model_provider = "router"
check_for_update_on_startup = false
web_search = "disabled"

[model_providers.router]
name = "router"
base_url = "{base_url}/v1"
env_key = "ROUTER_CLIENT_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[features]
plugins = false

[analytics]
enabled = false
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The router as an agent sees it; `prefix` puts the agent into the router's network."""

    base_url: str
    key: str
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentRun:
    """What an agent did: its last words, the commands it ran with their output, and how it ended."""

    text: str
    commands: tuple[str, ...]
    outputs: tuple[str, ...]
    exit_code: int
    transcript: str


class Agent(Protocol):
    """One agent program."""

    name: str
    shell_tool: str
    shell_argument: str

    def run(self, prompt: str, *, model: str, endpoint: Endpoint, folder: Path) -> AgentRun:
        """One turn in `folder/work`, with its own home in `folder/home`."""


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """What a program needs to run at all, with `home` as its home, and `more`."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **more}


def folders(folder: Path) -> tuple[Path, Path]:
    """The agent's home and its working folder, made when missing."""
    home, work = folder / "home", folder / "work"
    home.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    return home, work


def execute(command: list[str], *, environment: Mapping[str, str], work: Path) -> subprocess.CompletedProcess[str]:
    """Run an agent to its end with nothing on its stdin."""
    return subprocess.run(
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_TURN,
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """The lines that are JSON objects; agents mix others in."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class Codex:
    """`codex exec`: speaks `/v1/responses`, always streamed."""

    name = "codex"
    shell_tool = "exec_command"
    shell_argument = "cmd"

    def run(self, prompt: str, *, model: str, endpoint: Endpoint, folder: Path) -> AgentRun:
        """One turn; the key travels in the environment, as `env_key` names it."""
        home, work = folders(folder)
        (home / "config.toml").write_text(CODEX_CONFIG.format(model=model, base_url=endpoint.base_url))
        options = ["--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox"]
        done = execute(
            [*endpoint.prefix, str(PROGRAMS / "codex"), "exec", *options, prompt],
            environment=clean_environment(home, CODEX_HOME=str(home), ROUTER_CLIENT_KEY=endpoint.key),
            work=work,
        )
        items = [event["item"] for event in json_lines(done.stdout) if event.get("type") == "item.completed"]
        texts = [item["text"] for item in items if item["type"] == "agent_message"]
        ran = [item for item in items if item["type"] == "command_execution"]
        return AgentRun(
            text=texts[-1] if texts else "",
            # It shows the command as its shell was started: `/bin/bash -lc "…"`.
            commands=tuple(shlex.split(item["command"])[-1] for item in ran),
            outputs=tuple(item["aggregated_output"] for item in ran),
            exit_code=done.returncode,
            transcript=done.stdout + done.stderr,
        )


class ClaudeCode:
    """`claude -p`: speaks `/v1/messages`, always streamed."""

    name = "claude"
    shell_tool = "Bash"
    shell_argument = "command"

    def run(self, prompt: str, *, model: str, endpoint: Endpoint, folder: Path) -> AgentRun:
        """One turn with every model name of the agent pointed at `model`."""
        home, work = folders(folder)
        options = ["--output-format", "stream-json", "--verbose", "--permission-mode", "bypassPermissions"]
        done = execute(
            [*endpoint.prefix, str(PROGRAMS / "claude"), "-p", *options, prompt],
            environment=clean_environment(home, **self.settings(model, endpoint, home)),
            work=work,
        )
        events = json_lines(done.stdout)
        blocks = [block for event in events for block in content_blocks(event)]
        results = [event for event in events if event.get("type") == "result"]
        shell = [block for block in blocks if block.get("type") == "tool_use" and block["name"] == self.shell_tool]
        return AgentRun(
            text=results[-1].get("result", "") if results and not results[-1]["is_error"] else "",
            commands=tuple(block["input"][self.shell_argument] for block in shell),
            outputs=tuple(output_text(block) for block in blocks if block.get("type") == "tool_result"),
            exit_code=done.returncode,
            transcript=done.stdout + done.stderr,
        )

    @staticmethod
    def settings(model: str, endpoint: Endpoint, home: Path) -> dict[str, str]:
        """The environment that makes it ask the router, and nobody else."""
        names = ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL")
        more = ("ANTHROPIC_DEFAULT_OPUS_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL")
        quiet = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING")
        return {
            **dict.fromkeys((*names, *more), model),
            **dict.fromkeys((*quiet, "DISABLE_AUTOUPDATER", "IS_SANDBOX"), "1"),
            "ANTHROPIC_BASE_URL": endpoint.base_url,
            "ANTHROPIC_AUTH_TOKEN": endpoint.key,
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "CLAUDE_CONFIG_DIR": str(home),
        }


def content_blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The content blocks of a message event, none of any other."""
    content = event.get("message", {}).get("content", [])
    return [block for block in content if isinstance(block, dict)]


def output_text(block: dict[str, Any]) -> str:
    """A tool result's text, whichever of its two shapes it has."""
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


AGENTS: tuple[Agent, ...] = (Codex(), ClaudeCode())
