"""Settings: precedence, and one readable line for each wrong one."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ligserve.client.cli.app import app
from ligserve.server.config import ConfigError, ModelSpec, ServerConfig, load_config

MODELS = {"models": ["m=hub/id"]}


def config(flags: dict[str, Any] | None = None, toml: Path | None = None, **environ: str) -> ServerConfig:
    return load_config(flags, config_file=toml, environ=environ)


def test_flags_go_before_environment_before_file_before_defaults(tmp_path: Path) -> None:
    toml = tmp_path / "ligserve.toml"
    toml.write_text('max_queue = 1\nworkers = 1\nlog_level = "debug"\n[models.m]\nsource = "hub/id"\n')
    found = config({"max_queue": 3, "listen": None}, toml, LIGSERVE_MAX_QUEUE="2", LIGSERVE_WORKERS="2")
    assert (found.max_queue, found.workers, found.log_level) == (3, 2, "debug")
    assert found.listen == "127.0.0.1:50051"
    assert load_config(environ={"LIGSERVE_CONFIG": str(toml)}).log_level == "debug"


def test_the_help_tells_the_defaults_that_hold() -> None:
    serve = getattr(get_command(app), "commands")["serve"]  # noqa: B009  # click's groups are not typed
    helps = {option.name: option.help for option in serve.params}
    default = ServerConfig(models=())
    for name in ("listen", "workers", "kept_points_mib", "jobs_per_worker", "max_queue", "max_text_chars"):
        assert helps[name].endswith(f" Default: {getattr(default, name)}."), name
    assert helps["max_deadline"].endswith(f" Default: {default.max_deadline_s:g}.")
    assert helps["drain_grace"].endswith(f" Default: {default.drain_grace_s:g}.")
    assert helps["log_level"].endswith(f" Default: {default.log_level}.")
    for name in ("reflection", "json_logs"):
        assert helps[name].endswith(f" Default: {'yes' if getattr(default, name) else 'no'}."), name


def test_models_of_a_file_may_do_what_those_of_flags_may_not(tmp_path: Path) -> None:
    toml = tmp_path / "ligserve.toml"
    toml.write_text(
        f'[models]\na = "hub/a@v1"\n[models.b]\nsource = "{tmp_path}"\nallow_pickle = true\nnum_labels = 3\n'
        'precisions = ["bfloat16", "float32"]\n'
    )
    first, second = config(None, toml).models
    assert first == ModelSpec(name="a", source="hub/a", revision="v1")
    own = ("bfloat16", "float32")
    assert second == ModelSpec(
        name="b", source=str(tmp_path), allow_pickle=True, num_labels=3, precisions=own
    )


def test_models_of_the_environment() -> None:
    assert [m.name for m in config(None, None, LIGSERVE_MODELS="a=x/y@r;b=z").models] == ["a", "b"]


def test_an_existing_directory_wins_over_a_revision(tmp_path: Path) -> None:
    directory = tmp_path / "model@v2"
    directory.mkdir()
    assert ModelSpec.parse(f"m={directory}") == ModelSpec(name="m", source=str(directory))
    assert ModelSpec.parse("m=hub/id@v2") == ModelSpec(name="m", source="hub/id", revision="v2")


def test_threads_of_all_workers_fit_the_cores() -> None:
    cores = len(os.sched_getaffinity(0))
    for workers in range(1, cores + 1):
        found = config({**MODELS, "workers": workers})
        assert 1 <= found.threads * workers <= cores
    assert config({**MODELS, "workers": 10 * cores}).threads == 1
    assert config({**MODELS, "threads_per_worker": 7}).threads == 7


def test_devices_are_shared_out() -> None:
    found = config({**MODELS, "devices": "cuda:0,cuda:1", "workers": 3})
    assert found.device_of_each_worker == ("cuda:0", "cuda:1", "cuda:0")


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("listen", "50051", "--listen: '50051' is not HOST:PORT"),
        ("listen", "h:70000", "is not HOST:PORT"),
        ("models", ["m"], "--model: 'm' is not NAME="),
        ("models", ["m="], "is not NAME="),
        ("models", ["sp ace=x"], "is no name for a model"),
        ("models", ["m=/no/such/dir"], "there is no model directory /no/such/dir"),
        ("models", ["m=a", "m=b"], "two models are called 'm'"),
        ("models", {"m": {}}, "model 'm' needs a source"),
        ("models", {"m": {"source": "a", "colour": 1}}, "no setting 'colour'"),
        (
            "models",
            {"m": {"source": "a", "precisions": "float8"}},
            "'float8' is no precision; there are float32",
        ),
        ("models", 3, "not a list of texts"),
        ("workers", "many", "--workers: 'many' is not a whole number from 1 to 1024"),
        ("workers", 0, "is not a whole number"),
        ("workers", True, "is not a whole number"),
        ("devices", "gpu", "--device: 'gpu' is no device"),
        ("devices", "", "no device is given"),
        ("max_token_passes", -1, "--max-token-passes: -1 is not a whole number from 0"),
        ("max_token_passes", "1e9", "'1e9' is not a whole number"),
        ("models", {"m": {"source": "a", "max_token_passes": "x"}}, "'x' is not a whole number"),
        ("max_deadline_s", "nan", "--max-deadline: 'nan' is not a number of seconds above 0"),
        ("max_deadline_s", 0, "above 0"),
        ("drain_grace_s", -1, "from 0"),
        ("reflection", "perhaps", "neither true nor false"),
        ("log_level", "loud", "there are debug, info, warning, error"),
        ("colour", "red", "no such setting"),
    ],
)
def test_wrong_values(name: str, value: object, part: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config({**MODELS, name: value})
    assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_errors_name_where_a_setting_came_from(tmp_path: Path) -> None:
    toml = tmp_path / "c.toml"
    toml.write_text("workers = 'x'")
    with pytest.raises(ConfigError, match=r"^workers in .*c\.toml: 'x' is not"):
        config(MODELS, toml)
    with pytest.raises(ConfigError, match=r"^LIGSERVE_WORKERS: 'x' is not"):
        config(MODELS, None, LIGSERVE_WORKERS="x")
    toml.write_text("workers = = 3")
    with pytest.raises(ConfigError, match="not TOML"):
        config(MODELS, toml)
    with pytest.raises(ConfigError, match="No such file"):
        config(MODELS, tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="none given"):
        config()


def test_every_setting_can_be_read() -> None:
    from ligserve.server.config import _PARSERS

    assert set(_PARSERS) == set(ServerConfig.__dataclass_fields__)
