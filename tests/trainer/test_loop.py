"""The loop: what an evaluation holds, runs without side effects, resumption, NaN."""

import dataclasses
import math

import pytest
import torch

from trainer import measure, updates
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data.images import Images
from trainer.data.sources import load_source
from trainer.interruption import Interrupted
from trainer.loop import final_scores, train
from trainer.projection import stable_ranks
from trainer.scores.scorers import load_scorer
from trainer.state import from_bytes, initial_state, to_bytes
from trainer.updates import train_iteration

torch.set_num_threads(1)

SLOW = pytest.mark.slow
TIMES = ("seconds", "images_per_second")


def small(method="sn", seed=0, **changes):
    sizes = {"channels": 4, "generator_channels": 4, "curve_samples": 100}
    return trial_config("digits", "C_8-32", method, seed, iterations=12, **(sizes | changes))


def toy(dataset, method, **changes):
    sizes = {"channels": 8, "generator_channels": 8} if dataset == "ring8" else {}
    return trial_config("toy", dataset, method, 0, iterations=12, **(sizes | changes))


@pytest.fixture
def few_images(monkeypatch):
    """A Hessian of less work than the 256 images that are behind it."""
    for module in (measure, updates):
        monkeypatch.setattr(module, "HESSIAN_BATCH", 16)


def tensors(state):
    found = [
        v.clone() for n in (state.generator, state.discriminator) for v in n.state_dict().values()
    ]
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        found += [v.clone() for kept in optimiser.state.values() for v in kept.values()]
    found += [gamma for gamma in state.gamma if gamma is not None]
    return found if state.directions is None else [*found, state.directions]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def timeless(records):
    return repr([{k: v for k, v in record.items() if k not in TIMES} for record in records])


def trained(config, source, scorer=None):
    state = initial_state(config)
    return state, list(train(config, state, source, scorer))


def test_what_an_evaluation_holds(images, scorer):
    config = small(evaluate_every=5)
    state, evaluations = trained(config, images, scorer)
    assert [e.iteration for e in evaluations] == [0, 5, 10, 12]
    first, last = evaluations[0], evaluations[-1]
    assert math.isnan(first.record["d_loss"])
    assert math.isnan(first.record["images_per_second"])
    assert last.record["d_loss"] > 0
    assert math.isnan(last.record["d_penalty_ratio"])
    assert last.record["n_samples"] == config.curve_samples
    assert last.record["images_per_second"] > 0
    assert "gpu_memory" not in last.record
    assert [len(sigma) for sigma in last.spectra] == [4, 4, 3, 4, 4, 4, 4, 4, 4, 4]
    assert all(sigma == sorted(sigma, reverse=True) for sigma in last.spectra)
    assert [len(e.outputs) for e in evaluations] == [6, 6, 6, 6]
    assert last.samples.startswith(b"\x89PNG")
    assert first.record["seconds"] < last.record["seconds"] == state.seconds
    assert state.history == [e.record for e in evaluations]


def test_losses_are_means_over_the_interval(images):
    config = small(evaluate_every=4)
    state, rows = initial_state(config), []
    for _ in range(8):
        rows.append(train_iteration(config, state, images)[:2])
    _, evaluations = trained(config, images)
    for k, evaluation in enumerate(evaluations[1:3]):
        d_loss, g_loss = torch.stack(rows[4 * k : 4 * k + 4]).mean(0).tolist()
        assert evaluation.record["d_loss"] == pytest.approx(d_loss, rel=1e-6)
        assert evaluation.record["g_loss"] == pytest.approx(g_loss, rel=1e-6)


@pytest.mark.parametrize("method", ["sn", "none", "wn", "sr-static"])
def test_stable_ranks_of_every_iteration(images, method):
    config = small(method, evaluate_every=5)
    _, evaluations = trained(config, images)
    state, expected = initial_state(config), []
    for _ in range(config.iterations):
        train_iteration(config, state, images)
        expected.append(stable_ranks(state))
    whole = torch.stack(expected, dim=1)
    assert evaluations[0].stable_ranks == []
    for evaluation, part in zip(evaluations[1:], whole.split(5, dim=1), strict=True):
        assert evaluation.stable_ranks == part.tolist()


def test_a_network_without_layers_has_no_stable_ranks():
    _, evaluations = trained(toy("affine", "jare"), load_source("affine", "cpu", None))
    assert [e.stable_ranks for e in evaluations] == [[], *[[]] * (len(evaluations) - 1)]


def test_evaluations_do_not_disturb_the_training(images, scorer, few_images):
    often, seldom = small(evaluate_every=6, hessian_k=1), small(evaluate_every=12)
    states = [trained(config, images, s)[0] for config, s in ((often, scorer), (seldom, None))]
    assert same(*map(tensors, states))


