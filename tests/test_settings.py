"""Settings: flags before variables before the file before defaults; plain words if wrong."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncroom import cli
from syncroom.errors import Misconfigured
from syncroom.limits import Limits
from syncroom.settings import OF_COMMANDS, Settings, load_settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SYNCROOM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "syncroom.toml"
    file.write_text('port = 1001\nhost = "0.0.0.0"\n[limits]\nrefusal_s = 1.5\n')
    return file


def test_the_defaults_serve_this_machine_alone() -> None:
    settings = load_settings()

    assert (settings.host, settings.port) == ("127.0.0.1", 8420)
    assert settings.data_dir == Path("syncroom-data")
    assert settings.log_level == "info"
    assert settings.secret is None
    assert settings.limits == Limits()


def test_a_file_is_read(config: Path) -> None:
    settings = load_settings(config)

    assert (settings.host, settings.port) == ("0.0.0.0", 1001)
    assert settings.limits.refusal_s == 1.5
    assert settings.limits.keepalive_s == Limits().keepalive_s


def test_flags_win_over_variables_and_variables_over_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCROOM_PORT", "1002")
    assert load_settings(config).port == 1002

    assert load_settings(config, port=1003, host=None).port == 1003
    assert load_settings(config, port=None).port == 1002
    assert load_settings(config, port=None).host == "0.0.0.0"


def test_a_limit_can_be_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCROOM_LIMITS__REFUSAL_S", "0.25")

    assert load_settings().limits.refusal_s == 0.25


def test_the_secret_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCROOM_SECRET", "a-secret-of-many-characters-0123456789")

    settings = load_settings()

    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "a-secret-of-many-characters-0123456789"
    assert "a-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = 70000\n", "'port' is wrong: .* 65535, not '70000'"),
        ("prot = 8420\n", "no setting 'prot'; there is 'port'"),
        ("[limits]\nrefusal = 1\n", "no setting 'limits.refusal'; there is 'refusal_s'"),
        ("nothing_like_it = 1\n", "no setting 'nothing_like_it'$"),
        ('public_url = "here"\n', "is wrong: it must be an http or https URL, not 'here'"),
        ("[limits]\nrefusal_s = 0\n", "limits.refusal_s"),
        ("[limits]\nvalue_depth_max = 101\n", "limits.value_depth_max"),
        ('log_level = "loud"\n', "log_level"),
        ("limits = 3\n", "'limits' is wrong: input should be a valid dictionary, not '3'$"),
        ("[port]\nx = 1\n", "'port' is wrong"),
        ("[nowhere.deep]\nx = 1\n", "no setting 'nowhere'"),
        ("[limits.refusal_s]\nx = 1\n", "'limits.refusal_s' is wrong"),
        ("[[backends]]\nopenai_key = 'hidden'\n", "'backends' is wrong: .* dictionary$"),
        ("port = \n", "syncroom.toml"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "syncroom.toml"
    file.write_text(text)

    with pytest.raises(Misconfigured, match=named):
        load_settings(file)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("SYNCROOM_PORT", "many", "^SYNCROOM_PORT: .* a valid integer, .*, not 'many'$"),
        ("syncroom_port", "70000", "^SYNCROOM_PORT: .* 65535, not '70000'$"),
        ("SYNCROOM_LIMITS__REFUSAL_S", "-1", "^SYNCROOM_LIMITS__REFUSAL_S: .* than 0, not '-1'$"),
        ("SYNCROOM_LIMITS__REFUSAL", "1", "^SYNCROOM_LIMITS__REFUSAL: no|.* is 'refusal_s'$"),
        (
            "SYNCROOM_LIMITS__BACKLOG__MAX",
            "1",
            "^SYNCROOM_LIMITS__BACKLOG__MAX: .* 'limits.backlog'",
        ),
        ("SYNCROOM_LIMITS", "refusal_s=1", "^SYNCROOM_LIMITS: it must be JSON, not 'refusal_s=1'$"),
        ("SYNCROOM_LIMITS", '{"refusal_s": 0}', "^SYNCROOM_LIMITS: the setting 'limits.refusal_s'"),
        ("SYNCROOM_BACKENDS", '{"openai_key": "hidden', "^SYNCROOM_BACKENDS: it must be JSON$"),
        ("SYNCROOM_BACKENDS__OPENAI_URL", "there", "'\\^https\\?://', not 'there'$"),
        ("SYNCROOM_BACKENDS__OPENAI_KEY__X", "hidden", "'backends.openai_key' .* valid string$"),
        (
            "SYNCROOM_BACKENDS__TUNNELS",
            '{"box": ["ssh"]}',
            "^SYNCROOM_BACKENDS__TUNNELS: .* 'ssh'$",
        ),
        ("SYNCROOM_BACKENDS__TUNNELS__BOX", "22", "^SYNCROOM_BACKENDS__TUNNELS__BOX: .* '22'$"),
    ],
)
def test_what_is_wrong_in_a_variable_is_named_with_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(Misconfigured, match=named):
        load_settings()


def test_a_wrong_option_is_named_whatever_the_variable_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNCROOM_PUBLIC_URL", "https://rooms.example.org")

    with pytest.raises(Misconfigured, match=r"^--public-url: .*, not 'here'$"):
        load_settings(public_url="here")


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("SYNCROOM_PROT", "'SYNCROOM_PROT'; there is 'SYNCROOM_PORT'$"),
        ("SYNCROOM_PORT__X", "'SYNCROOM_PORT__X'; there is 'SYNCROOM_PORT'$"),
        ("SYNCROOM_API_KEYS", "; there is 'SYNCROOM_API_KEY'$"),
        ("SYNCROOM_LIMIT__REFUSAL_S", "; there is 'SYNCROOM_LIMITS__REFUSAL_S'$"),
        ("SYNCROOM_OPENAI_KEY", "; there is 'SYNCROOM_BACKENDS__OPENAI_KEY'$"),
        ("SYNCROOM_QQQQ", "^nothing reads the variable 'SYNCROOM_QQQQ'$"),
    ],
)
def test_a_variable_that_nothing_reads_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv(variable, "1")

    with pytest.raises(Misconfigured, match=named):
        load_settings()


def test_variables_of_kubernetes_and_of_commands_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in OF_COMMANDS:
        monkeypatch.setenv(f"SYNCROOM_{name}", "x")
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_8420_TCP_ADDR", "WEB_SERVICE_HOST"):
        monkeypatch.setenv(f"SYNCROOM_{name}", "10.0.0.1")
    monkeypatch.setenv("SYNCROOM_WEB_PORT", "tcp://10.0.0.1:8420")

    assert load_settings().port == 8420


def test_every_variable_of_a_command_is_known() -> None:
    sources = Path(inspect.getfile(cli)).parent.rglob("*.py")
    read = {
        name for source in sources for name in re.findall(r"SYNCROOM_(\w+)", source.read_text())
    }

    assert read <= {*OF_COMMANDS, *(name.upper() for name in Settings.model_fields)}


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b'host = "\xff"\n'])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "syncroom.toml"
    file.write_bytes(raw)

    with pytest.raises(Misconfigured, match=r"syncroom\.toml"):
        load_settings(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml")


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "syncroom.toml"
    file.write_text('secret = ["hidden-from-the-message"]\n')

    with pytest.raises(Misconfigured) as refusal:
        load_settings(file)

    assert "hidden-from-the-message" not in str(refusal.value)


def test_settings_and_limits_do_not_change() -> None:
    settings = load_settings()

    for model, name in ((settings, "port"), (settings.limits, "refusal_s")):
        with pytest.raises(ValidationError):
            setattr(model, name, 1)


def test_every_setting_and_every_limit_says_what_it_is() -> None:
    for model in (Settings, Limits):
        source = Path(inspect.getfile(model)).read_text()
        for name in model.model_fields:
            declared = source.split(f"\n    {name}: ", 1)[1]
            following = declared.split("\n", 1)[1] if "\n" in declared else ""
            assert following.lstrip().startswith('"""'), name
