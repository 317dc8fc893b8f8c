"""Table II as the paper prints it, and the stored trials beside it. Standard library only.

IS is higher-is-better, FID lower; `sd` is the paper's +-, which it does not define (it is not a
spread over seeds). In rows where SN collapsed its scores are the best before the collapse. "SR" is
static compensation on CIFAR-10 and STL-10 and dynamic compensation on ImageNet.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sweep.paper.costs import Cost, cost
from sweep.paper.pairs import PairedDifference, configuration, paired_differences
from sweep.paper.scores import sample_sd, score_name
from sweep.store.judgement import reasons_not_judged
from sweep.store.vocabulary import FINISHED, Row

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Published:
    """A row of Table II. The two flags are of SN: the paper reports neither for SR."""

    sn_is: float
    sn_is_sd: float
    sr_is: float
    sr_is_sd: float
    sn_fid: float
    sn_fid_sd: float
    sr_fid: float
    sr_fid_sd: float
    mode_collapse: bool
    spectral_collapse: bool


TABLE_II: Mapping[str, Published] = {
    "A_16-128": Published(8.15, 0.09, 8.35, 0.09, 22.31, 0.28, 24.67, 0.28, False, False),
    "A_32-128": Published(8.38, 0.07, 8.45, 0.1, 25.96, 0.42, 22.0, 0.17, False, False),
    "A_64-128": Published(8.39, 0.15, 8.65, 0.12, 21.15, 0.15, 20.31, 0.18, False, False),
    "A_128-128": Published(8.61, 0.12, 8.72, 0.08, 21.01, 0.23, 19.98, 0.19, False, False),
    "A_256-128": Published(8.45, 0.14, 8.48, 0.03, 20.87, 0.25, 19.87, 0.21, False, False),
    "A_512-128": Published(8.34, 0.09, 8.53, 0.04, 21.85, 0.14, 20.13, 0.12, False, False),
    "A_1024-128": Published(8.31, 0.21, 8.52, 0.16, 21.68, 0.35, 20.34, 0.13, False, False),
    "B_8-64": Published(6.67, 0.05, 7.42, 0.06, 45.19, 0.89, 35.78, 0.11, False, False),
    "B_16-64": Published(7.34, 0.06, 7.59, 0.08, 31.73, 0.49, 29.42, 0.22, False, False),
    "B_32-64": Published(7.18, 0.03, 7.48, 0.09, 33.76, 0.35, 28.6, 0.25, False, False),
    "B_64-64": Published(6.96, 0.11, 7.52, 0.11, 36.65, 0.29, 28.4, 0.36, True, True),
    "B_128-64": Published(7.1, 0.14, 7.13, 0.05, 35.99, 0.48, 31.41, 0.56, True, True),
    "B_256-64": Published(6.85, 0.08, 7.58, 0.03, 35.88, 0.42, 27.68, 0.23, True, True),
    "C_8-32": Published(4.21, 0.18, 4.93, 0.2, 80.0, 1.12, 66.05, 2.12, True, True),
    "C_16-32": Published(4.05, 0.15, 4.78, 0.23, 79.69, 0.21, 59.25, 0.43, True, True),
    "C_32-32": Published(4.29, 0.08, 4.7, 0.15, 78.39, 0.17, 62.1, 0.24, True, True),
    "C_64-32": Published(4.3, 0.14, 5.0, 0.14, 85.15, 1.2, 56.11, 0.54, True, True),
    "D_128-256": Published(8.14, 0.06, 8.92, 0.18, 24.43, 0.41, 18.95, 0.23, False, False),
    "D_256-256": Published(8.29, 0.12, 8.83, 0.14, 22.54, 0.29, 19.56, 0.11, False, False),
    "D_512-256": Published(8.33, 0.09, 8.36, 0.12, 22.58, 0.16, 21.82, 0.29, False, False),
    "E_64-128": Published(8.98, 0.2, 9.14, 0.18, 42.4, 0.56, 39.89, 0.89, False, False),
    "E_256-128": Published(9.1, 0.13, 9.11, 0.17, 40.11, 0.89, 40.08, 0.29, False, False),
    "E_256-64": Published(7.38, 0.14, 7.67, 0.06, 74.5, 1.52, 69.2, 0.83, True, True),
    "E_256-32": Published(4.04, 0.11, 4.38, 0.07, 98.5, 1.34, 89.17, 1.23, True, True),
    "E_512-64": Published(34.13, 0.64, 40.76, 0.73, 59.88, 0.57, 54.84, 0.68, False, False),
    "E_2048-64": Published(21.78, 0.87, 31.58, 0.43, 71.37, 1.14, 61.08, 0.53, True, True),
}  # fmt: skip

IMAGENET = ("E_512-64", "E_2048-64")
# Figs. 2 to 4 follow the runs to 50k iterations; the text gives no other length.
PUBLISHED_ITERATIONS = 50_000
DEFAULT_I_RATIO = 0.5
# What every method is set against, seed by seed: SN, what SR does but for lifting, and SN whose D
# learns faster.
BASELINES = ("sn", "sn-renorm", "sn-ttur")
OTHER_WEIGHTS = "Inception weights: not the reference file"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """Results of a trial: `best` and `final` are distances, lower is better; `modes` of 1000 and
    `spectrum_left` are of the end; each `*_at` is an iteration or None; `not_judged` has reasons
    by signal, None if they are not recorded."""

    seed: int
    trial_id: str
    status: str
    best: float | None
    best_iteration: int | None
    final: float | None
    modes: int | None
    spectrum_left: float | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    not_judged: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """A method on a setting: `mean` and `sd` (n - 1; None below two) of `best` over the `n`
    finished trials that have one. `seeds` holds every trial, finished or not."""

    method: str
    i_ratio: float | None
    n: int
    seeds: list[SeedResult]
    score: str
    mean: float | None
    sd: float | None
    comparable: bool
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """A row of Table II, published and measured: `measured[profile][method]`.

    `pairs` are the differences to SN, `contrasts[profile][baseline][method]` those to each of
    BASELINES.
    """

    setting: str
    published: Published
    measured: dict[str, dict[str, MethodResult]]
    pairs: dict[str, dict[str, PairedDifference]]
    contrasts: dict[str, dict[str, dict[str, PairedDifference]]]
    costs: dict[str, dict[str, Cost]]


def is_whole_run(row: Row) -> bool:
    """True for a trial from iteration 0 on, on all training images."""
    return row["parent"] is None and row.get("data_share") is None


def is_paper_run(row: Row) -> bool:
    """True for a whole run as the paper's are; a loop that declares its own score is none."""
    return is_whole_run(row) and row.get("score") is None


