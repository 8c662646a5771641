"""Prove that the built wheel is whole: python tests/smoke/wheel_smoke.py DIST_DIR.

1. The wheel holds exactly the packages' files of the working tree.
2. Installed alone into a clean environment, the client imports, without torch, and the command answers.
3. Beside the server's dependencies (borrowed from the environment that runs this), every module imports.
"""

import json
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "build" / "smoke"
SUFFIXES = (".py", ".pyi", ".proto")


def main(dist: Path) -> int:
    """Run the three proofs; 0 if all hold."""
    wheels, archives = list(dist.glob("*.whl")), list(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        return fail(f"{dist} should hold one wheel and one source distribution")
    shutil.rmtree(SCRATCH, ignore_errors=True)
    expected = files_of_tree()
    if difference := expected ^ files_of_wheel(wheels[0]):
        return fail(f"in the tree or in the wheel, but not in both: {', '.join(sorted(difference))}")
    modules = sorted(map(module_name, (name for name in expected if name.endswith(".py"))))
    client = [name for name in modules if not name.startswith("ligserve.server")]
    light = environment("light", wheels[0], dependencies=True)
    probe(light, client, forbidden=["torch", "transformers", "numpy"])
    subprocess.run([light.with_name("ligserve"), "--help"], check=True, stdout=subprocess.DEVNULL)
    full = environment("server", wheels[0], dependencies=False)
    probe(full, modules, forbidden=[])
    print(f"wheel smoke: {len(expected)} files; {len(client)} modules import light, {len(modules)} in full")
    return 0


def fail(message: str) -> int:
    """Tell what is wrong; 1."""
    print(f"wheel smoke: {message}", file=sys.stderr)
    return 1


def files_of_tree() -> set[str]:
    """The files that belong into the wheel, by their path there, found by walking the mapped folders."""
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    return {
        f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder)}"
        for package, folder in folders.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES or path.name == "py.typed"
    }


def files_of_wheel(wheel: Path) -> set[str]:
    """The files in the wheel, its metadata excepted."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def module_name(path: str) -> str:
    """The module that a path in the wheel holds."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def environment(name: str, wheel: Path, *, dependencies: bool) -> Path:
    """The interpreter of a new environment with the wheel, and its dependencies or ours."""
    home = SCRATCH / name
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    alone = [] if dependencies else ["--no-deps"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *alone, wheel], check=True)
    if not dependencies:
        borrow(home)
    return python


def borrow(home: Path) -> None:
    """Let an environment see our packages, but not our editable install: a borrowed .pth is not followed."""
    (site,) = (home / "lib").glob("python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(ours) + "\n")


PROBE = """
import importlib, importlib.util, json, sys
modules, forbidden, home = json.load(sys.stdin)
found = [name for name in forbidden if importlib.util.find_spec(name)]
assert not found, f"importable without an extra: {found}"
for name in modules:
    if not name.endswith("__main__"):
        module = importlib.import_module(name)
        assert module.__file__.startswith(home), f"{name} comes from {module.__file__}"
"""


def probe(python: Path, modules: list[str], *, forbidden: list[str]) -> None:
    """Import every module from the environment's own wheel, and assert that nothing forbidden is there."""
    question = json.dumps([modules, forbidden, str(python.parents[1])])
    subprocess.run([python, "-P", "-c", PROBE], input=question, text=True, check=True, cwd=SCRATCH)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except subprocess.CalledProcessError as error:
        sys.exit(fail(f"exit code {error.returncode} from {error.cmd[0]}; the reason is above"))
