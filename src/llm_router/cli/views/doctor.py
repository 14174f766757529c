"""How findings look: one paragraph each, worst first."""

from collections.abc import Sequence

from llm_router.doctor.finding import Check, Finding
from llm_router.doctor.run import Report


def report_lines(report: Report) -> list[str]:
    """`router doctor`: every finding, and which of them `--fix` mends."""
    lines = [line for finding in report.findings for line in (*finding_lines(finding), "")]
    mendable = [finding.code for finding in report.findings if finding.mendable]
    if mendable and not report.mended:
        lines.append(f"`router doctor --fix` mends {', '.join(mendable)}")
    return lines if lines[-1:] != [""] else lines[:-1]


def finding_lines(finding: Finding) -> list[str]:
    """One finding: title, cause, evidence, what works all the same, what to run."""
    return [
        f"{finding.severity}: {finding.title} [{finding.code}]",
        f"  {finding.cause[:1].upper()}{finding.cause[1:]}",
        *(f"    {line}" for line in finding.evidence),
        *([f"  {finding.unharmed}"] if finding.unharmed else []),
        *([f"  run: {finding.fix}"] if finding.fix else []),
    ]


def list_lines(checks: Sequence[Check]) -> list[str]:
    """`router doctor --list`: code, whether it mends, what it looks at."""
    width = max((len(check.code) for check in checks), default=0)
    return [f"{check.code:<{width}}  {'mends' if check.mend else '-':<5}  {check.about}" for check in checks]


def list_body(checks: Sequence[Check]) -> dict[str, object]:
    """`router doctor --list --json`."""
    return {
        "checks": [
            {
                "code": check.code,
                "about": check.about,
                "mends": check.mend is not None,
                "depends_on": list(check.depends_on),
            }
            for check in checks
        ]
    }
