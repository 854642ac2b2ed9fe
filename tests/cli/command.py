"""A group of commands, called as people and scripts call it."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from typer.testing import CliRunner

from syncroom.cli import app
from syncroom.errors import SyncroomError


class Ended(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """A group of commands with the options that name what they are about.

    Args:
        group: its name.
        where: options for all of its commands.
        environment: variables beside those of the machine; ``SYNCROOM_*`` are these alone.
    """

    def __init__(self, group: str, *where: str, **environment: str) -> None:
        self._group = group
        self._where = where
        unset = {name: None for name in os.environ if name.upper().startswith("SYNCROOM_")}
        self._environment = unset | environment

    def run(self, *arguments: str, stdin: bytes = b"") -> Ended:
        command = [self._group, *arguments, *self._where]
        done = CliRunner().invoke(app, command, input=stdin, env=self._environment)
        if isinstance(done.exception, SyncroomError):  # as main() does
            return Ended(2, done.stdout, str(done.exception))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Ended(done.exit_code, done.stdout, done.stderr)

    def out(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.out(*arguments, "--output", "json"))

    def error(self, *arguments: str) -> str:
        """What is said where it can't be done."""
        done = self.run(*arguments)
        assert done.returncode == 2, done.stdout
        return done.stderr
