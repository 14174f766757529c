"""Examine and mend. All checks look at once, each in a thread; what follows from a known cause is then left out."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.errors import RouterError, UnknownName
from llm_router.home import explain

ROUNDS = 4  # mending one cause may uncover the next
UNFINISHED = "doctor.unfinished"

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of one finding that can be mended. `done`: what was done, or why it was not."""

    code: str
    done: str
    success: bool

    def as_json(self) -> dict[str, object]:
        """A row of `mended` in `router doctor --json`."""
        return {"code": self.code, "done": self.done, "success": self.success}


@dataclass(frozen=True, slots=True)
class Report:
    """What an examination found, worst first; `quiet` are the codes that only follow from these."""

    findings: tuple[Finding, ...]
    quiet: tuple[str, ...] = ()
    examined: int = 0
    seconds: float = 0.0
    mended: tuple[Mended, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to mend."""
        return all(finding.severity is Severity.INFO for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        """The body of `router doctor --json`."""
        return {
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "quiet": list(self.quiet),
            "mended": [one.as_json() for one in self.mended],
            "examined": self.examined,
            "seconds": round(self.seconds, 3),
        }


def choose(checks: Sequence[Check], names: Iterable[str]) -> tuple[Check, ...]:
    """The checks of these codes, or of a whole part such as `litellm`; all for none. Raises UnknownName."""
    wanted = list(names)
    parts = {check.code.partition(".")[0] for check in checks}
    known = {check.code for check in checks} | parts
    for name in wanted:
        if name not in known:
            raise UnknownName("check", name, known)
    return tuple(c for c in checks if not wanted or c.code in wanted or c.code.partition(".")[0] in wanted)


def examine(context: Context, checks: Sequence[Check]) -> Report:
    """Run the checks. Never raises: a check that fails is a finding of its own."""
    began = time.monotonic()
    found = _all_at_once(context, checks)
    kept, quiet = _without_consequences(checks, found)
    order = {check.code: place for place, check in enumerate(checks)}
    by_weight = sorted(kept.items(), key=lambda item: (item[1].severity.rank, order[item[0]]))
    findings = tuple(finding for _, finding in by_weight)
    return Report(findings, quiet, len(checks), time.monotonic() - began)


def mend(context: Context, checks: Sequence[Check], say: Say = lambda line: None) -> Report:
    """Mend what is safe to mend, examine again, and so on until nothing more can be mended."""
    by_code = {check.code: check for check in checks}
    mended: list[Mended] = []
    report = examine(context, checks)
    for _ in range(ROUNDS):
        tried = {one.code for one in mended if not one.success}
        able = [found for found in report.findings if found.mendable and found.code not in tried]
        if not able:
            break
        for finding in able:
            mended.append(_mend_one(by_code[finding.code], context.fresh()))
            say(f"{finding.code}: {mended[-1].done}")
        report = examine(context.fresh(), checks)
    return replace(report, mended=tuple(mended))


def _mend_one(check: Check, context: Context) -> Mended:
    assert check.mend is not None, "only what has a mend is mendable"
    try:
        return Mended(check.code, check.mend(context), success=True)
    except RouterError as error:
        return Mended(check.code, f"not mended: {error.message}", success=False)
    except OSError as error:
        return Mended(check.code, f"not mended: {explain(error)}", success=False)


def _all_at_once(context: Context, checks: Sequence[Check]) -> dict[str, Finding]:
    """The findings by their check's code. Nobody waits longer for a check than its limit; its thread is left behind."""
    answers: queue.SimpleQueue[tuple[Check, Finding | None]] = queue.SimpleQueue()
    for check in checks:
        # daemons: a file system or a keyring that hangs must not keep the command from ending
        threading.Thread(
            target=lambda one: answers.put((one, _guarded(one, context))), args=(check,), name=check.code, daemon=True
        ).start()
    waiting = {check.code: check for check in checks}
    found: dict[str, Finding] = {}
    began = time.monotonic()
    while waiting:
        left = began + max(check.limit for check in waiting.values()) - time.monotonic()
        try:
            check, finding = answers.get(timeout=max(0.0, left))
        except queue.Empty:
            found |= {code: _late(late) for code, late in waiting.items()}
            break
        del waiting[check.code]
        if finding is not None:
            found[check.code] = replace(finding, mendable=check.mend is not None and finding.mendable)
    return found


def _guarded(check: Check, context: Context) -> Finding | None:
    try:
        return check.examine(context)
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill itself still says what the others found
        cause = error.message if isinstance(error, RouterError) else f"{type(error).__name__}: {error}"
        return _unfinished(check, cause)


def _late(check: Check) -> Finding:
    return _unfinished(check, f"it had not ended after {check.limit:.0f} s")


def _unfinished(check: Check, cause: str) -> Finding:
    title = f"The check `{check.code}` could not be finished"
    return Finding(UNFINISHED, Severity.INFO, title, cause, fix=f"router doctor {check.code}")


def _without_consequences(
    checks: Sequence[Check], found: Mapping[str, Finding]
) -> tuple[dict[str, Finding], tuple[str, ...]]:
    """Leave out what depends, over any number of steps, on a check that has found something that matters."""
    depends = {check.code: check.depends_on for check in checks}
    causes = {code for code, finding in found.items() if finding.severity is not Severity.INFO}

    def follows(code: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(
            other in causes or (other not in seen and follows(other, seen | {other})) for other in depends.get(code, ())
        )

    quiet = tuple(code for code in found if follows(code))
    return {code: finding for code, finding in found.items() if code not in quiet}, quiet
