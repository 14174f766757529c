"""Bootstrap's configuration is written once and never over another."""

import stat

import pytest

from llm_router.config.default import example, write_default_config
from llm_router.home import Home


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    return made


def test_written_once(home):
    """Private, whole, and left alone from then on."""
    assert write_default_config(home)
    assert home.config.read_bytes() == example()
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o600

    home.config.write_text("mine")

    assert not write_default_config(home)
    assert home.config.read_text() == "mine"


def test_an_older_configuration_counts(home):
    """Beside an older routertool.yaml nothing is written: it would hide it."""
    (home.root / "routertool.yaml").touch()

    assert not write_default_config(home)
    assert not home.config.exists()


def test_a_dangling_link_is_left_alone(home):
    """A link that leads nowhere yet is somebody's."""
    home.config.symlink_to(home.root / "nowhere")

    assert not write_default_config(home)
    assert home.config.is_symlink()
