"""Tests mirror the modules: `tests/api/trials/test_queries.py` is of `api/trials/queries.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "sweep", "trainer")

# Tested through the modules that use them. The list may only become shorter.
WITHOUT_A_FILE_OF_THEIR_NAME = frozenset(
    [
        "api/compare/models.py",
        "api/drawing/lines.py",
        "api/drawing/panels.py",
        "api/pages/assets.py",
        "api/pages/rendering.py",
        "api/paper/figures/groups.py",
        "api/reading/plans.py",
        "api/results/parameters.py",
        "api/searches/models.py",
        "api/sweeps/action_routes.py",
        "api/sweeps/models.py",
        "api/sweeps/routes.py",
        "api/trials/differences.py",
        "api/trials/figure_routes.py",
        "api/trials/spectrum_figures.py",
        "api/web/bodies.py",
        "api/web/parameters.py",
        "api/web/service.py",
        "sweep/cli/commands.py",
        "sweep/fig12.py",
        "sweep/fig8.py",
        "sweep/methods.py",
        "sweep/paper/answers.py",
        "sweep/paper/contingency.py",
        "sweep/paper/gains.py",
        "sweep/paper/scores.py",
        "sweep/plan/options.py",
        "sweep/report/summary.py",
        "sweep/run/provenance.py",
        "sweep/store/lazy_rows.py",
        "sweep/store/reader.py",
        "sweep/store/schemas.py",
        "sweep/store/vocabulary.py",
        "trainer/data/sources.py",
    ]
)


def modules(package: str) -> Iterator[Path]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if path.name != "__init__.py":
            yield path.relative_to(ROOT)


def file_of_tests(module: Path) -> Path:
    return ROOT / "tests" / module.parent / f"test_{module.stem.strip('_')}.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_has_a_file_of_tests(package: str) -> None:
    missing = {path.as_posix() for path in modules(package) if not file_of_tests(path).exists()}
    listed = {name for name in WITHOUT_A_FILE_OF_THEIR_NAME if name.startswith(f"{package}/")}
    assert sorted(missing - listed) == [], "write tests for them"
    assert sorted(listed - missing) == [], "take them off the list"
