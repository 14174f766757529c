"""Every fault of the catalogue: the doctor names its cause first, mends it where that is safe, and loses nothing."""

from pathlib import Path

import pytest
from support.patient import Patient, treated
from support.polling import until

from llm_router.cli.views.units import health_body
from llm_router.control.runtime import read_runtime
from llm_router.doctor.checks_table import CHECKS
from llm_router.doctor.run import Report, examine, mend

from .faults import FAULTS, RUNNING, TRANSLATOR, Fault

SERIOUS = ("error", "warning")


def told(report: Report) -> list[str]:
    """What a failure shows: every finding, and what was mended."""
    found = [f"{finding.code}: {finding.cause} {finding.evidence}" for finding in report.findings]
    return [*found, *(f"mended {one.code}: {one.done}" for one in report.mended)]


@pytest.mark.parametrize("translator", [False, True])
def test_healthy(tmp_path: Path, translator: bool):
    """A home as it was prepared is quiet."""
    with treated(tmp_path, translator=translator) as patient:
        assert told(examine(patient.context(), CHECKS)) == []


def test_healthy_while_it_runs(tmp_path: Path):
    """So is one that runs."""
    with treated(tmp_path) as patient:
        patient.start()
        assert told(examine(patient.context(), CHECKS)) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_fault(fault: Fault, tmp_path: Path):
    """Right code first; `--fix` mends it, or leaves it as it is and says the same again."""
    with treated(tmp_path, translator=fault.needs == TRANSLATOR) as patient:
        if fault.needs == RUNNING:
            patient.start()
        fault.breaks(patient)
        treasures = patient.treasures()

        before = examine(patient.context(), CHECKS)
        assert before.findings, "nothing was found"
        assert (before.findings[0].code, before.findings[0].mendable) == (fault.code, fault.mended), told(before)
        assert before.findings[0].severity in SERIOUS
        assert before.findings[0].fix

        check_mending(fault, patient)
        assert treasures <= patient.everything(), "something of the user's is gone"


def check_mending(fault: Fault, patient: Patient) -> None:
    """What `--fix` made of it."""
    after = mend(patient.context(), CHECKS)
    if fault.mended:
        assert fault.code in [one.code for one in after.mended if one.success], told(after)
        assert [line for line in told(after) if not line.startswith("mended ")] == []
        return
    assert after.findings[0].code == fault.code, told(after)


def test_the_catalogue():
    """At least forty, each told apart, and each check that can be brought about is rehearsed."""
    assert len(FAULTS) >= 40
    assert len({fault.what for fault in FAULTS}) == len(FAULTS)
    rehearsed = {fault.code for fault in FAULTS}
    # each of these has a unit test: it takes root, another release, four gigabytes, a year
    assert {check.code for check in CHECKS} - rehearsed == {
        *("home.owner", "home.unwritable", "machine.files", "supervisor.version", "gateway.problems"),
        *("ledger.large", "keys.old", "shell.completion"),
    }


def bring_back(patient: Patient) -> None:
    """What an operator does after each of these faults; units that were stopped are continued."""
    patient.stack.close()
    patient.start()


@pytest.mark.parametrize(
    "what", ["the gateway is stopped (SIGSTOP)", "a unit was stopped by hand", "the supervisor was killed"]
)
def test_health_degrades_and_recovers(what: str, tmp_path: Path):
    """`router health` says so while it lasts, and `ok` once it is mended."""
    fault = next(fault for fault in FAULTS if fault.what == what)

    def verdict() -> object:
        return health_body(read_runtime(patient.home).units)["health"]

    with treated(tmp_path) as patient:
        patient.start()
        assert verdict() == "ok"
        fault.breaks(patient)
        assert verdict() in ("degraded", "down")
        bring_back(patient)
        until(lambda: verdict() == "ok", within=40)
        assert told(examine(patient.context(), CHECKS)) == []