def table2(trials: Iterable[Row], curves: Callable[[str], Sequence[Row]]) -> list[SettingRow]:
    """All 26 settings in Table II's order, from rows of `trials`.

    `curves` gives a trial's rows of `evaluations`, oldest first; it is asked only where a pair
    needs it. Trials with an i_ratio other than 0.5, and those that are no whole runs, are not
    Table II's and are left out.

    Trials are never averaged over different configurations. Of a (profile, setting, method) only
    the trials of one configuration (equal in everything but the seed) are taken: the one with
    the most planned iterations among those with a finished trial, then the one that was written
    last. A pair is formed only where both methods ran the same but for what is their own.
    """
    cells: dict[tuple[str, str, str], list[Row]] = {}
    for row in trials:
        ours = row["setting"] in TABLE_II and row["i_ratio"] in (None, DEFAULT_I_RATIO)
        if ours and is_paper_run(row):
            cells.setdefault((row["setting"], row["profile"], row["method"]), []).append(row)
    trials_of = {key: one_configuration(rows) for key, rows in cells.items()}
    table = []
    for setting, published in TABLE_II.items():
        profiles = sorted({profile for name, profile, _ in trials_of if name == setting})
        rows = {
            profile: {
                method: trials_of[setting, profile, method]
                for method in _sn_first(m for s, p, m in trials_of if (s, p) == (setting, profile))
            }
            for profile in profiles
        }
        measured = {
            profile: {method: summary(method, of_method) for method, of_method in methods.items()}
            for profile, methods in rows.items()
        }
        contrasts = {
            profile: {name: paired_differences(methods, curves, name) for name in BASELINES}
            for profile, methods in rows.items()
        }
        table.append(
            SettingRow(
                setting=setting,
                published=published,
                measured=measured,
                pairs={profile: by["sn"] for profile, by in contrasts.items()},
                contrasts=contrasts,
                costs={
                    profile: {
                        m: cost(trials, methods.get("sn", ())) for m, trials in methods.items()
                    }
                    for profile, methods in rows.items()
                },
            )
        )
    return table