@pytest.mark.parametrize(
    "method",
    ["jare", *(pytest.param(m, marks=SLOW) for m in ("r1", "rpgan-r1r2", "sr-dynamic-reparam"))],
)
def test_logging_the_hessian_leaves_the_training_as_it_is(images, few_images, method):
    logged, plain = (
        trained(small(method, evaluate_every=12, **changes), images)
        for changes in ({"hessian_k": 2}, {})
    )
    assert same(tensors(logged[0]), tensors(plain[0]))
    for ours, theirs in zip(logged[1], plain[1], strict=True):
        kept = {k: v for k, v in ours.record.items() if "hessian" not in k}
        assert timeless([kept]) == timeless([theirs.record])
        assert len(ours.record["g_hessian"]) == len(ours.record["d_hessian"]) == 2


# Together they hold all that a state may hold; the others run in the same code.
FAST = ("sr-static", "sr-dynamic", "sr-dynamic-reparam", "wn", "jare", "wgan-gp")
CASES = [("digits8", m) if m in FAST else pytest.param("digits8", m, marks=SLOW) for m in METHODS]
CASES += [("ring8", "jare"), ("ring8", "sn"), ("affine", "jare"), ("affine", "conopt")]


@pytest.mark.parametrize(("dataset", "method"), CASES)
def test_resumed_run_is_the_same_run(few_images, dataset, method):
    """Saved at iteration 7 of 12, between two projections and after the first Hessian."""
    changes = {"nudge_every": 5, "hessian_k": 1} if METHODS[method].nudges else {}
    config = small(method, evaluate_every=7, **changes)
    if dataset != "digits8":
        config = toy(dataset, method, evaluate_every=7)
    source = load_source(dataset, "cpu", None)
    whole = initial_state(config)
    records = [e.record for e in train(config, whole, source, load_scorer(config, source, whole))]

    state = initial_state(config)
    for evaluation in train(config, state, source, load_scorer(config, source, state)):
        if evaluation.iteration == 7:
            break
    state = from_bytes(config, to_bytes(config, state))
    for _ in train(config, state, source, load_scorer(config, source, state)):
        continue

    assert [r["iteration"] for r in state.history] == [0, 7, 12]
    assert same(tensors(whole), tensors(state))
    assert timeless(records) == timeless(state.history)


def course(config, source, *ends):
    """(state, evaluations) of a run that ends at these iterations, each time saved and read."""
    state, found = initial_state(config), []
    for end in (*ends, math.inf):
        scorer = load_scorer(config, source, state)
        found += train(config, state, source, scorer, lambda s=state, end=end: s.iteration >= end)
        assert end == math.inf or state.iteration == end
        state = from_bytes(config, to_bytes(config, state))
    return state, found


def lasting(evaluation):
    """All that an evaluation measured, times aside; NaN as text."""
    whole = dataclasses.asdict(evaluation)
    return whole | {"record": timeless([whole["record"]])}


def assert_same_course(course_a, course_b):
    (a, evaluations_a), (b, evaluations_b) = course_a, course_b
    assert [*map(lasting, evaluations_a)] == [*map(lasting, evaluations_b)]
    assert same(tensors(a), tensors(b))
    assert timeless(a.history) == timeless(b.history)
    assert a.interval is b.interval is None


@pytest.fixture(scope="module")
def undisturbed(images):
    config = small("sr-static", evaluate_every=5)
    return config, course(config, images)


@pytest.mark.parametrize("ends", [(1,), (3,), (4, 6), (5,), (8, 9, 10), (11,), (12,), (0, 2)])
def test_a_run_that_is_told_to_end_goes_on_as_if_it_had_not_been(images, undisturbed, ends):
    """Also where an evaluation is due: 5, 10 and 12."""
    config, whole = undisturbed
    assert [e.iteration for e in whole[1]] == [0, 5, 10, 12]
    assert_same_course(course(config, images, *ends), whole)


@pytest.mark.parametrize(("dataset", "method"), CASES)
def test_every_method_goes_on_from_between_two_evaluations(few_images, dataset, method):
    changes = {"nudge_every": 5, "hessian_k": 1} if METHODS[method].nudges else {}
    config = small(method, evaluate_every=7, **changes)
    if dataset != "digits8":
        config = toy(dataset, method, evaluate_every=7)
    source = load_source(dataset, "cpu", None)
    assert_same_course(course(config, source, 4, 9), course(config, source))


def test_what_an_evaluation_averages_is_kept(images):
    config = small(evaluate_every=10)
    state = initial_state(config)
    assert len([*train(config, state, images, None, lambda: state.iteration == 3)]) == 1
    again = from_bytes(config, to_bytes(config, state)).interval
    assert again.iterations == 3
    assert again.seconds == state.interval.seconds > 0
    # The penalties' shares are NaN where the players take turns.
    torch.testing.assert_close(again.sums, state.interval.sums, rtol=0, atol=0, equal_nan=True)
    assert same(again.stable_ranks, state.interval.stable_ranks)


def test_an_evaluation_is_given_up_between_any_two_batches(images, scorer, few_images):
    config = small(evaluate_every=4, hessian_k=1, curve_samples=2000)
    whole = course(config, images)
    for questions in (1, 4, 20, 35):
        state, left = initial_state(config), iter(range(questions))

        def stop(state=state, left=left):
            return state.iteration == 4 and next(left, None) is None

        found = [*train(config, state, images, scorer, stop)]
        assert [e.iteration for e in found] == [0] == [r["iteration"] for r in state.history]
        assert state.interval.iterations == 4
        found += train(config, state, images, scorer)
        assert_same_course((state, found), whole)


