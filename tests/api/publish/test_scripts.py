"""The pages' modules as one script."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from api.publish import scripts


def test_no_module_syntax_is_left() -> None:
    for script in (scripts.page_script(), scripts.paper_script()):
        lines = script.splitlines()
        assert not [line for line in lines if line.startswith(("import ", "export "))]
    assert 'const { answerOf, fileOf } = modules["answers.js"];' in scripts.page_script()
    assert "fetch(address)" not in scripts.page_script()


def test_syntax_that_it_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="import x from"):
        scripts._scope("odd.js", 'import x from "./y.js";\n')


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on PATH")
def test_the_syntax_is_right() -> None:
    for script in (scripts.page_script(), scripts.paper_script()):
        done = subprocess.run(["node", "--check", "-"], input=script, text=True, check=False)
        assert done.returncode == 0
