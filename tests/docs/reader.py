"""
A reader of the docs: somebody with a fresh clone and a terminal, who runs what a page says.

What can't be had in a test is stood in for: the environment in ``.venv`` is there already and uses
the packages that run the tests, ``pip`` only checks that what is asked for is there, ``make`` says
what it would do unless it is ``make demo``, pytest collects, and the benchmarks read their options.
Port 8420 is another one, and ``eyJ...`` in a program is a token.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import threading
import venv
from typing import TYPE_CHECKING, Any

from tests.docs.pages import ROOT
from tests.meshagent.sdk import CLI as MESHAGENT_CLI
from tests.meshagent.sdk import MODULES as MESHAGENT_MODULES
from tests.support.node import CLIENTS
from tests.support.ports import hold_port, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.pages import Step

PORT = "8420"
PLACEHOLDER = "eyJ..."
READY = re.compile(r"syncroom listening on |Running on http|Uvicorn running on http")
SERVES = re.compile(
    r"^(make demo|syncroom (serve|demo)|python -m (uvicorn|hypercorn)|python \w+\.py$)"
)
NAMED = re.compile(r"# (\w+\.py)\n")
"""How a program begins that the reader saves, to run it later."""
WAIT_S_MAX = 60.0

_SYNCROOM = """\
#!{python}
from syncroom.cli import main
main()
"""

_PIP = """\
#!{python}
import importlib.metadata, sys
assert sys.argv[1] == "install", sys.argv
for package in sys.argv[2:]:
    importlib.metadata.version(package)
