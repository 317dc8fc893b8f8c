"""The moving average of G: against a float64 sum, apart from the training, kept, scored."""

import copy
import dataclasses
import io

import pytest
import torch

from trainer import ema
from trainer.config.trial import trial_config
from trainer.data.sources import load_source
from trainer.loop import final_scores, train
from trainer.measure import samples
from trainer.scores.scorers import load_scorer
from trainer.state import branch, from_bytes, initial_state, to_bytes
from trainer.updates import train_iteration

torch.set_num_threads(1)


def small(method="sn", **changes):
    sizes = {"channels": 4, "generator_channels": 4, "curve_samples": 100, "iterations": 12}
    return trial_config("digits", "C_8-32", method, 0, **(sizes | changes))


def trained(config, images, n):
    state = initial_state(config)
    for _ in range(n):
        train_iteration(config, state, images)
    return state


def test_the_decay_grows_up_to_0_999():
    assert ema.decay(1) == 2 / 11
    assert [ema.decay(t) < 0.999 for t in (8_989, 8_991)] == [True, False]
    assert ema.decay(50_000) == 0.999


def test_it_is_the_weighted_sum_of_the_weights_of_every_iteration(images):
    """In float64, by the weights that the recursion unrolls to; they sum to 1."""
    config, n = small(), 9
    state = initial_state(config)
    course = []
    for t in range(n + 1):
        course.append({k: w.detach().double() for k, w in state.generator.named_parameters()})
        if t < n:
            train_iteration(config, state, images)
    shares, left = [], 1.0
    for t in range(n, 0, -1):
        d = min(0.999, (1 + t) / (10 + t))
        shares.append(left * (1 - d))
        left *= d
    shares = [left, *reversed(shares)]
    assert sum(shares) == pytest.approx(1)
    for name, average in state.ema.items():
        exact = sum(s * weights[name] for s, weights in zip(shares, course, strict=True))
        torch.testing.assert_close(average.double(), exact, rtol=1e-5, atol=1e-7)


def test_it_draws_what_g_with_these_weights_draws_and_leaves_g_alone(images):
    config = small()
    state = trained(config, images, 5)
    before = copy.deepcopy(state.generator.state_dict())
    averaged = samples(config, state, 50, averaged=True)
    assert state.generator.training
    for name, value in state.generator.state_dict().items():
        assert torch.equal(value, before[name]), name
    # G's own buffers: the running figures of batch normalisation are not averaged.
    twin = dataclasses.replace(state, generator=copy.deepcopy(state.generator))
    twin.generator.load_state_dict({**before, **state.ema})
    assert torch.equal(samples(config, twin, 50), averaged)
    assert not torch.equal(samples(config, state, 50), averaged)


def test_the_training_is_the_same_whatever_the_average_holds(images):
    states = [initial_state(small()) for _ in range(2)]
    for weight in states[1].ema.values():
        weight.fill_(7.0)
    for state in states:
        for _ in range(4):
            train_iteration(small(), state, images)
    for a, b in zip(*(s.generator.state_dict().values() for s in states), strict=True):
        assert torch.equal(a, b)


def test_scores_of_both_stand_in_an_evaluation(images, scorer):
    config = small(evaluate_every=6)
    state = initial_state(config)
    records = [e.record for e in train(config, state, images, scorer)]
    scores = scorer.scores(samples(config, state, config.curve_samples))
    averaged = scorer.scores(samples(config, state, config.curve_samples, averaged=True))
    for name in ("fd_digits", "joint_class_score", "modes_ungated"):
        assert records[-1][name] == scores[name]
        assert records[-1][f"ema_{name}"] == averaged[name]
    new = {name for name in records[-1] if name.startswith("ema_")}
    assert new == {f"ema_{name}" for name in scores} - {"ema_n_samples"}
    assert records[0]["ema_fd_digits"] == records[0]["fd_digits"], "it starts as G"
    assert records[-1]["ema_fd_digits"] != records[-1]["fd_digits"]
    assert final_scores(config, state, scorer)["ema_modes"] >= 0


def test_points_are_scored_and_the_affine_problem_has_no_samples_to_score():
    for dataset, expected in (("ring8", True), ("affine", False)):
        config = trial_config("toy", dataset, "jare", 0, iterations=1)
        source = load_source(dataset, "cpu", None)
        state = initial_state(config)
        scorer = load_scorer(config, source, state)
        (first, _) = train(config, state, source, scorer)
        assert any(name.startswith("ema_") for name in first.record) is expected


def stored_without_average(config, state):
    stored = torch.load(io.BytesIO(to_bytes(config, state)), weights_only=True)
    del stored["ema"]
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    return buffer.getvalue()


def test_it_is_kept_and_goes_on_bit_for_bit(images):
    config = small("sr-static")
    whole = trained(config, images, 8)
    state = from_bytes(config, to_bytes(config, trained(config, images, 3)))
    for _ in range(5):
        train_iteration(config, state, images)
    assert state.ema.keys() == whole.ema.keys()
    assert all(torch.equal(state.ema[name], whole.ema[name]) for name in whole.ema)


def test_a_branch_takes_it_over(images):
    config = small()
    state = trained(config, images, 3)
    child = small("sr-static", parent=config.trial_id, parent_iteration=3)
    again = branch(child, to_bytes(config, state))
    assert all(torch.equal(again.ema[name], state.ema[name]) for name in state.ema)


def test_a_checkpoint_without_it_goes_on_from_g_and_says_so(images):
    config = small()
    state = trained(config, images, 3)
    content = stored_without_average(config, state)
    with pytest.warns(RuntimeWarning, match="iteration 3 is of a version without a moving"):
        again = from_bytes(config, content)
    child = small("sr-static", parent=config.trial_id, parent_iteration=3)
    with pytest.warns(RuntimeWarning, match=f"checkpoint of {config.trial_id} at iteration 3"):
        other = branch(child, content)
    for s in (again, other):
        for name, weight in state.generator.named_parameters():
            assert torch.equal(s.ema[name], weight)
            assert s.ema[name].data_ptr() != weight.data_ptr()
