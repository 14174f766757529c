"""The sandbox's own routes, `/sandbox/…`: faults switched on and off, and what was received lately."""

import json
from typing import Protocol
from urllib.parse import parse_qs

from llm_router.routing.plan import Wire
from llm_router.sandbox import failures, faults
from llm_router.sandbox.delivery import Delivery, plain
from llm_router.sandbox.frames import encoded
from llm_router.sandbox.recorder import Recorder

_PREFIX = "/sandbox/"
DEFAULT_LIMIT = 100


class Administered(Protocol):
    """What the routes work on."""

    switchboard: faults.Switchboard
    recorder: Recorder


def respond(method: str, path: str, query: str, body: bytes, held: Administered) -> Delivery | None:
    """The answer to a request for a `/sandbox/…` route; None for any other path."""
    if not path.startswith(_PREFIX):
        return None
    name, _, rest = path.removeprefix(_PREFIX).rstrip("/").partition("/")
    if name == "faults" and not rest:
        return _faults(method, body, held.switchboard)
    if name == "requests":
        return _requests(method, rest, query, held.recorder)
    return _refused(404, f"There is no {path}; the sandbox has /sandbox/faults and /sandbox/requests")


def start_page() -> str:
    """What `GET /` says."""
    return (
        "llm-router sandbox: a loopback upstream for chat completions, responses, messages and embeddings.\n\n"
        "Model echo-1 repeats the last user text; `use the tool NAME` or `call NAME {json}` makes a tool call.\n"
        f"Faults, as a header `{faults.HEADER}: SPEC`, as `[[fault: SPEC]]` in the text, or with PUT /sandbox/faults;\n"
        "SPEC is a comma list of:\n\n"
        f"{faults.explain()}\n\n"
        "What was received lately: GET /sandbox/requests\n"
    )


def _faults(method: str, body: bytes, switchboard: faults.Switchboard) -> Delivery:
    if method == "DELETE":
        switchboard.clear()
    elif method == "PUT":
        try:
            switchboard.switch(json.loads(body))
        except faults.FaultSpecError as error:
            return _refused(400, error.message)
        except ValueError:
            return _refused(400, "The body is not JSON")
    elif method != "GET":
        return _refused(405, "/sandbox/faults wants GET, PUT or DELETE")
    return plain(200, encoded({"faults": [rule.as_json() for rule in switchboard.rules]}))


def _requests(method: str, number: str, query: str, recorder: Recorder) -> Delivery:
    if method == "DELETE" and not number:
        recorder.clear()
    elif method != "GET":
        return _refused(405, "/sandbox/requests wants GET or DELETE")
    if not number:
        asked = parse_qs(query).get("limit", [""])[-1]
        limit = min(int(asked), recorder.most_requests) if asked.isdecimal() else DEFAULT_LIMIT
        return plain(200, encoded({"requests": [record.as_json() for record in recorder.latest(limit)]}))
    record = recorder.find(int(number)) if number.isdecimal() else None
    if record is None:
        return _refused(404, f"Request {number} is not held")
    body = None if record.body is None else record.body.decode("utf-8", "replace")
    return plain(200, encoded({**record.as_json(), "body": body}))


def _refused(status: int, message: str) -> Delivery:
    return plain(status, encoded(failures.body(Wire.CHAT, status, "", message)))
