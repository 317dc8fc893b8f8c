"""The comparison of Table II as LaTeX and Markdown."""

from __future__ import annotations

import math
import re

from sweep.paper.table2 import TABLE_II, table2
from sweep.paper.typeset import PAGE_LINES, comparison_sheet, latex, markdown


def no_curves(trial_id: str) -> list[dict]:
    return []


def test_published_beside_measured(compared) -> None:
    sheet = comparison_sheet(compared, "digits", name="demo")
    assert sheet is not None
    (block,) = sheet.blocks
    assert [list(row) for row in block] == [
        ["C_32-32", "sn", "4.29 ± 0.08†", "78.39 ± 0.17†", "1001 ± 1‡", "3", "", "M 3/3"],
        [
            "C_32-32", "sr-static", "4.70 ± 0.15", "62.10 ± 0.24", "899 ± 1‡", "3",
            "−110 [−135, −85]", "",
        ],
        ["C_32-32", "sn-renorm", "–", "–", "950‡", "1", "+20", "S 1/1"],
    ]  # fmt: skip
    (note_on_marks,) = [note for note in sheet.notes if note.startswith("‡")]
    assert "data set; score; iterations" in note_on_marks
    assert comparison_sheet(compared, "paper", name="demo") is None


def test_what_was_published_and_not_measured_stands_there_too(trial) -> None:
    rows = table2([trial(setting="E_512-64", method="sr-static", i_ratio=0.5)], no_curves)
    sheet = comparison_sheet(rows, "digits", name="demo")
    assert sheet is not None
    assert [row[1:6] for row in sheet.blocks[0]] == [
        ("sn", "34.13 ± 0.64", "59.88 ± 0.57", "–", "0"),
        ("sr-dynamic", "40.76 ± 0.73", "54.84 ± 0.68", "–", "0"),
        ("sr-static", "–", "–", "900‡", "1"),
    ]


def test_nan_is_shown(trial) -> None:
    trials = [trial(seed=s, best_fd_digits=value) for s, value in enumerate((900.0, math.nan))]
    sheet = comparison_sheet(table2(trials, no_curves), "digits", name="demo")
    assert sheet is not None
    assert sheet.blocks[0][0][4] == "NaN ± NaN‡"


def test_latex_is_ascii_and_every_line_has_all_columns(compared) -> None:
    sheet = comparison_sheet(compared, "digits", name="a_b", remarks=["50 % & more_"])
    assert sheet is not None
    text = latex(sheet)
    assert text.isascii()
    body = text.partition("\\toprule\n")[2].partition("\\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [7] * 4
    assert r"C\_32-32 & sn & 4.29 $\pm$ 0.08$^{\dagger}$" in body
    assert r" & $-$110 [$-$135, $-$85] & " in body
    assert r"measured (a\_b, digits profile)" in text
    assert r"50 \% \& more\_" in text
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular", "minipage"]
    assert sorted(re.findall(r"\\end\{(\w+)\}", text)) == ["minipage", "table", "tabular"]


def test_a_table_longer_than_a_page_breaks(trial) -> None:
    trials = [trial(trial_id=setting, setting=setting) for setting in TABLE_II]
    sheet = comparison_sheet(table2(trials, no_curves), "digits", name="all")
    assert sheet is not None
    assert sum(map(len, sheet.blocks)) > PAGE_LINES
    text = latex(sheet)
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["longtable"]
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_markdown(compared) -> None:
    sheet = comparison_sheet(compared, "digits", name="a|b")
    assert sheet is not None
    title, _, header, rule, *rest = markdown(sheet).splitlines()
    assert title == "**Published (Table II) and measured (a\\|b, digits profile)**"
    assert header.count("|") == rule.count("|") == 9
    assert rest[0] == (
        "| C_32-32 | sn | 4.29 ± 0.08† | 78.39 ± 0.17† | 1001 ± 1‡ | 3 |  | M 3/3 |"
    )
    assert [line[:2] for line in rest[4:]] == ["- "] * 6
