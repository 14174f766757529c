"""Measure direct, nginx, the gateway and LiteLLM side by side in one run: `python -m benchmarks.run --help`."""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks import measures, report, subjects
from benchmarks.measures import Scale
from benchmarks.subjects import ROOT, Subject
from llm_router.home import Home
from llm_router.translator.launch import installed_problem

NAMES = ("direct", "nginx", "llm-router", "LiteLLM")
MEASURES = ("throughput", "paced", *(f"streams-{count}" for count in measures.STREAM_COUNTS), "bulk")


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of each measure (bulk: one)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of a throughput or latency round")
    parser.add_argument("--stream-tokens", type=int, default=50, help="tokens of each throttled stream")
    parser.add_argument("--bulk-tokens", type=int, default=1_000_000, help="tokens streamed for the memory measure")
    parser.add_argument("--bulk-seconds", type=float, default=60.0, help="and the most seconds for them, per subject")
    parser.add_argument("--subjects", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--home", type=Path, help="a .router folder in which `router bootstrap` has installed LiteLLM")
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument("--markdown", type=Path, help="write the table here, e.g. docs/benchmarks.md")
    return parser.parse_args()


def start_all(stack: ExitStack, wanted: list[str], home: Path | None, notes: list[str]) -> list[Subject]:
    """Start the upstream and every subject that is there; what is missing becomes a note."""
    port = stack.enter_context(subjects.upstream())
    ways = {"direct": subjects.direct, "llm-router": subjects.gateway}
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        ways["nginx"] = subjects.nginx
    elif "nginx" in wanted:
        notes.append("nginx is not installed and was left out (Debian: `apt-get install nginx-light`)")
    if "LiteLLM" in wanted:
        if home is not None and (problem := installed_problem(Home(home))) is None:
            ways["LiteLLM"] = partial(subjects.litellm, home=home)
        else:
            notes.append(f"LiteLLM was left out: {problem if home is not None else 'no `--home` was named'}")
    held = []
    for name in wanted:
        if name in ways:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            held.append(stack.enter_context(ways[name](port, folder)))
            print(f"{name}: up in {held[-1].started_in:.2f} s", file=sys.stderr)
    return held


def measure(name: str, subject: Subject, scale: Scale) -> dict[str, float]:
    """One round of one measure."""
    if name.startswith("streams-"):
        return measures.streams(subject, scale, int(name.partition("-")[2]))
    return {"throughput": measures.throughput, "paced": measures.paced, "bulk": measures.bulk}[name](subject, scale)


def run_rounds(arguments: argparse.Namespace, held: list[Subject], scale: Scale) -> dict[str, Any]:
    """All measures: in every round each subject has its turn, so that what else the machine does hits all alike."""
    rounds: dict[str, dict[str, list[dict[str, float]]]] = {}
    for subject in held:
        measures.warm_up(subject, scale.seconds)
    for name in arguments.measures:
        rows = rounds.setdefault(name, {subject.name: [] for subject in held})
        for number in range(1 if name == "bulk" else arguments.rounds):
            for subject in held:
                rows[subject.name].append(measure(name, subject, scale))
                shown = "  ".join(f"{key} {value:,.2f}" for key, value in rows[subject.name][-1].items())
                print(f"{name} round {number + 1} {subject.name}: {shown}", file=sys.stderr)
    return rounds


def about(held: list[Subject], arguments: argparse.Namespace, notes: list[str], load: float) -> dict[str, Any]:
    """What ran where."""
    pinned = subjects.cores() is not None
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(load, 2),
        "rounds": arguments.rounds,
        "pinning": "load and upstream on one core, the subject alone on another" if pinned else "nothing pinned",
        "notes": notes,
        "subjects": {
            subject.name: {
                "version": subject.version,
                "started_in": subject.started_in,
                "memory_mib_at_rest": subject.memory_mib(),
            }
            for subject in held
        },
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def main() -> int:
    """Run, write, print."""
    arguments = read_arguments()
    scale = Scale(arguments.seconds, arguments.stream_tokens, arguments.bulk_tokens, arguments.bulk_seconds)
    notes: list[str] = []
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        held = start_all(stack, list(arguments.subjects), arguments.home, notes)
        facts = about(held, arguments, notes, load)
        rounds = run_rounds(arguments, held, scale)
    facts["load_average_after"] = round(os.getloadavg()[0], 2)
    result = {"about": facts, "medians": report.medians(rounds), "rounds": rounds}
    page = report.markdown(result)
    for path, text in ((arguments.json, json.dumps(result, indent=1)), (arguments.markdown, page)):
        if path is not None:
            path.write_text(text + "\n")
    print(page)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
