"""How units are started: what stands in their commands, environments and probes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llm_router.home import Home
from llm_router.routing.plan import GatewaySettings, Service, Upstream, Wire
from llm_router.supervisor.gateway_channel import GatewayChannel
from llm_router.supervisor.launches import (
    Commands,
    Launcher,
    Translator,
    TranslatorUnusable,
    endpoints,
    gateway_variables,
)
from llm_router.supervisor.readiness import AliveProbe, ConnectProbe, HttpProbe
from llm_router.supervisor.sockets import HeldSockets
from llm_router.testing.supervised import plain_plan


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """A launcher for an empty home with a secret in its environment."""
    home = Home(tmp_path / ".router")
    home.create()
    held = HeldSockets()
    yield Launcher(home, {"PATH": "/bin", "ACCOUNT_KEY": "canary", "REGION": "r"}, Commands(), held)
    held.close()


def test_only_the_gateway_opens_sealed_secrets(tmp_path: Path) -> None:
    """The master key, where it comes by environment or from systemd, goes to the gateway and to no other child."""
    home = Home(tmp_path / ".router")
    home.create()
    held = HeldSockets()
    master = {"LLM_ROUTER_MASTER_KEY": "canary", "CREDENTIALS_DIRECTORY": "/run/credentials"}
    launcher = Launcher(home, {"PATH": "/bin", **master}, Commands(), held)
    plan, channel = plain_plan(), GatewayChannel.create()
    try:
        gateway = launcher.gateway(plan, channel, []).launch.environment
        sandbox = launcher.sandbox().launch.environment
        service = launcher.service(Service("local", ("serve",))).launch.environment
    finally:
        channel.near.close()
        channel.close()
        held.close()

    assert master.items() <= dict(gateway).items()
    assert not master.keys() & (sandbox.keys() | service.keys())


def test_the_gateway_gets_doors_channel_and_home(launcher: Launcher) -> None:
    """By descriptor and variable, as its launch contract says; nothing stands in its command."""
    plan = plain_plan()
    channel = GatewayChannel.create()
    started = launcher.gateway(plan, channel, ["ACCOUNT_KEY"])
    doors = [launcher.held.open(name, "", 0).fileno() for name in ("gateway", "translator")]
    assert started.launch.environment == {
        "PATH": "/bin",
        "ACCOUNT_KEY": "canary",
        "LLM_ROUTER_LISTEN_FDS": f"gateway={doors[0]},translator={doors[1]}",
        "LLM_ROUTER_CONTROL_FD": str(channel.far.fileno()),
        "LLM_ROUTER_HOME": str(launcher.home.root),
    }
    assert started.launch.pass_fds == (*doors, channel.far.fileno())
    assert started.launch.command[1:] == ("-P", "-m", "llm_router.gateway")
    assert (started.url, started.port) == (f"http://127.0.0.1:{plan.gateway.port}", plan.gateway.port)
    channel.close()


def test_without_translator_there_is_one_door(launcher: Launcher) -> None:
    """The familiar port is not bound when nobody is behind it."""
    plan = plain_plan()
    plan = replace(plan, translator=replace(plan.translator, enabled=False))
    channel = GatewayChannel.create()
    launcher.gateway(plan, channel, [])
    assert (launcher.held.has("gateway"), launcher.held.has("translator")) == (True, False)
    channel.close()


def test_the_translator_has_new_keys_each_time(launcher: Launcher) -> None:
    """Random, long, masked in its log, and not in its command."""
    one, two = Translator.create(1), Translator.create(2)
    assert len({one.master_key, one.door_key, two.master_key, two.door_key}) == 4
    assert one.master_key.startswith("sk-")
    assert min(len(one.master_key), len(one.door_key)) >= 32
    scripted = replace(launcher, commands=Commands(translator=("scripted",)))
    plan = plain_plan()
    plan = replace(plan, translator=replace(plan.translator, environment=("REGION",)))
    launch = scripted.translator(plan, one).launch
    assert (launch.command, launch.nice) == (("scripted", str(one.port)), 5)
    assert launch.secrets == (one.master_key, one.door_key)
    assert launch.environment["REGION"] == "r"
    assert "canary" not in launch.environment.values()
    assert one.as_json() == {
        "generation": 1,
        "base_url": f"http://127.0.0.1:{one.port}",
        "api_key": one.master_key,
        "door_key": one.door_key,
    }


def test_a_missing_translator_environment(launcher: Launcher) -> None:
    """It is refused with what to run."""
    with pytest.raises(TranslatorUnusable) as refused:
        launcher.translator(plain_plan(), Translator.create(1))
    assert refused.value.hints == ("Run `router bootstrap`",)


def test_services_get_what_they_name(launcher: Launcher) -> None:
    """Literals, references with their values masked, and a probe that fits."""
    environment = {"MODE": "fast", "KEY": "env:ACCOUNT_KEY"}
    service = Service("tool", ("tool", "--serve"), environment=environment, port=9, readiness_path="/ok", cwd="sub")
    started = launcher.service(service)
    assert started.launch.environment == {"PATH": "/bin", "MODE": "fast", "KEY": "canary"}
    assert (started.launch.secrets, started.launch.cwd) == (("canary",), launcher.home.root / "sub")
    assert (started.probe, started.url) == (HttpProbe("127.0.0.1", 9, "/ok"), "http://127.0.0.1:9")
    assert launcher.service(replace(service, readiness_path="")).probe == ConnectProbe("127.0.0.1", 9)
    assert launcher.service(replace(service, port=None)).probe == AliveProbe()


def test_endpoints_and_variables(launcher: Launcher) -> None:
    """Where `unit://` leads, and which variables the gateway must see."""
    upstreams = {
        "a": Upstream("a", "openai", "https://a", (Wire.CHAT,), key="env:A_KEY", headers={"x": "env:X", "y": "plain"}),
        "b": Upstream("b", "openai", "https://b", (Wire.CHAT,), key="file:keys/b.key"),
    }
    plan = plain_plan(
        upstreams=upstreams,
        gateway=GatewaySettings(client_keys=("env:CLIENT", "file:keys/local.key")),
        services=(Service("tool", ("t",), port=9), Service("quiet", ("q",))),
    )
    launcher.held.open("sandbox", "127.0.0.1", 0)
    assert endpoints(plan, launcher.held) == {"tool": "http://127.0.0.1:9", "sandbox": launcher.held.url("sandbox")}
    assert gateway_variables(plan) == {"A_KEY", "X", "CLIENT"}
