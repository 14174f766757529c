"""Codex and Claude Code, as npm delivers them: a text turn and a turn with a real tool, over every upstream wire."""

import json
from itertools import product
from pathlib import Path

import pytest
from support.agents import AGENTS, Agent, Endpoint
from support.lab import WIRES, Lab
from support.namespace import Network

pytestmark = [pytest.mark.timeout(400)]

TURNS = [
    pytest.param(agent, upstream, id=f"{agent.name}-{upstream}", marks=pytest.mark.needs(agent.name))
    for agent, upstream in product(AGENTS, WIRES)
]


def endpoint(lab: Lab) -> Endpoint:
    """The gateway as an agent in the same network sees it."""
    return Endpoint(lab.product.base_url, lab.product.key, lab.network.prefix)


@pytest.mark.parametrize(("agent", "upstream"), TURNS)
def test_text_turn(lab: Lab, in_network: Network, tmp_path: Path, agent: Agent, upstream: str):
    """An agent's question is answered in text."""
    done = agent.run("name the colour blue", model=f"sandbox-{upstream}", endpoint=endpoint(lab), folder=tmp_path)

    assert (done.exit_code, done.text) == (0, "you said: name the colour blue"), done.transcript
    assert (done.commands, done.outputs) == ((), ())


@pytest.mark.parametrize(("agent", "upstream"), TURNS)
def test_tool_turn(lab: Lab, in_network: Network, tmp_path: Path, agent: Agent, upstream: str):
    """An agent runs the command that the model asks for, and the model gets to see what it printed."""
    script = "printf 'made by %s' an-agent > made.txt && cat made.txt"
    prompt = f"call {agent.shell_tool} {json.dumps({agent.shell_argument: script})}"
    done = agent.run(prompt, model=f"sandbox-{upstream}", endpoint=endpoint(lab), folder=tmp_path)

    assert done.exit_code == 0, done.transcript
    assert (tmp_path / "work" / "made.txt").read_text() == "made by an-agent"
    assert done.commands == (script,), done.transcript
    assert tuple(output.strip() for output in done.outputs) == ("made by an-agent",)
    assert done.text.startswith("the tool answered: "), done.text
    assert "made by an-agent" in done.text


def test_the_network_is_empty_where_the_machine_allows_it(lab: Lab, in_network: Network):
    """The agents' network is the machine's own only where no namespace is permitted; in one, only loopback is up."""
    theirs = lab.inside("readlink", "/proc/self/ns/net").strip()

    assert (Path(theirs) != Path("/proc/self/ns/net").readlink()) is in_network.is_empty
    if in_network.is_empty:
        interfaces = json.loads(lab.inside("ip", "-json", "address"))
        assert [interface["ifname"] for interface in interfaces if "UP" in interface["flags"]] == ["lo"]
