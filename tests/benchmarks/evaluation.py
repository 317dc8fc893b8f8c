"""What evaluations cost: their share of a trial's time, its parts, and the Frechet distance.

The share is that of one evaluation in the time from one to the next, at the default cadence. The
parts are timed in turn with the whole; samples and scores count twice in it, for G and for its
moving average. Beside them stands the Frechet distance of 2048 features
against torch-fidelity's own: relative difference and ratio of times, both in float64 on the CPU.
On a GPU the paper's settings are measured on random images and without Inception scores, which
need weights: what those cost is left out there.

    python tests/benchmarks/evaluation.py [--repetitions 3] [--device cuda]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from ledger import record, say
from packing import images
from timing import medians, seconds

from trainer import ema, measure
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images
from trainer.loop import train
from trainer.projection import stable_ranks
from trainer.scores import digits, metrics
from trainer.scores.scorers import Scorer
from trainer.state import TrainState, initial_state, to_bytes
from trainer.updates import train_iteration

DIGITS_SETTINGS = ("C_32-32", "B_64-64", "A_64-128")
PAPER_SETTINGS = ("C_64-32", "B_64-64", "A_64-128")
TRAINED = 5
FEATURES = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures = {}
    if args.device == "cuda":
        say("random images, no Inception weights: Inception scores are not measured")
        configs = [trial_config("paper", name, "sn", 0, device="cuda") for name in PAPER_SETTINGS]
    else:
        configs = [trial_config("digits", name, "sn", 0) for name in DIGITS_SETTINGS]
    for config in configs:
        figures |= shares(config, args.repetitions)
    if args.device == "cpu":
        figures |= distance()
    record("evaluation", figures, args.device)


def shares(config: TrialConfig, repetitions: int) -> dict[str, float]:
    """The share of evaluations in the setting's time, and ms of one, of its parts and of an
    iteration."""
    data, state = images(config), initial_state(config)
    scorer = digits.load_scorer(config.device) if config.dataset.startswith("digits") else None
    for _ in range(TRAINED):
        train_iteration(config, state, data)

    def iteration() -> None:
        train_iteration(config, state, data)
        stable_ranks(state)

    def evaluation() -> None:
        state.history.clear()  # what trains without a history begins with an evaluation
        next(train(config, state, data, scorer))

    work = {"iteration": iteration, "evaluation": evaluation}
    parts = parts_of(config, state, data, scorer)
    t = medians(work | parts, repetitions, config.device)
    share = t["evaluation"] / (t["evaluation"] + config.evaluate_every * t["iteration"])
    say(f"{config.setting}: an evaluation every {config.evaluate_every} iterations")
    figures = {f"{config.setting}, share of evaluations": share}
    return figures | {f"{config.setting}, {name} (ms)": 1000 * took for name, took in t.items()}


def parts_of(
    config: TrialConfig, state: TrainState, data: Images, scorer: Scorer | None
) -> dict[str, Callable[[], object]]:
    drawn = measure.samples(config, state, config.curve_samples)
    parts: dict[str, Callable[[], object]] = {
        "D's outputs": lambda: measure.histograms(
            config, measure.discriminator_outputs(config, state, data)
        ),
        "spectra": lambda: measure.spectra(state, config),
        "picture": lambda: measure.picture(config, state),
        "checkpoint's bytes": lambda: to_bytes(config, state),
        "samples of the average": lambda: measure.samples(
            config, state, config.curve_samples, averaged=True
        ),
        "of an iteration the average": lambda: ema.update(state.ema, state.generator, 1),
    }
    if not isinstance(scorer, digits.Scorer):
        return parts
    cells = digits.unit_cells(drawn)
    chunks = [digits.unit_cells(chunk) for chunk in drawn.split(digits.AT_ONCE)]
    mean, covariance = metrics.statistics(scorer.classifier(cells)[0].view(len(drawn), -1))
    return parts | {
        "samples": lambda: measure.samples(config, state, config.curve_samples),
        "scores": lambda: digits.scores(drawn, scorer),
        "of them classifier": lambda: [scorer.classifier(chunk) for chunk in chunks],
        "of them gate": lambda: [
            digits.nearest_distance(chunk.flatten(1), scorer.digits) for chunk in chunks
        ],
        "of them distance": lambda: metrics.frechet_distance(
            mean, covariance, scorer.mean, scorer.covariance
        ),
    }


def distance() -> dict[str, float]:
    """Of two sets of 5,000 random features: ours against torch-fidelity's, once each."""
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    rng = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, -2, FEATURES, dtype=torch.float64)
    draws = [torch.randn(5000, FEATURES, generator=rng, dtype=torch.float64) for _ in range(2)]
    (m1, s1), (m2, s2) = (
        metrics.statistics(draw * scale + 0.01 * k) for k, draw in enumerate(draws)
    )
    found = []
    ours = seconds(lambda: found.append(metrics.frechet_distance(m1, s1, m2, s2)))
    one, other = ({"mu": m.numpy(), "sigma": s.numpy()} for m, s in ((m1, s1), (m2, s2)))
    theirs = seconds(lambda: found.append(_value(fid_statistics_to_metric(one, other, False))))
    return {
        "Frechet distance, relative difference": abs(found[0] / found[1] - 1),
        "Frechet distance (s)": ours,
        "Frechet distance, over torch-fidelity's time": ours / theirs,
    }


def _value(scores: dict[str, float]) -> float:
    (value,) = scores.values()
    return float(value)


if __name__ == "__main__":
    main()
