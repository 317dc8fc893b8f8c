"""The comparison of Table II as a table that can be pasted into a paper: LaTeX and Markdown.

Published beside measured, a line per setting and method. Imports Table II and pairs only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweep.paper.pairs import PairedDifference
from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.paper.table2 import MethodResult, Published, SettingRow, published_sr
from sweep.store.vocabulary import FINISHED

# One page of a paper holds so many lines of small print; a longer table runs over pages.
PAGE_LINES = 45

# By signal of a seed: the mark, and what it stands for.
SIGNAL_MARKS = {
    "mode_collapse_at": ("M", "mode collapse"),
    "spectral_collapse_at": ("S", "spectral collapse"),
    "dead_at": ("D", "a dead discriminator"),
    "diverged_at": ("N", "divergence"),
}

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "±": r"$\pm$", "−": "$-$", "†": r"$^{\dagger}$", "‡": r"$^{\ddagger}$", "–": "--",
})  # fmt: skip
_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\|*`<[]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table before it has a format: plain text, rows in blocks of one setting.

    All columns but the first two and the last hold numbers.
    """

    title: str
    label: str
    header: Sequence[str]
    blocks: Sequence[Sequence[Sequence[str]]]
    notes: Sequence[str]


def comparison_sheet(
    rows: Sequence[SettingRow], profile: str, *, name: str, remarks: Sequence[str] = ()
) -> Sheet | None:
    """The settings of `sweep.paper.table2` that have a trial of the profile; None if none has.

    `name` is what the measured side is called, `remarks` are further notes on it.
    """
    measured = [row for row in rows if row.measured.get(profile)]
    if not measured:
        return None
    results = [result for row in measured for result in row.measured[profile].values()]
    title = " or ".join(dict.fromkeys(SCORE_TITLES[result.score] for result in results))
    return Sheet(
        title=f"Published (Table II) and measured ({name}, {profile} profile)",
        label=f"tab:{name}-{profile}",
        header=(
            "setting",
            "method",
            "published IS",
            "published FID",
            f"measured {title}",
            "n",
            "minus sn",
            "collapsed",
        ),
        blocks=[list(_block(row, profile)) for row in measured],
        notes=[*_notes(measured, results, title), *remarks],
    )


def _block(row: SettingRow, profile: str) -> Iterator[tuple[str, ...]]:
    """sn and the paper's SR, measured or not, then the other methods."""
    measured = row.measured[profile]
    names = ("sn", published_sr(row.setting), *measured)
    for method in dict.fromkeys(names):
        inception_score, fid = _published(row, method)
        result = measured.get(method)
        if result is None:
            cells = ("–", "0", "", "")
        else:
            pair = row.pairs.get(profile, {}).get(method)
            cells = (_mean(result), str(result.n), _difference(pair, result), _collapsed(result))
        yield (row.setting, method, inception_score, fid, *cells)


def _published(row: SettingRow, method: str) -> tuple[str, str]:
    """IS and FID; a dagger where the paper saw SN collapse."""
    p: Published = row.published
    if method == "sn":
        cells = (p.sn_is, p.sn_is_sd), (p.sn_fid, p.sn_fid_sd)
        mark = "†" if p.mode_collapse or p.spectral_collapse else ""
    elif method == published_sr(row.setting):
        cells, mark = ((p.sr_is, p.sr_is_sd), (p.sr_fid, p.sr_fid_sd)), ""
    else:
        return "–", "–"
    inception_score, fid = (f"{value:.2f} ± {sd:.2f}{mark}" for value, sd in cells)
    return inception_score, fid


def _mean(result: MethodResult) -> str:
    """A double dagger where it cannot stand for the published number."""
    if result.mean is None:
        return "–"
    decimals = DECIMALS[result.score]
    spread = "" if result.sd is None else f" ± {number(result.sd, decimals)}"
    return f"{number(result.mean, decimals)}{spread}{'' if result.comparable else '‡'}"


def _difference(pair: PairedDifference | None, result: MethodResult) -> str:
    """The mean and its interval, or for fewer than three pairs each seed's difference."""
    if pair is None:
        return ""
    decimals = DECIMALS[result.score]
    if pair.interval is None:
        return ", ".join(number(seed.difference, decimals, sign=True) for seed in pair.seeds)
    low, high = (number(value, decimals, sign=True) for value in pair.interval)
    pair_count = "" if pair.n == result.n else f" (n = {pair.n})"
    return f"{number(pair.mean, decimals, sign=True)} [{low}, {high}]{pair_count}"


