"""`router bootstrap` as a person runs it."""

import json
import stat
import time
from pathlib import Path

import pytest
from support.product import Product, free_ports
from support.translator import give

from llm_router.home import Home


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """A person with an empty HOME and no `.router`."""
    port, translator_port = free_ports(2)
    held = Product(tmp_path, port, translator_port)
    held.person.mkdir()
    return held


def modes(folder: Path) -> set[str]:
    """The modes of everything in a home but LiteLLM's own environment, as text."""
    held = [folder, *(path for path in folder.rglob("*") if "runtime/litellm/" not in f"{path}/")]
    return {f"{'folder' if path.is_dir() else 'file'} {stat.S_IMODE(path.stat().st_mode):o}" for path in held}


def test_check_of_nothing(product: Product):
    """`--check` names all that is missing, exits 1, and makes none of it."""
    said = product.json("bootstrap", "--check", codes=(1,))

    assert (1, str(product.home)) == (said["schema"], said["home"])
    assert [each["what"] for each in said["missing"]] == ["home", "config", "key", "litellm"]
    assert not product.home.exists()


def test_twice_is_once(product: Product):
    """The first run makes what is missing and shows the key; the second changes nothing, quickly."""
    give(Home(product.home))

    first = product.run("bootstrap")
    before = {path: path.stat().st_mtime_ns for path in product.home.rglob("*") if path.is_file()}
    began = time.monotonic()
    runs = [product.run("bootstrap") for _ in range(5)]
    taken = time.monotonic() - began

    assert product.key == first.stdout.strip()
    assert [(run.stdout, run.stderr) for run in runs] == [("", "Everything is in place; nothing was changed\n")] * 5
    assert before == {path: path.stat().st_mtime_ns for path in product.home.rglob("*") if path.is_file()}
    assert taken < 5 * 2  # 0.4 s each when nothing else runs here
    assert {"folder 700", "file 600"} == modes(product.home)
    note = json.loads((product.home / "runtime" / "bootstrap.json").read_text())
    assert [
        f"wrote the default configuration, `{product.home}/router.yaml`",
        f"made a client key, `{product.home}/keys/local.key`",
    ] == note["changed"]
    assert {"home": str(product.home), "missing": [], "schema": 1} == product.json("bootstrap", "--check")


def test_what_exists_is_kept(product: Product):
    """A configuration and a key that are there are never touched."""
    give(Home(product.home))
    product.configure({})
    key = product.home / "keys" / "local.key"
    key.write_text("my-own-key\n")
    key.chmod(0o600)
    written = (product.home / "router.yaml").read_bytes()

    assert product.run("bootstrap").stdout == ""
    assert ("my-own-key", written) == (product.key, (product.home / "router.yaml").read_bytes())


def test_damage_is_named_and_mended(product: Product):
    """`--check` finds one changed file of LiteLLM, and the next bootstrap mends it."""
    give(Home(product.home))
    product.run("bootstrap")
    (path,) = product.home.glob("runtime/litellm/lib/*/site-packages/litellm/router.py")
    path.unlink()
    path.write_text("import os\n")

    found = product.json("bootstrap", "--check", codes=(1,))["missing"]
    product.run("bootstrap", "--offline")

    assert found == [
        {
            "what": "litellm",
            "problem": "LiteLLM's environment is damaged: `litellm/router.py` differ from the published release",
        }
    ]
    assert product.json("bootstrap", "--check")["missing"] == []


def test_a_file_in_the_way(product: Product):
    """A home that cannot be made is one sentence and exit 1."""
    product.home.write_text("")

    done = product.run("bootstrap", codes=(1,))

    assert done.stdout == ""
    assert done.stderr.startswith(f"error: `{product.home}` cannot be made private: not a directory\n")
    assert "Traceback" not in done.stderr


def test_json_goes_with_check(product: Product):
    """`--json` without `--check` is a wrong command line."""
    assert "goes with --check" in product.run("bootstrap", "--json", codes=(2,)).stdout
    assert not product.home.exists()
