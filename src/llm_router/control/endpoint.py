"""Where this home's gateway is and the key its own commands show it: read from the plan in force."""

from dataclasses import dataclass

from llm_router.errors import RouterError
from llm_router.home import Home
from llm_router.routing.plan import Plan


class NothingPlanned(RouterError):
    """No profile has been activated in this home yet."""

    code = "runtime.no_plan"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The two doors of a gateway, without a trailing slash and without `/v1`."""

    url: str
    translator_url: str | None
    plan: Plan


def read_plan(home: Home) -> Plan:
    """The plan in force. Raises NothingPlanned."""
    hints = ["Run `router up`"]
    try:
        return Plan.from_json(home.plan.read_bytes())
    except FileNotFoundError:
        hints.append("Or name another `.router/` with `--home` or ROUTER_HOME")
        raise NothingPlanned(f"Nothing has been started in `{home.root}` yet", hints=hints) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NothingPlanned(f"`{home.plan}` cannot be read", hints=hints, unharmed="What runs goes on") from error


def find_endpoint(home: Home) -> Endpoint:
    """The doors of this home's gateway, whether or not it runs. Raises NothingPlanned."""
    plan = read_plan(home)
    host = _reachable_host(plan.gateway.host)
    translator = f"http://127.0.0.1:{plan.translator.port}" if plan.translator.enabled else None
    return Endpoint(f"http://{host}:{plan.gateway.port}", translator, plan)


def _reachable_host(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
