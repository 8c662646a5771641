import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.project.source import ROOT, named

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    mapped: dict[str, str] = SETUPTOOLS["package-dir"]
    top = max((name for name in mapped if f"{package}.".startswith(f"{name}.")), key=len)
    return ROOT / mapped[top] / package.removeprefix(top).replace(".", "/").lstrip("/")


def test_every_folder_of_code_is_a_listed_package_and_every_listed_one_is_there() -> None:
    roots = [ROOT / folder for folder in SETUPTOOLS["package-dir"].values()]
    in_tree = {named(path.parent) for root in roots for path in root.rglob("*.py")}
    assert {named(folder_of(package)) for package in SETUPTOOLS["packages"]} == in_tree


@pytest.mark.parametrize("folder", SETUPTOOLS["package-dir"].values())
def test_every_top_package_says_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


def floor(distribution: str) -> tuple[int, ...]:
    (requirement,) = (r for r in PROJECT["project"]["dependencies"] if r.startswith(f"{distribution}>="))
    return version(requirement.removeprefix(f"{distribution}>=").partition(",")[0])


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def generated_by(stubs: str, pattern: str) -> set[tuple[int, ...]]:
    texts = [path.read_text() for path in (ROOT / "protos").rglob(stubs)]
    return {version(found) for text in texts for found in re.findall(pattern, text)}


def test_the_stubs_load_on_the_oldest_runtimes_that_are_promised() -> None:
    (messages,) = generated_by("*_pb2.py", r"Protobuf Python Version: (\S+)")
    (services,) = generated_by("*_pb2_grpc.py", r"GRPC_GENERATED_VERSION = '(.+)'")
    assert messages <= floor("protobuf")
    assert services[:2] <= floor("grpcio")


def test_every_stub_has_its_types() -> None:
    for stub in (ROOT / "protos").rglob("*_pb2*.py"):
        assert stub.with_suffix(".pyi").is_file(), named(stub)
