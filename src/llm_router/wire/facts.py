"""What limits are counted by: a request's session, its messages, its output cap and the size of its prompt."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_router.wire.formats import Wire
from llm_router.wire.members import members, opening
from llm_router.wire.usage import estimate_tokens

# Clients name their conversation in many ways; the first that is there counts.
_SESSION_HEADERS = ("x-claude-code-session-id",)
_MORE_SESSION_HEADERS = (
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "thread-id",
    "thread_id",
    "x-thread-id",
    "conversation-id",
    "conversation_id",
    "x-conversation-id",
)
_SESSION_MEMBERS = ("session_id", "prompt_cache_key", "conversation", "conversation_id", "thread_id")
_ALL_SESSION_MEMBERS = frozenset(_SESSION_MEMBERS)
_ALL_SESSION_HEADERS = frozenset({*_SESSION_HEADERS, *_MORE_SESSION_HEADERS})
_CLAUDE_SESSION = re.compile(r"_session_([A-Za-z0-9-]{8,})$")
LONGEST_SESSION = 512

# The member that caps the output, the newest name first: this one is added where none stands.
CAP_MEMBERS: Mapping[Wire, tuple[str, ...]] = {
    Wire.CHAT: ("max_completion_tokens", "max_tokens"),
    Wire.RESPONSES: ("max_output_tokens",),
    Wire.MESSAGES: ("max_tokens",),
    Wire.EMBEDDINGS: (),
}
_CAP_WORDS = {names: tuple(name.encode() for name in names) for names in CAP_MEMBERS.values()}
_ESCAPED_ASCII = b"\\u00"

# Pictures and files travel as base64. A model sees an image of some 1600 tokens, or pages, not a text of that length.
_ENCODED_MARKS = (b"base64", b'"input_audio"')
_ENCODED = re.compile(rb"(?:data:[^,]{0,100},)?[A-Za-z0-9+/_=\\-]+")
_SHORTEST_ENCODED = 4096
_TOKENS_OF_AN_IMAGE = 1600
_ENCODED_BYTES_PER_TOKEN = 512

_OPENING_TEXTS = 3
_LONGEST_OPENING = 100
_DEEPEST_TEXT = 6  # messages hold parts, and parts texts; what lies deeper is not an opening


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class LimitFacts:
    """What a request counts for. `session` is as the client wrote it: hash it before it is kept anywhere."""

    wire: Wire
    session: str  # empty when the client names none
    session_source: str  # the header or member that named it, e.g. `session-id`, `metadata.user_id`
    messages: int
    cap_member: str  # empty when the request caps nothing
    cap: int | None  # None when there is no cap or it is no count
    prompt_tokens: int  # an estimate


def read_limit_facts(wire: Wire, held: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> LimitFacts:
    """Read what limits need. `held` is `body` decoded; `headers` have lower-case names. Raises nothing."""
    session, source = _session(held, headers)
    cap_member, cap = "", None
    for name in CAP_MEMBERS[wire]:
        if (cap := held.get(name)) is not None:
            cap_member = name
            break
    return LimitFacts(
        wire=wire,
        session=session,
        session_source=source,
        messages=_messages(wire, held),
        cap_member=cap_member,
        cap=cap if isinstance(cap, int) and not isinstance(cap, bool) and cap >= 0 else None,
        prompt_tokens=estimate_prompt(body),
    )


def opening_texts(held: Mapping[str, Any]) -> str:
    """The beginning of a conversation, which stays as it is: a hash of it stands in where no session id is sent."""
    found: list[str] = []
    for name in ("instructions", "system", "messages", "input"):
        if name not in held:
            continue
        for text in _texts(held[name], _DEEPEST_TEXT):
            found.append(text[:_LONGEST_OPENING])
            if len(found) == _OPENING_TEXTS:
                return "\n".join(found)
    return "\n".join(found)


def estimate_prompt(body: bytes) -> int:
    """Tokens that a request's body may have, where encoded pictures and files count as such."""
    # Nothing that is encoded is shorter than this, and most bodies are.
    if len(body) < _SHORTEST_ENCODED or not any(mark in body for mark in _ENCODED_MARKS):
        return estimate_tokens(body)
    texts = body.split(b'"')
    encoded = [len(text) for text in texts if len(text) >= _SHORTEST_ENCODED and _ENCODED.fullmatch(text)]
    rest = [text for text in texts if len(text) < _SHORTEST_ENCODED or not _ENCODED.fullmatch(text)]
    seen = sum(_TOKENS_OF_AN_IMAGE + size // _ENCODED_BYTES_PER_TOKEN for size in encoded)
    return estimate_tokens(b'"'.join(rest)) + seen


def clamp_output_cap(body: bytes, facts: LimitFacts, cap: int, *, absent: str = "") -> bytes:
    """The same bytes with every output cap above `cap` lowered to it; the very same object when nothing is above.

    A cap that is no count (negative, text, null) is replaced, because an upstream may take it for "no limit". Where a
    request has no cap one is added: as `absent` for upstreams that know another name, else as the wire's newest.
    """
    names = CAP_MEMBERS[facts.wire]
    if not names:
        return body
    if facts.cap is not None and facts.cap <= cap and _stands_once(body, names):
        return body
    standing = [] if _stands_nowhere(body, names) else [member for member in members(body) if member.name in names]
    over = [member for member in standing if not _within(member.value, cap)]
    for member in reversed(over):
        body = body[: member.start] + str(cap).encode() + body[member.end :]
    if standing:
        return body
    at = opening(body)
    comma = b"" if body[at : at + 1] != b'"' and body[at:].lstrip().startswith(b"}") else b","
    return body[:at] + f'"{absent or names[0]}":{cap}'.encode() + comma + body[at:]


def _within(value: object, cap: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= cap


def _stands_once(body: bytes, names: tuple[str, ...]) -> bool:
    """Whether the cap that was read is the only one: a member may stand twice, and upstreams differ in which counts."""
    return sum(body.count(f'"{name}"'.encode()) for name in names) == 1 and _ESCAPED_ASCII not in body


def _stands_nowhere(body: bytes, names: tuple[str, ...]) -> bool:
    """Whether no member can have one of these names: neither is there as a word, nor anything that could spell it."""
    for word in _CAP_WORDS[names]:
        if word in body:
            return False
    return _ESCAPED_ASCII not in body


def _session(held: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, str]:
    """The session id that a request brings and where it was found, the most telling first; empty when there is none."""
    in_headers = not _ALL_SESSION_HEADERS.isdisjoint(headers)
    if in_headers and (found := _named(headers, _SESSION_HEADERS)):
        return found
    if "metadata" in held and (claude := _claude_session(held["metadata"])):
        return claude, "metadata.user_id"
    if in_headers and (found := _named(headers, _MORE_SESSION_HEADERS)):
        return found
    return ("", "") if _ALL_SESSION_MEMBERS.isdisjoint(held) else _named(held, _SESSION_MEMBERS) or ("", "")


def _named(held: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        value = held.get(name)
        if isinstance(value, dict):
            value = value.get("id")
        if isinstance(value, str) and (session := value.strip()[:LONGEST_SESSION]):
            return session, name
    return None


def _claude_session(metadata: object) -> str:
    """The session part of Claude Code's `metadata.user_id`: the end of a text, or a member of a JSON object in it."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user, str):
        return ""
    if found := _CLAUDE_SESSION.search(user):
        return found.group(1)[:LONGEST_SESSION]
    if not user.startswith("{") or len(user) > LONGEST_SESSION * 4:
        return ""
    try:
        held = json.loads(user)
    except (ValueError, RecursionError):
        return ""
    session = held.get("session_id") if isinstance(held, dict) else None
    return session.strip()[:LONGEST_SESSION] if isinstance(session, str) else ""


def _messages(wire: Wire, held: Mapping[str, Any]) -> int:
    """How many messages a request carries; a plain text is one, and what is to be embedded is none."""
    if wire is Wire.EMBEDDINGS:
        return 0
    said = held.get("input" if wire is Wire.RESPONSES else "messages")
    return len(said) if isinstance(said, list) else int(isinstance(said, str))


def _texts(said: object, depth: int) -> Iterator[str]:
    if isinstance(said, str):
        if said:
            yield said
    elif isinstance(said, list) and depth:
        for item in said:
            plain = item.get("content") if isinstance(item, dict) else None
            if isinstance(plain, str) and plain and depth > 1:  # as nearly every message
                yield plain
            else:
                yield from _texts(item, depth - 1)
    elif isinstance(said, dict) and depth:
        yield from _texts(said.get("content") or said.get("text"), depth - 1)
