#!/usr/bin/env python3
"""Write the table of rehearsed faults into docs/runbook-troubleshooting.md, from tests/acceptance/rehearsal.

`.venv/bin/python scripts/generate_rehearsal.py` writes it; with `--check` it exits 1 when it is stale.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "runbook-troubleshooting.md"
CATALOGUE = ROOT / "tests" / "acceptance" / "rehearsal"
BEGIN = "<!-- Faults: written by scripts/generate_rehearsal.py from tests/acceptance/rehearsal. -->"
END = "<!-- End of faults. -->"


def catalogue(name: str) -> ModuleType:
    """One module of the catalogue. Its helpers are found in tests/."""
    if str(ROOT / "tests") not in sys.path:
        sys.path.append(str(ROOT / "tests"))
    spec = importlib.util.spec_from_file_location(f"rehearsal_{name}", CATALOGUE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def table() -> list[str]:
    """A row for each fault."""
    by_hand = catalogue("remedies").BY_HAND
    rows = [("what happened", "code", "what to run", "mended by `--fix`"), ("---", "---", "---", "---")]
    for fault in catalogue("faults").FAULTS:
        remedy = "`router doctor --fix`" if fault.mended else by_hand[fault.code]
        rows.append((fault.what, f"`{fault.code}`", remedy, "yes" if fault.mended else "no"))
    return ["| " + " | ".join(row) + " |" for row in rows]


def page(text: str) -> str:
    """The page with the table of today between its markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} lacks its markers")
    return "\n".join([f"{before}{BEGIN}", "", *table(), "", f"{END}{after}"])


def stale() -> bool:
    """Whether the page says something else."""
    return page(PAGE.read_text()) != PAGE.read_text()


def main() -> None:
    """Write the table, or with `--check` say whether it is stale."""
    if "--check" in sys.argv[1:]:
        raise SystemExit("stale: run scripts/generate_rehearsal.py" if stale() else 0)
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