def _collapsed(result: MethodResult) -> str:
    """How many of the finished seeds showed each signal, as far as one did."""
    finished = [seed for seed in result.seeds if seed.status in FINISHED]
    counts = {
        mark: sum(getattr(seed, name) is not None for seed in finished)
        for name, (mark, _) in SIGNAL_MARKS.items()
    }
    return ", ".join(f"{mark} {count}/{len(finished)}" for mark, count in counts.items() if count)


def number(value: float, decimals: int, *, sign: bool = False) -> str:
    """The value rounded, with a true minus sign."""
    if math.isnan(value):
        return "NaN"
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def _notes(
    rows: Sequence[SettingRow], results: Sequence[MethodResult], title: str
) -> Iterator[str]:
    yield "Published: the paper's Table II; it does not define its ±, which is not over seeds."
    if any(row.published.mode_collapse or row.published.spectral_collapse for row in rows):
        yield "† The paper saw SN collapse, in modes and spectrum; its scores are from before."
    yield (
        f"Measured: best {title} before mode collapse, lower is better, as mean ± standard "
        "deviation over n finished seeds."
    )
    yield (
        "Minus sn: paired, at the same seed and last common iteration; from three seeds on the "
        "mean with its 95 % t interval, for fewer each difference."
    )
    marks = ", ".join(f"{mark} {words}" for mark, words in SIGNAL_MARKS.values())
    yield f"Collapsed: finished seeds that showed {marks}."
    reasons = [reason.partition(":")[0] for result in results for reason in result.reasons]
    if reasons:
        yield f"‡ Not comparable with a published score: {'; '.join(dict.fromkeys(reasons))}."


def latex(sheet: Sheet) -> str:
    """A table that needs the package booktabs, and longtable if it is longer than a page."""
    lines = sum(map(len, sheet.blocks))
    body = "\n\\addlinespace\n".join(
        "\n".join(map(_tex_line, _with_setting_once(b))) for b in sheet.blocks
    )
    parts = {
        "caption": rf"\caption{{{_tex(sheet.title)}.}}\label{{{sheet.label}}}",
        "header": _tex_line(sheet.header),
        "body": body,
        "notes": "\n".join(map(_tex, sheet.notes)),
    }
    frame = _TABLE if lines <= PAGE_LINES else _LONG_TABLE
    for name, text in parts.items():
        frame = frame.replace(f"<{name}>", text)
    return frame


_TABLE = r"""% \usepackage{booktabs}
\begin{table}
\centering
\footnotesize
\setlength{\tabcolsep}{4pt}
<caption>
\begin{tabular}{llrrrrrl}
\toprule
<header>
\midrule
<body>
\bottomrule
\end{tabular}
\par\smallskip
\begin{minipage}{\linewidth}
<notes>
\end{minipage}
\end{table}
"""

_LONG_TABLE = r"""% \usepackage{booktabs,longtable}
{\footnotesize
\setlength{\tabcolsep}{4pt}
\begin{longtable}{llrrrrrl}
<caption>\\
\toprule
<header>
\midrule
\endhead
\bottomrule
\endfoot
<body>
\end{longtable}
\noindent
<notes>
\par}
"""


def _with_setting_once(block: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The block with its setting in the first line alone."""
    return [row if place == 0 else ("", *row[1:]) for place, row in enumerate(block)]


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_tex, cells)) + r" \\"


def _tex(text: str) -> str:
    return text.translate(_LATEX)


def markdown(sheet: Sheet) -> str:
    """A table as GitHub and pandoc read it, and its notes as a list."""
    rule = ["---", "---", *["---:"] * (len(sheet.header) - 3), "---"]
    rows = [row for block in sheet.blocks for row in block]
    lines = [_markdown_line(sheet.header), f"| {' | '.join(rule)} |", *map(_markdown_line, rows)]
    notes = [f"- {_markdown(note)}" for note in sheet.notes]
    return "\n".join([f"**{_markdown(sheet.title)}**", "", *lines, "", *notes, ""])


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown, cells))} |"


def _markdown(text: str) -> str:
    return text.translate(_MARKDOWN)
