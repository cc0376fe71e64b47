"""Programs and network namespaces of one test run, and an orderly end for both."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60
"""How long anything may take to start or to take effect."""


class MeshError(Exception):
    """Something did not start, or did not come about in time."""


def run(*command: object, check: bool = True, **more) -> subprocess.CompletedProcess:
    """Runs a command to its end, its output captured as text."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        raise MeshError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_for(what: str, test: Callable[[], object], seconds: float = SECONDS) -> object:
    """What `test` gives, once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := test():
                return found
        if time.monotonic() > deadline:
            raise MeshError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.1)


@dataclass
class Process:
    """A program that runs until it is stopped, its output in a file."""

    name: str
    popen: subprocess.Popen
    log: Path

    def check(self) -> None:
        """Fails, with the program's last words, where it has ended."""
        if self.popen.poll() is not None:
            tail = "\n".join(self.text().splitlines()[-15:])
            raise MeshError(f"{self.name} ended with {self.popen.returncode}:\n{tail}")

    def text(self) -> str:
        """All that it has said."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        for sign, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
                return


class Machine:
    """What a run has started, stopped in reverse at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"sp{os.getpid() % 100_000}"
        self.stack = contextlib.ExitStack()

    def netns(self, name: str) -> str:
        """Makes a network namespace; its full name is unique on the machine."""
        name = f"{self.prefix}-{name}"
        run("ip", "netns", "add", name)
        self.stack.callback(run, "ip", "netns", "del", name, check=False)
        run("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def start(self, name: str, command: list, environment: dict | None = None, folder: Path | None = None) -> Process:
        """Starts a program. It sees nothing of our environment but the path."""
        folder = folder or self.folder
        folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("a") as output:
            # Envoy opens its standard output once more, as another user.
            log.chmod(0o666)
            popen = subprocess.Popen(
                [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})},
            )
        process = Process(name, popen, log)
        self.stack.callback(process.stop)
        return process
