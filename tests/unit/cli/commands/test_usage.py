"""`router usage` and `router trace`, as a person types them: exit code, stdout and stderr."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_router.cli.main import execute
from llm_router.home import Home
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import LedgerRow
from llm_router.wire.usage import Usage


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / ".router")
    made.root.mkdir(mode=0o700)
    return made


@pytest.fixture
def router(home: Home, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        code = execute(["--home", str(home.root), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def filled(home: Home) -> None:
    ledger = Ledger(home.ledger)
    ledger.open()
    now = int(time.time() * 1000)
    for name, cost in (("aa", 1.5), ("ab", None)):
        row = LedgerRow(
            trace_id=name, started_ms=now, key="local", outcome="success", usage=Usage(10, output=2), cost_usd=cost
        )
        assert ledger.write(row)
    ledger.close()


def test_nothing_yet(router):
    """An empty ledger is an answer, not an error, and asking does not make one."""
    assert router("usage") == (0, "Nothing was recorded in this time\n", "")
    assert router("usage", "--since", "all") == (0, "Nothing has been recorded yet\n", "")
    assert router("trace") == (0, "Nothing has been recorded yet\n", "")
    assert router("trace", "abc", "--json") == (0, '{\n  "schema": 1,\n  "trace": null,\n  "events": []\n}\n', "")
    assert router("usage", "--csv")[1].startswith("name,requests,failed,")


def test_no_home(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A home that is not there is no error either."""
    assert execute(["--home", str(tmp_path / "none"), "usage", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("filled")
def test_usage(router):
    """The table on stdout, what to know about it on stderr."""
    code, out, err = router("usage", "--by", "key")

    assert (code, out) == (
        0,
        "KEY    REQUESTS  FAILED  INPUT  CACHED  OUTPUT    COST\n"
        "local         2       -     20       -       4  $1.50?\n"
        "total         2       -     20       -       4  $1.50?\n",
    )
    assert err.startswith("warning: 1 answers have no known price and are not in the cost; set one under `prices`\n")


@pytest.mark.usefixtures("filled")
def test_usage_as_data(router):
    """JSON and CSV say the same."""
    held = json.loads(router("usage", "--by", "key", "--since", "all", "--json")[1])
    lines = router("usage", "--by", "key", "--since", "all", "--csv")[1].splitlines()

    assert (held["schema"], held["by"], held["since"]) == (1, "key", None)
    assert held["groups"] == [{**held["total"], "name": "local"}]
    assert lines[1].split(",") == [str(value) for value in held["groups"][0].values()]


@pytest.mark.usefixtures("filled")
def test_trace(router):
    """By beginning, ambiguous, unknown."""
    assert router("trace", "aa")[1].startswith("trace    aa\nstarted  2")
    assert json.loads(router("trace", "ab", "--json")[1])["trace"]["trace_id"] == "ab"
    code, out, err = router("trace", "a")
    assert (code, out) == (2, "")
    assert err.startswith("error: Several requests begin with `a`\n\nhint: Choose one of these: a")
    assert router("trace", "zz") == (
        1,
        "",
        "error: No request has the trace id `zz`\n\nhint: `router trace latest` shows the newest request\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "soon"), "error: `soon` is neither an age nor a day\n"),
        (("--json", "--csv"), ""),
        (("--by", "color"), "error: invalid value for '--by'"),
    ],
)
def test_wrong(router, arguments: tuple[str, ...], message: str):
    """A wrong command line is exit code 2."""
    code, out, err = router("usage", *arguments)

    assert code == 2
    assert message in err
    assert "--json" not in arguments or json.loads(out)["error"]["code"] == "usage.invalid"


def test_a_damaged_ledger(router, home: Home):
    """It is said, with what mends it, and nothing is done to the file."""
    home.ledger.write_bytes(b"no database " * 1000)

    for command in ("usage", "trace"):
        code, out, err = router(command)
        assert (code, out) == (1, "")
        assert err.startswith(f"error: The ledger `{home.ledger}` cannot be read\n")
    assert home.ledger.read_bytes() == b"no database " * 1000


@pytest.mark.parametrize("command", ["usage", "trace"])
def test_start_up(command: str):
    """Neither command brings rich, yaml or an HTTP client in before it shows anything."""
    code = (
        "import sys, typer; from llm_router.cli import main\n"
        f"main.execute(['{command}', '--help'])\n"
        "print(sorted({'rich', 'yaml', 'aiohttp', 'httpx'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stderr == "[]\n"
    assert "Example" in done.stdout
