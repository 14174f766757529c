"""The ledger against what happens to machines: kill -9, a full disk, a read-only file, a lock that another holds."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.polling import until

from llm_router.journal.ledger_queries import reading

HERE = Path(__file__).parent
WRITER = HERE / "ledger_writer.py"
KILLS = 20


def start(path: Path, *arguments: str, prefix: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    """A writer in a process of its own, in one of its modes."""
    command = [*prefix, sys.executable, str(WRITER), str(path), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ids(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        (state,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert state == "ok"
        return [row[0] for row in connection.execute("SELECT trace_id FROM requests")]
    finally:
        connection.close()


def test_kill_at_any_moment(tmp_path: Path):
    """No row that was committed is lost, none is there twice, and the file is sound, after twenty kill -9."""
    path, seen, chance = tmp_path / "ledger.sqlite", set[str](), random.Random(7)
    for life in range(KILLS):
        with start(path, "forever", f"life{life}") as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 1500)):
                seen.add(writer.stdout.readline().decode().strip())
            writer.send_signal(signal.SIGKILL)
            # The last line may be cut, and is then no promise.
            seen |= {line.decode().strip() for line in writer.stdout.readlines() if line.endswith(b"\n")}
            assert writer.wait() == -signal.SIGKILL
    found = ids(path)

    assert len(found) == len(set(found))
    assert seen <= set(found)
    # Between a commit and the word about it there is room for one row a life.
    assert len(found) - len(seen) <= KILLS
    assert len(seen) > KILLS * 10


def test_a_reader_while_it_is_written(tmp_path: Path):
    """A reader sees the rows as they come, and a writer that was killed leaves them readable."""
    path = tmp_path / "ledger.sqlite"
    with start(path, "forever", "a") as writer:
        assert writer.stdout is not None
        for _ in range(200):
            writer.stdout.readline()
        with reading(path) as reader:
            first = reader.total().requests
        for _ in range(200):
            writer.stdout.readline()
        with reading(path) as reader:
            second = reader.total().requests
        writer.kill()
        writer.stdout.read()

    with reading(path) as reader:
        assert 200 <= first < second <= reader.total().requests


def test_a_full_disk(tmp_path: Path):
    """Writing goes on in memory while the disk is full; once there is room again every row is there."""
    path = tmp_path / "ledger.sqlite"
    writer = start(path, "limited", str(300_000))
    output, _ = writer.communicate(b"\n", timeout=60)
    said = json.loads(output)

    assert writer.returncode == 0
    assert said["written"] > 0
    assert said["full"]["waiting"] > 0
    assert said["full"]["problem"].startswith(f"The ledger cannot be written: `{path}` ")
    assert "full" in said["full"]["problem"]
    assert said["end"] == {"problem": None, "lost": 0, "waiting": 0}
    assert len(ids(path)) == said["asked"]


def test_a_lock_that_another_process_holds(tmp_path: Path):
    """A program that keeps the ledger locked delays rows, and nobody's request."""
    path = tmp_path / "ledger.sqlite"
    writer = start(path, "slow", "a")
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert json.loads(writer.stdout.readline())["problem"] is None
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    writer.stdin.write(b"row\n" * 50)
    writer.stdin.flush()
    said = [json.loads(writer.stdout.readline()) for _ in range(50)]
    holder.execute("ROLLBACK")
    holder.close()
    writer.stdin.write(b"end\n")
    output, _ = writer.communicate(timeout=60)

    assert "is locked by another program; 50 rows wait in memory" in said[-1]["problem"]
    # Only the first waits for the lock, 50 ms; those after it find the ledger closed.
    assert sum(each["seconds"] for each in said) < 1
    assert json.loads(output.splitlines()[-1]) == {"problem": None, "lost": 0, "waiting": 0}
    assert len(ids(path)) == 51


def test_a_read_only_ledger(tmp_path: Path):
    """A ledger that may not be written keeps its rows in memory, counts them, and stays as it is."""
    folder = tmp_path / "home"
    folder.mkdir()
    path = folder / "ledger.sqlite"
    start(path, "count", "a", "3").communicate(timeout=60)
    with read_only(folder) as prefix:
        output, _ = start(path, "slow", "b", prefix=prefix).communicate(b"row\nend\n", timeout=100)
    first, second, end = (json.loads(line) for line in output.splitlines())

    for waiting, said in ((1, first), (2, second), (2, end)):
        assert said["waiting"] == waiting
        assert said["problem"].startswith(f"The ledger cannot be written: `{path}`")
        assert f"{waiting} rows wait in memory" in said["problem"]
    assert second["seconds"] < 0.5
    assert ids(path) == ["a-0", "a-1", "a-2"]


@contextmanager
def read_only(folder: Path) -> Iterator[list[str]]:
    """Make a folder read-only for a command that is begun with this prefix; root needs a mount for that."""
    if os.geteuid() == 0:
        remount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        yield ["unshare", "--mount", "sh", "-c", remount, str(folder)]
        return
    files = list(folder.iterdir())
    for found in files:
        found.chmod(0o400)
    folder.chmod(0o500)
    try:
        yield []
    finally:
        folder.chmod(0o700)
        for found in files:
            found.chmod(0o600)


def test_many_lives_at_once(tmp_path: Path):
    """Four writers in four processes share one ledger; each row is there once."""
    path = tmp_path / "ledger.sqlite"
    writers = [start(path, "count", f"w{number}", "500") for number in range(4)]
    ends = [json.loads(writer.communicate(timeout=100)[0].splitlines()[-1]) for writer in writers]
    found = until(lambda: ids(path), within=10)

    assert ends == [{"problem": None, "lost": 0, "waiting": 0}] * 4
    assert len(found) == len(set(found)) == 2000
