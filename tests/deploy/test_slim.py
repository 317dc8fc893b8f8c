"""What is removed from the trainer's image, on a few packages that a compiler makes."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "deploy" / "docker" / "slim.py"


@pytest.fixture(scope="module")
def slim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slim", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A torch that needs two libraries: one that stays, one of those that are removed."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    torch, nvidia = tmp_path / "torch/lib", tmp_path / "nvidia/cu13/lib"
    for folder in (torch, nvidia, tmp_path / "triton", tmp_path / "sympy/core/tests"):
        folder.mkdir(parents=True)
    (tmp_path / "triton/__init__.py").write_text("x" * 1000)
    (tmp_path / "sympy/core/tests/test_core.py").write_text("x" * 500)
    (tmp_path / "sympy/core/add.py").write_text("")
    compiled(torch / "libc10.so", "int ten(void) { return 10; }")
    compiled(
        torch / "libtorch.so",
        "int ten(void); static int five(void) { return 5; }"
        "int all(void) { return ten() + five(); }",
        f"-L{torch}", "-lc10", "-Wl,-rpath,$ORIGIN:$ORIGIN/../../nvidia/cu13/lib",
    )  # fmt: skip
    return tmp_path


def compiled(path: Path, code: str, *options: str) -> None:
    command = ["gcc", "-shared", "-fPIC", "-O0", "-o", str(path), "-x", "c", "-", "-x", "none"]
    subprocess.run([*command, *options], input=code, text=True, check=True)


def loads(path: Path) -> bool:
    code = f"import ctypes; print(ctypes.CDLL({str(path)!r}).all())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return ran.stdout.strip() == "15"


def test_what_is_unused_goes_and_the_rest_still_loads(
    slim: ModuleType, packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = slim.size(packages)
    assert slim.main([str(packages)]) == 0
    left = {path.relative_to(packages).as_posix() for path in packages.rglob("*.*")}
    assert left == {"sympy/core/add.py", "torch/lib/libc10.so", "torch/lib/libtorch.so"}
    assert slim.size(packages) <= before - 1500
    assert loads(packages / "torch/lib/libtorch.so")
    assert "triton: compiles for torch.compile" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("strip") is None, reason="needs strip")
def test_symbol_tables_go(slim: ModuleType, packages: Path) -> None:
    library = packages / "torch/lib/libtorch.so"
    assert b"five" in library.read_bytes()
    assert slim.strip(packages) > 0
    assert b"five" not in library.read_bytes()
    assert loads(library)


def test_a_library_that_is_still_needed_is_an_error(
    slim: ModuleType, packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = packages / "nvidia/cu13/lib/libnvblas.so.13"
    compiled(needed, "int blas(void) { return 1; }", "-Wl,-soname,libnvblas.so.13")
    compiled(
        packages / "torch/lib/libtorch_cuda.so",
        "int blas(void); int use(void) { return blas(); }",
        str(needed), "-Wl,-rpath,$ORIGIN/../../nvidia/cu13/lib",
    )  # fmt: skip
    assert slim.main([str(packages)]) == 1
    said = capsys.readouterr().err
    assert said == "error: torch/lib/libtorch_cuda.so needs libnvblas.so.13\n"


def test_one_that_was_never_there_is_none(slim: ModuleType, packages: Path) -> None:
    """As libcuda.so.1, which the driver of a node brings."""
    (packages / "torch/lib/libc10.so").unlink()
    assert slim.unresolved(packages) == {"torch/lib/libtorch.so": {"libc10.so"}}
    assert slim.main([str(packages)]) == 0


def test_a_folder_that_is_none_is_one_line(slim: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        slim.main([str(tmp_path / "none")])
    assert ended.value.code == 2
