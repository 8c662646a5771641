import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.project.source import ROOT, files, imports, named

# From the top down: a package imports those below it only, and modules that stand beside all of them.
OF_THE_WORKERS = (
    "jobs",
    "costs",
    "probes",
    "explainers",
    "explainers.documents",
    "explainers.options",
    "explainers.targets",
    "explainers.inputs",
    "explainers.plans",
    "engine",
    "models",
    "quadrature",
)
HEAVY = ("torch", "transformers", "captum", "tokenizers", "safetensors", "numpy", "sentencepiece")


def offenders(folder: str, forbidden: Sequence[str], *, except_in: str) -> dict[str, list[str]]:
    found = {
        named(path): [name for name in imports(path) if name.startswith(tuple(forbidden))]
        for path in files(folder)
        if not path.is_relative_to(ROOT / except_in)
    }
    return {path: names for path, names in found.items() if names}


def test_the_client_knows_nothing_of_the_server_but_how_to_offer_serve() -> None:
    assert not offenders("client", ["ligserve.server", "ligserve.internal"], except_in="client/cli")


def test_heavy_packages_are_imported_beside_models_only() -> None:
    assert not offenders("server", HEAVY, except_in="server/workers")
    assert not offenders("client", [*HEAVY, "PIL", "matplotlib"], except_in="nowhere")


def test_the_server_knows_nothing_of_the_client() -> None:
    assert not offenders("server", ["ligserve.client"], except_in="nowhere")


def test_the_list_of_the_workers_packages_is_whole() -> None:
    top = ROOT / "server" / "workers"
    folders = {path.parent.relative_to(top) for path in top.rglob("*/__init__.py")}
    assert {".".join(folder.parts) for folder in folders if folder.parts} == set(OF_THE_WORKERS)


@pytest.mark.parametrize("package", OF_THE_WORKERS)
def test_packages_of_the_workers_import_downwards_only(package: str) -> None:
    above = OF_THE_WORKERS[: OF_THE_WORKERS.index(package)]
    folder = ROOT.joinpath("server", "workers", *package.split("."))
    upwards = {
        named(path): [n for n in imports(path) if package_of(n) in above] for path in folder.glob("*.py")
    }
    assert {path: names for path, names in upwards.items() if names} == {}


def package_of(name: str) -> str:
    """The innermost of the workers' packages that a full name is from, "" for none."""
    around = (each for each in OF_THE_WORKERS if f"{name}.".startswith(f"ligserve.server.workers.{each}."))
    return max(around, key=len, default="")


def modules(folder: str, *, without: str) -> list[str]:
    found = [path for path in files(folder) if not path.is_relative_to(ROOT / without)]
    return [
        "ligserve." + named(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in found
        if path.name != "__main__.py"
    ]


@pytest.mark.parametrize(("folder", "without"), [("client", "nowhere"), ("server", "server/workers")])
def test_importing_all_of_it_loads_nothing_heavy(folder: str, without: str) -> None:
    names, heavy = modules(folder, without=without), [name for name in HEAVY if name != "numpy"]
    program = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
