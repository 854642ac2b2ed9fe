"""A container engine of the tests' own: Podman on a socket, with one small image."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.driver import need

IMAGE = "localhost/busybox:test"
_BUSYBOX = "/usr/bin/busybox"
_COMMANDS = ("sh", "cat", "echo", "env", "nc", "sleep", "stty", "true")

# What containers need that start inside of another one.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "{netns}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""

# A service finds the socket that was opened for it as systemd hands one over.
_LISTEN = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Podman:
    """Podman's service, on a folder of its own that goes with it.

    Args:
        netns: ``none``, or ``bridge`` for containers whose ports can be reached.
    """

    def __init__(self, netns: str = "none") -> None:
        for program in ("podman", "runc", "conmon", *(["iptables"] if netns == "bridge" else [])):
            if shutil.which(program) is None:
                need(f"{program} is not installed")
        self._made = tempfile.TemporaryDirectory(prefix="podman-")
        self._folder = folder = Path(self._made.name)  # short, as podman and sockets want it
        self._path = folder / "engine.sock"
        self.url = f"unix://{self._path}"
        (folder / "containers.conf").write_text(_SETTINGS.format(netns=netns))
        self._import_image()
        self._process = self._serve()

    def _serve(self) -> subprocess.Popen[bytes]:
        """Listen here, so that whoever asks before it is ready waits."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen()
            command = self._command("system", "service", "--time", "0")
            with (self._folder / "log").open("w") as log:
                return subprocess.Popen(
                    [sys.executable, "-c", _LISTEN, str(listener.fileno()), *command],
                    env=self._environment(),
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._run("rm", "--all", "--force", "--time", "0")
        self._made.cleanup()

    def _import_image(self) -> None:
        if not os.path.exists(_BUSYBOX):
            need("busybox-static is not installed")
        programs = self._folder / "image" / "bin"
        programs.mkdir(parents=True)
        shutil.copy(_BUSYBOX, programs / "busybox")
        for command in _COMMANDS:
            (programs / command).symlink_to("busybox")
        archive = self._folder / "image.tar"
        subprocess.run(["tar", "-cf", archive, "-C", self._folder / "image", "."], check=True)
        self._run("import", str(archive), IMAGE)

    def _run(self, *arguments: str) -> None:
        command = self._command(*arguments)
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def _command(self, *arguments: str) -> list[str]:
        places = [f"--root={self._folder / 'root'}", f"--runroot={self._folder / 'run'}"]
        return ["podman", *places, "--storage-driver=vfs", *arguments]

    def _environment(self) -> dict[str, str]:
        settings = str(self._folder / "containers.conf")
        return os.environ | {"CONTAINERS_CONF": settings, "TMPDIR": str(self._folder)}