def test_scores_at_the_end_are_given_up(images, scorer):
    with pytest.raises(Interrupted):
        final_scores(small(), initial_state(small()), scorer, lambda: True)


def test_seconds_add_up_over_attempts(images):
    config = small(evaluate_every=6)
    state = initial_state(config)
    state.seconds = 100.0
    for evaluation in train(config, state, images, None):
        assert evaluation.record["seconds"] > 100


class Watched:
    """A source that tells what was asked of it."""

    def __init__(self, source):
        self.source, self.asked = source, []

    def __getattr__(self, name):
        def call(*arguments, **named):
            if name in ("follow", "close"):
                self.asked.append((name, *arguments))
            return getattr(self.source, name)(*arguments, **named)

        return call


def test_source_is_told_where_training_goes_on_and_when_it_ends(images):
    config = small(evaluate_every=4, micro_batch=8)
    state, source = initial_state(config), Watched(images)
    for evaluation in train(config, state, source, None):
        if evaluation.iteration == 4:
            break
    # The generator was left: its `finally` has run.
    assert source.asked == [("follow", 0, 0, 1, 16, 8, 0, 1), ("close",)]
    for _ in train(config, state, source, None):
        continue
    assert source.asked[2:] == [("follow", 0, 4, 1, 16, 8, 0, 1), ("close",)]


def test_final_scores_rest_on_the_full_count(images, scorer):
    config = small(final_samples=1500)
    assert final_scores(config, initial_state(config), scorer)["n_samples"] == 1500
    assert final_scores(config, initial_state(config), None) == {}


def test_protocols_of_the_curve_and_of_the_end_reach_the_scorer(images):
    asked = []

    class Scorer:
        def scores(self, samples, protocol):
            asked.append((len(samples), protocol))
            return {"fid": 1.0, "inception_score": 2.0}

    source = Images(
        train=torch.zeros(4, 3, 32, 32, dtype=torch.uint8),
        held_out=torch.zeros(4, 3, 32, 32, dtype=torch.uint8),
        stacked=False,
    )
    sizes = {"device": "cpu", "channels": 4, "generator_channels": 4, "scorer": "0" * 64}
    names = {"curve_protocol": "paper-20", "final_protocol": "modern-30"}
    config = trial_config("paper", "B_8-64", "sn", 0, iterations=1, **sizes, **names)
    state = initial_state(config)
    records = [e.record for e in train(config, state, source, Scorer())]
    assert [r["fid"] for r in records] == [1.0, 1.0]
    assert final_scores(config, state, Scorer())["inception_score"] == 2.0
    # Of G and of its average, of each.
    assert asked == 4 * [(20, "paper-20")] + 2 * [(30, "modern-30")]


@pytest.mark.parametrize(
    "method",
    [
        "sn",
        "sr-static",
        *(pytest.param(m, marks=SLOW) for m in ("sr-dynamic-reparam", "nugan", "jare")),
    ],
)
@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_nan_ends_the_run_and_is_on_record(images, scorer, few_images, method, network):
    config = small(method, evaluate_every=5)
    state = initial_state(config)
    evaluations = []
    for evaluation in train(config, state, images, scorer):
        evaluations.append(evaluation)
        if evaluation.iteration == 5:
            with torch.no_grad():
                getattr(state, network).blocks[-1].c1.weight[0, 0, 0, 0] = math.nan
    assert [e.iteration for e in evaluations] == [0, 5, 10]
    last = evaluations[-1]
    assert last.verdict.stop == "diverged"
    assert last.verdict.diverged_at == 10
    assert evaluations[1].verdict.diverged_at is None
    assert math.isnan(last.record["gap"])
    assert math.isnan(last.record["d_loss"])
    assert not last.record["finite"]
    assert "modes" in evaluations[0].record
    assert "modes" not in last.record, "images that are not finite have no score"
    counted = {(row["images"], row["quantity"]): row["not_finite"] for row in last.outputs}
    assert counted["generated", "d"] == counted["generated", "d_loss"] == 512
    assert final_scores(config, state, scorer) == {}
    # Its record is kept, and whoever goes on from it ends at once.
    again = from_bytes(config, to_bytes(config, state))
    assert list(train(config, again, images, scorer)) == []
    assert timeless(again.history) == timeless(state.history)


def test_numbers_that_only_the_evaluation_sees_end_the_run_too(images):
    """Batch norm trains on the batch's own statistics, and draws with the running ones."""
    config = small(evaluate_every=4)
    state = initial_state(config)
    state.generator.bn.running_var.fill_(math.nan)
    evaluations = list(train(config, state, images, None))
    assert [e.verdict.stop for e in evaluations] == ["diverged"]
    assert evaluations[0].verdict.diverged_at == 0
