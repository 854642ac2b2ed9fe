"""
What native code makes of updates, in a process of its own.

Whoever is wrong about an update's safety ends that process, not the tests. Its memory is bounded,
so that a bomb shows as an error and not as a slow machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.support import wire

_SURVEY = """
import json, resource, sys, pycrdt

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

def attempt(report, name, call):
    try:
        return call()
    except BaseException as error:
        kinds = [each.__name__ for each in type(error).__mro__]
        report["panics" if "Exception" not in kinds else "errors"].append(f"{name}: {error}")

def survey(update):
    report = {"panics": [], "errors": [], "vector": None}
    vector = attempt(report, "get_state", lambda: pycrdt.get_state(update))
    report["vector"] = vector and vector.hex()
    attempt(report, "merge", lambda: pycrdt.merge_updates(update, update))
    for asked in (b"\\0", b"\\1\\1\\2", b"\\2\\1\\1\\5\\3", vector or b"\\0"):
        attempt(report, "get_update", lambda: pycrdt.get_update(update, asked))
    return report

def load(update):
    report = {"panics": [], "errors": [], "vector": None}
    document = pycrdt.Doc()
    attempt(report, "apply", lambda: document.apply_update(update))
    report["vector"] = document.get_state().hex()
    encoded = attempt(report, "encode", document.get_update)
    again = pycrdt.Doc()
    attempt(report, "reload", lambda: again.apply_update(encoded))
    return report

check = {"survey": survey, "load": load}[sys.argv[1]]
for line in sys.stdin:
    print(json.dumps(check(bytes.fromhex(line))), flush=True)
"""

_SECONDS_MAX = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one update."""

    panics: list[str]
    errors: list[str]
    vector: dict[int, int] | None
    """How far native code says that it reaches."""


def survey(updates: list[bytes]) -> list[Report]:
    """The functions on bytes, which a server calls with every update that passed the vet."""
    return _run("survey", updates)


def load(updates: list[bytes]) -> list[Report]:
    """A new document each, given one update, encoded and loaded again."""
    return _run("load", updates)


def _run(check: str, updates: list[bytes]) -> list[Report]:
    child = subprocess.run(
        [sys.executable, "-c", _SURVEY, check],
        input="\n".join(map(bytes.hex, updates)),
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
    )
    lines = child.stdout.splitlines()
    if child.returncode:
        killer = updates[len(lines)].hex() if len(lines) < len(updates) else "?"
        raise AssertionError(f"ended with {child.returncode} at {killer}: {child.stderr[-500:]}")
    return [_report(json.loads(line)) for line in lines]


def _report(line: dict[str, list[str] | str | None]) -> Report:
    vector = line["vector"]
    reached = wire.state_vector(bytes.fromhex(vector)) if isinstance(vector, str) else None
    panics, errors = line["panics"], line["errors"]
    assert isinstance(panics, list) and isinstance(errors, list)
    return Report(panics, errors, reached)
