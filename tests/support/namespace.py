"""A network with nothing in it: a Linux network namespace whose only interface is `lo`, held open by one process."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOLD = "ip link set lo up && echo ready && exec cat"
# As root, else as a user that may map itself to root in a user namespace of its own.
WAYS = (
    (("unshare", "--net"), ("nsenter", "--net")),
    (("unshare", "--map-root-user", "--net"), ("nsenter", "--user", "--preserve-credentials", "--net")),
)


@dataclass(frozen=True, slots=True)
class Network:
    """`prefix` before a command line runs it in this network; empty when it is the machine's own."""

    prefix: tuple[str, ...]
    description: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing but loopback can be reached in it."""
        return bool(self.prefix)


MACHINE = Network((), "the machine's own network, because it permits no network namespace")


@contextmanager
def empty_network() -> Iterator[Network]:
    """A new namespace for the length of the block, or `MACHINE` where none is permitted."""
    for unshare, nsenter in WAYS:
        try:
            holder = subprocess.Popen(
                [*unshare, "sh", "-c", HOLD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except FileNotFoundError:
            continue
        with holder:
            if holder.stdout is not None and holder.stdout.readline() == "ready\n":
                yield Network((*nsenter, f"--target={holder.pid}", "--"), "an empty network namespace")
                holder.terminate()
                return
    yield MACHINE