"""

_BENCHMARKS = """\
import importlib.util
import benchmarks
benchmarks.__path__.append({folder!r})
spec = importlib.util.spec_from_file_location("benchmarks.suite_main", {folder!r} + "/__main__.py")
main = importlib.util.module_from_spec(spec)
spec.loader.exec_module(main)
main._parser().parse_args()
"""

_MODULES = {
    "yjs": CLIENTS / "node_modules/yjs",
    "ws": CLIENTS / "node_modules/ws",
    "y-websocket": CLIENTS / "node_modules/y-websocket-3",
    "@y/websocket": CLIENTS / "node_modules/@y/websocket",
    "@y/y": CLIENTS / "node_modules/@y/y",
    "@meshagent/meshagent": MESHAGENT_MODULES / "@meshagent/meshagent",
}
"""What programs import, and the folder that has it."""


class Serving:
    """A server that the reader has running in another terminal."""

    def __init__(self, process: subprocess.Popen[str], output: str | None) -> None:
        self._process = process
        self._output = output
        self._printed = ""
        self._is_ready = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if not self._is_ready.wait(WAIT_S_MAX) or not self._is_as_told():
            self.stop()
            raise AssertionError(f"the server prints\n{self._printed}")

    def stop(self) -> None:
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(WAIT_S_MAX)
        self._reading.join(WAIT_S_MAX)

    def _is_as_told(self) -> bool:
        told = self._output is None or matches(self._output, self._printed)
        return told and READY.search(self._printed) is not None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._printed += line
                if self._is_as_told():
                    self._is_ready.set()
        # Who waits for it to be ready need not wait on.
        self._is_ready.set()


class Reader:
    """Runs the steps of one page, in order, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held_port = hold_port()
        self._port = str(number_of(self._held_port))
        self._serving: Serving | None = None
        self._state = ""
        """What ``export`` and ``cd`` left behind for the next command, as shell code."""
        self._token = ""
        """What stands in for `PLACEHOLDER`."""
        self._count = 0
        _clone(folder)

    def run(self, step: Step) -> None:
        code = step.block.code.replace(PORT, self._port)
        output = None if step.output is None else step.output.replace(PORT, self._port)
        if step.block.language == "sh":
            self._run_commands(code, output)
            return
        named = NAMED.match(code)
        if named is not None:
            (self.folder / named[1]).write_text(code)
            return
        if self._serving is None:
            self._serve(".venv/bin/syncroom serve", None)
        if step.block.language == "python":
            environment = ".venv-meshagent" if uses_meshagent(step) else ".venv"
            self._run_program(code, "py", environment + "/bin/python {}", output)
        else:
            if not uses_meshagent(step):
                code += "\nglobalThis.settled(provider)\n"
            self._run_program(code, "mjs", "node --import ./settle.mjs {}", output)

    def close(self) -> None:
        if self._serving is not None:
            self._serving.stop()
        self._held_port.close()

    def _run_commands(self, code: str, output: str | None) -> None:
        *before, last = code.strip().split("\n")
        if SERVES.match(last):
            self._shell("\n".join(before))
            self._serve(last, output)
            return
        printed = self._shell(code)
        assert output is None or matches(output, printed), f"it prints\n{printed}"

    def _run_program(self, code: str, ending: str, command: str, output: str | None) -> None:
        if PLACEHOLDER in code:
            create = ".venv/bin/syncroom token create --room demo --name Ann"
            self._token = self._token or self._shell(create).strip()
            code = code.replace(PLACEHOLDER, self._token)
        self._count += 1
        file = f"program-{self._count}.{ending}"
        (self.folder / file).write_text(code)
        printed = self._shell(command.format(file))
        assert output is None or matches(output, printed), f"it prints\n{printed}"

    def _shell(self, code: str) -> str:
        """What commands print; the shell's variables are kept for the next ones."""
        state = self.folder / ".state"
        keep = f"{{ declare -px; declare -p TOKEN; }} > {state} 2>/dev/null || true"
        ended = subprocess.run(
            ["bash", "-c", f"{self._state}\nset -eu -o pipefail\n{code}\n{keep}"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, f"{code}\n{ended.stdout}{ended.stderr}"
        self._state = state.read_text()
        return ended.stdout

    def _serve(self, command: str, output: str | None) -> None:
        if self._serving is not None:
            self._serving.stop()
        self._serving = None
        with (self.folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"{self._state}\nunset MAKEFLAGS\nexec {command}"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if command.startswith("python") else log,
                text=True,
                start_new_session=True,
            )
        try:
            self._serving = Serving(process, output)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(self.folder / 'server.log').read_text()}") from None

    def _environment(self) -> dict[str, str]:
        theirs = ("SYNCROOM_", "PYTEST_", "VIRTUAL_ENV", "MAKE", "MESHAGENT_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
        programs = f"{os.environ['PATH']}:{MESHAGENT_CLI.parent}"
        ours = {"SYNCROOM_PORT": self._port, "MAKEFLAGS": "n", "PATH": programs}
        ours["PYTHONUNBUFFERED"] = "1"
        return kept | ours | {"PYTEST_ADDOPTS": "--collect-only --quiet -p no:cacheprovider"}


def uses_meshagent(step: Step) -> bool:
    """Whether it needs an SDK or the command line of MeshAgent."""
    return "meshagent" in step.block.code


def matches(expected: str, printed: str) -> bool:
    """Whether something is printed as told; of JSON the order of keys does not count."""
    try:
        return _is_like(json.loads(expected), json.loads(printed))
    except ValueError:
        pass
    pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def _is_like(expected: Any, value: Any) -> bool:
    if isinstance(expected, dict) and isinstance(value, dict):
        alike = (_is_like(each, value.get(key)) for key, each in expected.items())
        return expected.keys() == value.keys() and all(alike)
    if isinstance(expected, list) and isinstance(value, list):
        return len(expected) == len(value) and all(map(_is_like, expected, value))
    return bool(expected == "..." or expected == value)


def _clone(folder: Path) -> None:
    """A folder like a clone in which ``make`` has been run."""
    for file in ("Makefile", "pyproject.toml", "syncroom/web/package-lock.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    unneeded = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=unneeded)
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "__init__.py").touch()
    benchmarks = _BENCHMARKS.format(folder=str(ROOT / "benchmarks"))
    (folder / "benchmarks" / "__main__.py").write_text(benchmarks)
    _install_python(folder / ".venv")
    (folder / ".venv-meshagent").symlink_to(MESHAGENT_CLI.parents[1])
    _install_modules(folder)


def _install_python(environment: Path) -> None:
    """An environment that finds this syncroom and the packages of the tests."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    theirs = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "tests.pth").write_text("\n".join([str(ROOT), *theirs]))
    for name, script in (("syncroom", _SYNCROOM), ("pip", _PIP)):
        program = environment / "bin" / name
        program.write_text(script.format(python=environment / "bin" / "python"))
        program.chmod(0o755)
    for stamp in ("installed", "dev-installed"):
        (environment / stamp).touch()


def _install_modules(folder: Path) -> None:
    shutil.copy(ROOT / "tests" / "docs" / "settle.mjs", folder)
    for name, theirs in _MODULES.items():
        module = folder / "node_modules" / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.symlink_to(theirs)
