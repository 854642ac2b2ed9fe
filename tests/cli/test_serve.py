"""What people see of ``syncroom serve`` and ``syncroom demo``, told from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S = 60


def command(*arguments: str, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A syncroom command in a folder of its own, with none of the tester's own settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SYNCROOM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "syncroom", *arguments],
        cwd=folder,
        env={**inherited, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def failure(*arguments: str, folder: Path, **variables: str) -> str:
    """The one line that a command ends with when it can't do what it was told."""
    with command(*arguments, folder=folder, **variables) as process:
        out, err = process.communicate(timeout=START_S)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A running demo: its URL and its links."""
    with command("demo", "--port", "0", folder=tmp_path) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        yield (
            lines[0].split()[-1],
            [word for line in lines for word in line.split() if "/#" in word],
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0


def test_demo_prints_one_link_to_write_and_one_to_read(demo: tuple[str, list[str]]) -> None:
    url, links = demo
    rights = []

    for link in links:
        fragment = parse_qs(urlsplit(link).fragment)
        answer = httpx.get(
            f"{url}/api/rooms/{fragment['room'][0]}/documents",
            headers={"Authorization": f"Bearer {fragment['token'][0]}"},
        )
        rights.append((answer.status_code, answer.json()["participant"]["name"]))

    assert rights == [(200, "Ann"), (200, "Ben")]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        said = failure("serve", "--port", port, folder=tmp_path)

    assert f"port {port}" in said
    assert "in use" in said


@pytest.mark.parametrize(
    ("arguments", "variables", "word"),
    [
        (["serve", "--config", "nowhere.toml"], {}, "nowhere.toml"),
        (["serve", "--port", "many"], {}, "--port: "),
        (["serve"], {"SYNCROOM_PORT": "many"}, "SYNCROOM_PORT: "),
        (["serve"], {"SYNCROOM_PROT": "8421"}, "SYNCROOM_PORT"),
        (["serve"], {"SYNCROOM_LIMITS__REFUSAL_S": "-1"}, "limits.refusal_s"),
        (["serve", "--data-dir", "a-file"], {}, "a-file"),
        (["serve", "--host", "300.1.1.1"], {}, "300.1.1.1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], word: str
) -> None:
    (tmp_path / "a-file").write_text("")

    said = failure(*arguments, folder=tmp_path, **variables)

    assert word in said


def test_a_settings_file_counts_less_than_a_variable_and_more_than_the_default(
    tmp_path: Path,
) -> None:
    config = tmp_path / "syncroom.toml"
    config.write_text('port = 1\nhost = "300.1.1.1"\n')

    from_file = failure("serve", "--config", str(config), folder=tmp_path)
    from_variable = failure(
        "serve", "--config", str(config), folder=tmp_path, SYNCROOM_HOST="300.2.2.2"
    )

    assert "300.1.1.1 port 1" in from_file
    assert "300.2.2.2 port 1" in from_variable
