"""
The servers that syncroom is measured beside: published packages, pinned, unmodified.

They are installed into a folder of their own by the ordinary clients. One that can't be installed
or run here is reported as missing, with the reason.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.errors import MeasurementFailed
from benchmarks.wire import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.servers import Kind

_SOURCES = Path(__file__).parent / "peer-servers"
_INSTALL_S_MAX = 180.0


@dataclass(frozen=True)
class YWebsocket:
    """The server that comes with y-websocket, as its README starts it: in memory."""

    installed: Path
    name: str = "y-websocket"
    version: str = "2.1.0"
    dialect: Dialect = Dialect.YJS

    def command(self, port: int, data_dir: Path) -> list[str]:
        return ["node", str(self.installed / "node_modules/y-websocket/bin/server.cjs")]

    def environment(self, port: int) -> Mapping[str, str]:
        return {"HOST": "127.0.0.1", "PORT": str(port)}

    def path(self, document: str, client: int) -> str:
        return f"/{quote(document)}"


@dataclass(frozen=True)
class Hocuspocus:
    """Hocuspocus' server without extensions: in memory, everybody may do everything."""

    installed: Path
    name: str = "hocuspocus"
    version: str = "4.7.0"
    dialect: Dialect = Dialect.HOCUSPOCUS

    def command(self, port: int, data_dir: Path) -> list[str]:
        return ["node", str(self.installed / "hocuspocus.mjs"), str(port)]

    def environment(self, port: int) -> Mapping[str, str]:
        return {}

    def path(self, document: str, client: int) -> str:
        return "/"


@dataclass(frozen=True)
class PycrdtWebsocket:
    """pycrdt-websocket on the websockets package: in memory."""

    installed: Path
    name: str = "pycrdt-websocket"
    version: str = "0.16.5"
    dialect: Dialect = Dialect.YJS

    def command(self, port: int, data_dir: Path) -> list[str]:
        program = str(_SOURCES / "pycrdt_websocket_server.py")
        return [str(self.installed / "bin/python"), program, str(port)]

    def environment(self, port: int) -> Mapping[str, str]:
        return {}

    def path(self, document: str, client: int) -> str:
        return f"/{quote(document)}"


PEERS = ("y-websocket", "hocuspocus", "pycrdt-websocket")


def install(name: str, cache: Path) -> Kind:
    """Install a peer where that has not been done yet. Raises `MeasurementFailed`."""
    if name == "pycrdt-websocket":
        return PycrdtWebsocket(_install_python(cache / "python"))
    installed = _install_node(cache / "node")
    return YWebsocket(installed) if name == "y-websocket" else Hocuspocus(installed)


def _install_node(folder: Path) -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise MeasurementFailed(f"{program} is not installed")
    names = ("package.json", "package-lock.json", ".npmrc", "hocuspocus.mjs")
    sources = [_SOURCES / name for name in names]
    if not _is_installed(folder, sources):
        for source in sources:
            shutil.copy(source, folder)
        _run(["npm", "ci"], folder)
        _note_installed(folder, sources)
    return folder


def _install_python(folder: Path) -> Path:
    sources = [_SOURCES / "requirements.txt"]
    if not _is_installed(folder, sources):
        _run([sys.executable, "-m", "venv", "--clear", "."], folder)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, "--requirement", str(sources[0])], folder)
        _note_installed(folder, sources)
    return folder


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_INSTALL_S_MAX)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {error.returncode}"
        raise MeasurementFailed(f"{' '.join(command[:2])} failed: {reason}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementFailed(f"{' '.join(command[:2])} failed: {error}") from None


def _is_installed(folder: Path, sources: list[Path]) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "installed"
    return note.is_file() and note.read_text() == _digest(sources)


def _note_installed(folder: Path, sources: list[Path]) -> None:
    (folder / "installed").write_text(_digest(sources))


def _digest(sources: list[Path]) -> str:
    return hashlib.sha256(b"".join([source.read_bytes() for source in sources])).hexdigest()
