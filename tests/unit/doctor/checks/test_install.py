"""llm-router's own environment."""

import re
import tomllib
from pathlib import Path

from llm_router.doctor.checks import install_incomplete, install_startup_code
from llm_router.doctor.context import Context
from llm_router.home import Home
from llm_router.translator.integrity import KNOWN_BAD

ROOT = Path(__file__).parents[4]


def test_what_is_needed():
    """The packages that the project depends on, no more and no fewer."""
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert sorted(install_incomplete.NEEDED) == sorted(re.split(r"[>=<\[]", line)[0] for line in held)


def test_this_environment(tmp_path):
    """The one that runs the tests is complete and runs nothing unknown."""
    context = Context(Home(tmp_path), tmp_path / "router.yaml", {})

    assert install_incomplete.examine(context) is None
    assert install_startup_code.examine(context) is None


def test_startup_code(patient):
    """A `.pth` that names a folder runs nothing; one that imports, and a sitecustomize, do."""
    packages = patient.machine.packages
    (packages / "folder.pth").write_text("/a/folder\n# import os\n")
    assert install_startup_code.examine(patient.context()) is None
    (packages / "thief.pth").write_text("import os; os.getcwd()\n")
    (packages / "sitecustomize.py").touch()
    found = install_startup_code.examine(patient.context())

    assert found is not None
    assert found.evidence == (str(packages / "thief.pth"), str(packages / "sitecustomize.py"))


def test_known_bad_releases():
    """The list is data, and holds at least the two that were published with a thief inside."""
    assert KNOWN_BAD["litellm"] >= {"1.82.7", "1.82.8"}
