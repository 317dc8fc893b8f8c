"""A sweep's trials beside Table II in words, and what that does and does not show."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from sweep.display import number
from sweep.paper import MethodResult, PairedDifference, Published, SeedResult, SettingRow
from trainer.collapse import SIGNALS, in_words
from trainer.config import TrialConfig

HEADER = ("setting", "method", "seed", "status", "modes", "best (at)", "final", "spectrum", "seen")
SCORE_TITLES = {"fd_digits": "FD-digits", "fid": "FID"}

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
What this shows: the spectrum of D and its outputs, on the paper's data, networks and schedule.
What it does not show: this version has no Inception network, so IS and FID are not measured and
nothing can be said for or against the published scores; mode collapse is not judged either.""",
}


def comparison(rows: Sequence[SettingRow], profile: str) -> str:
    """Measured beside published, for the settings that have a trial of the profile."""
    measured = [row for row in rows if profile in row.measured]
    scores = {m.score for row in measured for m in row.measured[profile].values()}
    title = ", ".join(SCORE_TITLES[score] for score in sorted(scores))
    blocks = [list(_setting_lines(row, profile)) for row in measured]
    cells = [line for block in blocks for line in block if not isinstance(line, str)]
    widths = [max(map(len, column)) for column in zip(HEADER, *cells, strict=True)]
    lines = [f"modes are of 1000; best and final are {title}; spectrum is mean sigma_2/sigma_1"]
    for line in [HEADER, *(line for block in blocks for line in block)]:
        if not isinstance(line, str):
            line = "  ".join(map(str.ljust, line, widths)).rstrip()
        lines.append(line)
    return "\n".join(lines)


def _setting_lines(row: SettingRow, profile: str) -> Iterator[tuple[str, ...] | str]:
    for method, result in row.measured[profile].items():
        for seed in result.seeds:
            yield _seed_cells(row.setting, method, seed)
        yield _mean_cells(row.setting, result)
        pair = row.pairs[profile].get(method)
        if pair is not None:
            yield f"    {method} minus sn, same seed and iteration: {_difference(pair)}"
    yield f"    published: {_published(row.published)}"


def _seed_cells(setting: str, method: str, seed: SeedResult) -> tuple[str, ...]:
    best = "" if seed.best is None else f"{seed.best:.0f} ({seed.best_iteration})"
    return (
        setting,
        method,
        str(seed.seed),
        seed.status,
        number(seed.modes),
        best,
        number(seed.final),
        number(seed.spectrum_left, 2),
        in_words({name: getattr(seed, name) for name in SIGNALS}),
    )


def _mean_cells(setting: str, result: MethodResult) -> tuple[str, ...]:
    spread = "" if result.sd is None else f" ± {result.sd:.0f}"
    mean = f"{number(result.mean)}{spread}"
    return (setting, result.method, "mean", f"n = {result.n}", "", mean, "", "", "")


def _difference(pair: PairedDifference) -> str:
    each = ", ".join(f"{s.difference:+.0f} (seed {s.seed}, at {s.iteration})" for s in pair.seeds)
    if pair.interval is None:
        return each
    low, high = pair.interval
    return f"{each}; mean {pair.mean:+.0f}, 95 % interval {low:+.0f} to {high:+.0f}"


def _published(row: Published) -> str:
    flags = {"mode collapse": row.mode_collapse, "spectral collapse": row.spectral_collapse}
    seen = " and ".join(name for name, flag in flags.items() if flag) or "no collapse"
    return (
        f"FID {row.sn_fid:g} SN, {row.sr_fid:g} SR; IS {row.sn_is:g} SN, {row.sr_is:g} SR; "
        f"{seen} of SN"
    )


def control_lines(controls: Mapping[str, Mapping[str, Any]]) -> str:
    """What the scores say of images that no GAN drew."""
    return "\n".join(
        f"    {name}: modes {scores['modes']}, FD-digits {scores['fd_digits']:.0f}, "
        f"valid share {scores['valid_share']:.2f} ({scores['n_samples']} images)"
        for name, scores in controls.items()
    )


def control_rows(trials: Sequence[TrialConfig]) -> dict[str, dict[str, Any]]:
    """The scores of held-out real images, of noise and of a constant, by data set.

    Measured in a process of its own: the driver does without torch.
    """
    datasets = {config.dataset: config for config in trials if config.scorer}
    rows: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for dataset, config in datasets.items():
            scores = pool.submit(_control_scores, dataset, config.final_samples).result()
            rows |= {f"{name}, {dataset}": value for name, value in scores.items()}
    return rows


def _control_scores(dataset: str, n: int) -> dict[str, dict[str, float]]:
    from trainer import data, digits

    return digits.control_scores(data.load(dataset, "cpu"), digits.load_scorer("cpu"), n)
