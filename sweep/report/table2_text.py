"""Trials of a sweep beside Table II in words, and the limits of that comparison."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from sweep.paper.scores import DECIMALS, SCORE_TITLES, score_name
from sweep.paper.table2 import (
    DEFAULT_I_RATIO,
    OTHER_WEIGHTS,
    TABLE_II,
    MethodResult,
    PairedDifference,
    Published,
    SeedResult,
    SettingRow,
    is_whole_run,
)
from sweep.report.display import number
from sweep.store.judgement import reasons_not_judged
from sweep.store.vocabulary import FINISHED, Row
from trainer.config.methods import METHODS
from trainer.config.own_trial import PROFILE as OWN
from trainer.config.trial import TrialConfig
from trainer.verdict import SIGNALS, in_words

HEADER = ("setting", "method", "seed", "status", "modes", "best (at)", "final", "spectrum", "seen")

CAVEATS = {
    "digits": """\
What this shows, on the same data and seeds for every method: how much of D's spectrum is left,
how many modes G draws, which of the two fell and when, and how far the methods lie apart.
What it does not show: the images are stacked 8x8 digits, not CIFAR-10, STL-10 or ImageNet, with
n_critic 1 instead of 5, scaled batches and widths, and short runs. FD-digits is no FID: nothing
here stands for, or against, a published score. SN against SR alone does not test that spectral
collapse causes mode collapse, as they differ in the norm of the weights too: sn-renorm has the
norm of SR and lifts nothing, so what it gains over SN does not come from lifting.
`best` is over the curve (fewer samples) before mode collapse, `final` at the end at the full
sample count: their biases differ, so compare best with best and final with final.""",
    "paper": """\
What this shows: FID, the spectrum of D and its outputs, on the paper's data, networks and
schedule. What it does not show: the very scores of the paper, which come from a Chainer port of
the Inception network, set against statistics made with TensorFlow. Here both sides go through
one PyTorch port, so the two compare roughly. `best` is over the curve (fewer samples) before mode
collapse, `final` at the end at the full sample count: compare best with best and final with
final. The thresholds of mode collapse on IS and FID are not calibrated.""",
    "small": """\