def _sn_first(methods: Iterable[str]) -> list[str]:
    return sorted(methods, key=lambda method: (method != "sn", method))


def one_configuration(rows: Sequence[Row]) -> list[Row]:
    """The trials of the configuration that `table2` describes, one per i and seed, in order."""

    def rank(row: Row) -> tuple[bool, int, datetime]:
        # The time of a trial whose file cannot be read is not known.
        return row["status"] in FINISHED, row["iterations"], row["updated_at"] or NEVER

    leader = max(rows, key=rank)
    common = configuration(leader)
    of_configuration = [row for row in rows if configuration(row) == common]
    ordered = sorted(of_configuration, key=rank)
    by_place = {(row["i_ratio"] or 0.0, row["seed"]): row for row in ordered}
    return [by_place[place] for place in sorted(by_place)]


def summary(method: str, rows: Sequence[Row]) -> MethodResult:
    """Summary of one or more trials, all of one configuration and one i."""
    score = score_name(rows[0])
    bests = [
        row[f"best_{score}"]
        for row in rows
        if row["status"] in FINISHED and row[f"best_{score}"] is not None
    ]
    reasons = _why_not_comparable(rows[0], len(bests))
    return MethodResult(
        method=method,
        i_ratio=rows[0]["i_ratio"],
        n=len(bests),
        seeds=[_seed_result(row, score) for row in rows],
        score=score,
        mean=statistics.fmean(bests) if bests else None,
        sd=sample_sd(bests) if len(bests) > 1 else None,
        comparable=not reasons,
        reasons=reasons,
    )


def _seed_result(row: Row, score: str) -> SeedResult:
    return SeedResult(
        seed=row["seed"],
        trial_id=row["trial_id"],
        status=row["status"],
        best=row[f"best_{score}"],
        best_iteration=row["best_iteration"],
        final=row[f"final_{score}"],
        modes=row["final_modes"],
        spectrum_left=row["final_spectrum_left"],
        mode_collapse_at=row["mode_collapse_at"],
        spectral_collapse_at=row["spectral_collapse_at"],
        dead_at=row["dead_at"],
        diverged_at=row["diverged_at"],
        not_judged=reasons_not_judged(row),
    )


def _why_not_comparable(row: Row, n: int) -> list[str]:
    """Reasons why the measured numbers cannot stand for the published ones."""
    published = _published_protocol(row["setting"])
    ran = {
        "data set": row["dataset"],
        "score": score_name(row),
        "iterations": row["iterations"],
        "n_critic": json.loads(row["config"] or "{}").get("n_critic"),
        "batch size": row["batch_size"],
        "CH": row["channels"],
    }
    differs = [
        f"{aspect}: {value}, the paper's is {published[aspect]}"
        for aspect, value in ran.items()
        if value != published[aspect]
    ]
    if json.loads(row["protocol"] or "{}").get("reference_weights") is False:
        differs.append(OTHER_WEIGHTS)
    if row["method"] not in ("sn", published_sr(row["setting"])):
        differs.append(f"{row['method']} is not in this row of Table II")
    if n < 2:
        differs.append("1 seed" if n else "no finished trial with a score")
    return differs


def _published_protocol(setting: str) -> dict[str, Any]:
    """Protocol of a row in the paper, which states no number of samples behind its scores."""
    group, sizes = setting.split("_")
    batch_size, channels = map(int, sizes.split("-"))
    imagenet = setting in IMAGENET
    return {
        "data set": "imagenet" if imagenet else "stl10" if group == "E" else "cifar10",
        "score": "fid",
        "iterations": PUBLISHED_ITERATIONS,
        "n_critic": 1 if imagenet else 5,
        "batch size": batch_size,
        "CH": channels,
    }


def published_sr(setting: str) -> str:
    """The method that is "SR" in the setting's row of Table II."""
    return "sr-dynamic" if setting in IMAGENET else "sr-static"
