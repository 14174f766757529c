"""What `router up` makes before anything runs, and when it need not."""

import subprocess
import sys
from pathlib import Path

import pytest

from llm_router.config.problems import ConfigError
from llm_router.control.startup import Prepared, is_current, prepare
from llm_router.errors import RouterError
from llm_router.home import Home


def quietly(_text: str) -> None:
    """No notice is expected to matter."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that is not there yet."""
    return Home(tmp_path / ".router")


def test_from_nothing(home: Home) -> None:
    """Folders, configuration, key and plan; the key is handed out once."""
    first = prepare(home, home.config, {}, quietly)
    assert (first.compiled, first.key) == (True, home.local_key.read_text().strip())
    assert first.made == (
        *(f"made `{path}` private" for path in (home.root, home.keys, home.runtime, home.translator_folder, home.logs)),
        f"wrote the default configuration, `{home.config}`",
        f"made a client key, `{home.local_key}`",
    )
    assert home.plan.exists()
    assert prepare(home, home.config, {}, quietly) == Prepared()


def test_what_makes_a_plan_out_of_date(home: Home) -> None:
    """The configuration, an override, or any compiled file."""
    prepare(home, home.config, {}, quietly)
    assert is_current(home, home.config, {"PATH": "/bin"})
    assert not is_current(home, home.config, {"ROUTER_GATEWAY_PORT": "1"})
    assert not is_current(home, home.root / "other.yaml", {})
    for path in (home.config, home.plan, home.translator_config, home.state):
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        assert not is_current(home, home.config, {}), path
        path.unlink()
        assert not is_current(home, home.config, {}), path
        path.write_bytes(kept)
    assert is_current(home, home.config, {})
    (home.runtime / "compiled.json").write_text("{")
    assert not is_current(home, home.config, {})


def test_a_broken_configuration_leaves_the_plan(home: Home) -> None:
    """The plan from before stands, and the next run tries again."""
    prepare(home, home.config, {}, quietly)
    plan = home.plan.read_bytes()
    home.config.write_text(home.config.read_text() + "\nnonsense: 1\n")
    for _ in range(2):
        with pytest.raises(ConfigError):
            prepare(home, home.config, {}, quietly)
    assert home.plan.read_bytes() == plan


def test_a_named_configuration_is_not_made_up(home: Home, tmp_path: Path) -> None:
    """`--config FILE` that is not there is an error."""
    with pytest.raises(RouterError):
        prepare(home, tmp_path / "mine.yaml", {}, quietly)
    assert not home.config.exists()


def test_a_current_plan_decodes_nothing(home: Home) -> None:
    """The second `up` imports neither pydantic nor yaml."""
    prepare(home, home.config, {}, quietly)
    script = (
        "import sys; from pathlib import Path; from llm_router.home import Home;"
        "from llm_router.control.startup import prepare; import llm_router.control.lifecycle;"
        "home = Home(Path(sys.argv[1])); assert not prepare(home, home.config, {}, print).compiled;"
        "print(sorted({'pydantic', 'yaml', 'rich', 'httpx', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, home.root], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