What this shows: FID on your own pictures, the spectrum of D and its outputs, for every method on
the same pictures, noise and first weights. What it does not show: what the methods do in the
paper's sizes: the networks are small, n_critic is 1 and the runs are short. The thresholds of mode
collapse on IS and FID are not calibrated.""",
}
UNSCORED = """\
What this shows: the spectrum of D and its outputs, on the profile's data, networks and schedule.
What it does not show: there were no Inception weights, so IS and FID are not measured and nothing
can be said for or against the published scores; mode collapse is not judged either."""

GAUGED = """\
What this shows: FD-pictures, density, coverage and modes on your own pictures, by features learnt
from these pictures, and the spectrum of D, for every method on the same pictures, noise and first
weights. What it does not show: any FID, for there were no Inception weights, or how other pictures
would be scored; FD-pictures of two sets do not compare. Held-out real pictures have the scores
that a trial's protocol names: nothing can be much better. A collapse of FD-pictures is told by
margins that are not calibrated, and its absence is not judged."""


def caveats(profile: str, *, scored: bool, gauged: bool = False) -> str:
    """Limits of the comparison in words; `scored` tells whether distances were measured, and
    `gauged` whether they are FD-pictures."""
    if profile == OWN:
        return "Scores are the loops' own: how they were taken is not known here."
    if gauged:
        return GAUGED
    return CAVEATS[profile] if scored else UNSCORED


def comparison(rows: Sequence[SettingRow], profile: str) -> str:
    """Measured beside published, for the settings that have a trial of the profile."""
    measured = [row for row in rows if profile in row.measured]
    results = [result for row in measured for result in row.measured[profile].values()]
    title = ", ".join(sorted({SCORE_TITLES[result.score] for result in results}))
    if any(OTHER_WEIGHTS in result.reasons for result in results):
        title += f" ({OTHER_WEIGHTS})"
    blocks = [list(_setting_lines(row, profile)) for row in measured]
    cells = [line for block in blocks for line in block if not isinstance(line, str)]
    widths = [max(map(len, column)) for column in zip(HEADER, *cells, strict=True)]
    modes = "modes are of 1000; " if profile == "digits" else ""
    lines = [f"{modes}best and final are {title}; spectrum is mean sigma_2/sigma_1"]
    for line in [HEADER, *(line for block in blocks for line in block)]:
        if not isinstance(line, str):
            line = "  ".join(map(str.ljust, line, widths)).rstrip()
        lines.append(line)
    return "\n".join(lines)


def _setting_lines(row: SettingRow, profile: str) -> Iterator[tuple[str, ...] | str]:
    for method, result in row.measured[profile].items():
        for seed in result.seeds:
            yield _seed_cells(row.setting, method, seed, DECIMALS[result.score])
        yield _mean_cells(row.setting, result)
        pair = row.pairs[profile].get(method)
        if pair is not None:
            label = f"    {method} minus sn, same seed and iteration: "
            yield label + _difference(pair, DECIMALS[result.score])
    yield f"    published: {_published(row.published)}"


def _seed_cells(setting: str, method: str, seed: SeedResult, decimals: int) -> tuple[str, ...]:
    best = "" if seed.best is None else f"{seed.best:.{decimals}f} ({seed.best_iteration})"
    return (
        setting,
        method,
        str(seed.seed),
        seed.status,
        number(seed.modes),
        best,
        number(seed.final, decimals),
        number(seed.spectrum_left, 2),
        in_words({name: getattr(seed, name) for name in SIGNALS}, seed.not_judged),
    )


def _mean_cells(setting: str, result: MethodResult) -> tuple[str, ...]:
    decimals = DECIMALS[result.score]
    spread = "" if result.sd is None else f" ± {result.sd:.{decimals}f}"
    mean = f"{number(result.mean, decimals)}{spread}"
    return (setting, result.method, "mean", f"n = {result.n}", "", mean, "", "", "")


def _difference(pair: PairedDifference, decimals: int) -> str:
    each = ", ".join(
        f"{s.difference:+.{decimals}f} (seed {s.seed}, at {s.iteration})" for s in pair.seeds
    )
    if pair.interval is None:
        return each
    low, high = pair.interval
    return (
        f"{each}; mean {pair.mean:+.{decimals}f}, "
        f"95 % interval {low:+.{decimals}f} to {high:+.{decimals}f}"
    )


def _published(row: Published) -> str:
    flags = {"mode collapse": row.mode_collapse, "spectral collapse": row.spectral_collapse}
    flag_text = " and ".join(name for name, flag in flags.items() if flag) or "no collapse"
    return (
        f"FID {row.sn_fid:g} SN, {row.sr_fid:g} SR; IS {row.sn_is:g} SN, {row.sr_is:g} SR; "
        f"{flag_text} of SN"
    )


def other_ratio_lines(rows: Iterable[Row]) -> list[str]:
    """Best distances of the trials whose i is not Table II's, a line per setting, method and i.

    Of rows of Table I: sizes outside it run on several data sets, of which there is no mean.
    """
    cells: dict[tuple[str, str, float], list[Row]] = {}
    for row in rows:
        if row["setting"] not in TABLE_II or row["status"] not in FINISHED:
            continue
        if row["i_ratio"] not in (None, DEFAULT_I_RATIO):
            cells.setdefault((row["setting"], row["method"], row["i_ratio"]), []).append(row)
    return [_ratio_line(*cell, cells[cell]) for cell in sorted(cells)]


def outside_lines(rows: Iterable[Row]) -> list[str]:
    """A line per trial outside Table I, as of own pictures: what was measured where there is no
    published row to stand beside."""
    outside = [row for row in rows if row["setting"] not in TABLE_II and is_whole_run(row)]
    places = {name: place for place, name in enumerate(METHODS)}
    outside.sort(key=lambda row: (
        row["dataset"], row["setting"], places.get(row["method"], len(places)),
        row["i_ratio"] or 0.0, row["seed"],
    ))  # fmt: skip
    cells = [_outside_cells(row) for row in outside]
    widths = [max(map(len, column)) for column in zip(OUTSIDE_HEADER, *cells, strict=True)]
    lines = [OUTSIDE_HEADER, *cells] if cells else []
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


OUTSIDE_HEADER = (
    "data set", "setting", "method", "i", "seed", "status", "best", "at", "final", "spectrum",
    "verdict",
)  # fmt: skip


def _outside_cells(row: Row) -> tuple[str, ...]:
    score = score_name(row)
    decimals = DECIMALS.get(score, 4)
    return (
        row["dataset"],
        row["setting"],
        row["method"],
        number(row["i_ratio"], 3).rstrip("0"),
        str(row["seed"]),
        row["status"],
        number(row[f"best_{score}"], decimals),
        number(row["best_iteration"]),
        number(row[f"final_{score}"], decimals),
        number(row["final_spectrum_left"], 2),
        in_words(row, reasons_not_judged(row)),
    )


def _ratio_line(setting: str, method: str, i_ratio: float, rows: Sequence[Row]) -> str:
    score = score_name(rows[0])
    best = [row[f"best_{score}"] for row in rows if row[f"best_{score}"] is not None]
    mean_text = f"{statistics.fmean(best):.{DECIMALS[score]}f}" if best else "none"
    mean = f"mean best {SCORE_TITLES[score]} {mean_text}, n = {len(best)}"
    return f"    {setting} {method} with i {i_ratio:g}: {mean}"


def branch_lines(rows: Iterable[Row], parents: Mapping[str, Row]) -> Iterator[str]:
    """Each trial that branched off another one, and what became of that one."""
    for row in rows:
        if (parent := parents.get(row["parent"] or "")) is not None:
            yield (
                f"{row['setting']} seed {row['seed']}, {row['method']} from iteration "
                f"{row['parent_iteration']} of {parent['method']}:"
            )
            yield f"    {row['method']}: {_outcome(row)}"
            yield f"    without: {_outcome(parent)}"


def _outcome(row: Row) -> str:
    score = score_name(row)
    best, final = (
        number(row[f"{moment}_{score}"], DECIMALS[score]) for moment in ("best", "final")
    )
    modes = "" if row["final_modes"] is None else f", {row['final_modes']} modes at the end"
    title, verdict = SCORE_TITLES[score], in_words(row, reasons_not_judged(row))
    return (
        f"{row['status']}, {verdict}; {title} best {best or 'none'} at "
        f"{row['best_iteration']}, final {final or 'none'}{modes}"
    )


def method_lines(methods: Iterable[str]) -> list[str]:
    """Lines with each method's formula and source, in the order of the presets."""
    names = set(methods)
    return [f"{name}: {m.formula} [{m.source}]" for name, m in METHODS.items() if name in names]


def control_lines(controls: Mapping[str, Mapping[str, Any]]) -> str:
    """Lines with the scores of images that no GAN drew."""
    return "\n".join(
        f"    {name}: modes {scores['modes']}, FD-digits {scores['fd_digits']:.0f}, "
        f"valid share {scores['valid_share']:.2f} ({scores['n_samples']} images)"
        for name, scores in controls.items()
    )


def control_rows(trials: Sequence[TrialConfig]) -> dict[str, dict[str, Any]]:
    """The scores of held-out real images, of noise and of a constant, by data set.

    Measured in a process of its own: the driver does without torch.
    """
    datasets = {c.dataset: c for c in trials if c.dataset.startswith("digits")}
    rows: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for dataset, config in datasets.items():
            scores = pool.submit(_control_scores, dataset, config.final_samples).result()
            rows |= {f"{name}, {dataset}": value for name, value in scores.items()}
    return rows


def _control_scores(dataset: str, n: int) -> dict[str, dict[str, float]]:
    from trainer.data.images import Images, load
    from trainer.scores import digits

    images = load(dataset, "cpu")
    assert isinstance(images, Images)  # digits are small
    return digits.control_scores(images, digits.load_scorer("cpu"), n)
