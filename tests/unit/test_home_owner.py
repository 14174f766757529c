"""Homes and sockets that somebody else put in our way."""

import os
import socket
import stat
from pathlib import Path

import pytest

from llm_router.home import Home, HomeError, close_folder, find, peer_user, write_private
from llm_router.supervisor.control_socket import may_ask

SOMEBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")


@as_root
def test_a_home_of_somebody_else_is_not_found(tmp_path: Path):
    """A `.router/` planted in a folder above (in /tmp, say) would name commands to run."""
    planted = tmp_path / "shared" / ".router"
    below = tmp_path / "shared" / "work"
    for folder in (planted, below):
        folder.mkdir(parents=True)
    assert find(None, {}, below) == Home(planted)

    os.chown(planted, SOMEBODY, SOMEBODY)
    assert find(None, {}, below) != Home(planted)


@as_root
def test_a_home_of_somebody_else_is_not_used(tmp_path: Path):
    """Not even when it is named, and not even when its mode looks private."""
    planted = tmp_path / ".router"
    planted.mkdir(mode=0o700)
    os.chown(planted, SOMEBODY, SOMEBODY)

    with pytest.raises(HomeError, match="belongs to another user"):
        Home(planted).create()
    assert list(planted.iterdir()) == []


def test_a_link_in_the_place_of_a_file(tmp_path: Path):
    """What a link points to is neither read nor written: the link is replaced, and a planted temporary refused."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    target = tmp_path / "plan.json"
    target.symlink_to(victim)
    write_private(target, b"new")

    assert (victim.read_text(), target.read_bytes(), target.is_symlink()) == ("as it was", b"new", False)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600

    (tmp_path / f".plan.json.{os.getpid()}.new").symlink_to(victim)
    with pytest.raises(HomeError):
        write_private(target, b"newer")
    assert victim.read_text() == "as it was"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_whatever_the_umask(tmp_path: Path, mask: int):
    """Folders and files are private from their first byte."""
    before = os.umask(mask)
    try:
        folder = tmp_path / "home"
        close_folder(folder)
        write_private(folder / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o600


def test_who_may_command_a_supervisor():
    """Its own user and root; the kernel says who it is."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_user(ours) == os.geteuid()
    assert may_ask(os.geteuid())
    assert may_ask(0)
    assert may_ask(None)
    assert not may_ask(SOMEBODY)
