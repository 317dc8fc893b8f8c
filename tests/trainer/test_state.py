"""State as bytes: what is kept, what is refused, and branches off another run."""

import dataclasses
import io
import os

import pytest
import torch

from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.loop import train
from trainer.scores import digits
from trainer.state import branch, from_bytes, initial_state, origin, to_bytes
from trainer.updates import train_iteration

torch.set_num_threads(1)


def small(method="sn", seed=0, **changes):
    sizes = {"channels": 4, "generator_channels": 4, "curve_samples": 100}
    return trial_config("digits", "C_8-32", method, seed, iterations=20, **(sizes | changes))


@pytest.fixture(scope="module")
def trained(images):
    """(configuration, state after 6 iterations, its bytes) of a run with every kind of state."""
    config = small("sr-dynamic", projection_period=2, evaluate_every=3)
    state = initial_state(config)
    for evaluation in train(config, state, images, digits.load_scorer("cpu")):
        if evaluation.iteration == 6:
            break
    return config, state, to_bytes(config, state)


def tensors(state):
    found = [v for n in (state.generator, state.discriminator) for v in n.state_dict().values()]
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        found += [v for kept in optimiser.state.values() for v in kept.values()]
    return found


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_state_survives_its_bytes(trained):
    config, state, content = trained
    again = from_bytes(config, content)
    assert same(tensors(state), tensors(again))
    assert same(state.gamma, again.gamma)
    assert all(gamma.dtype == torch.float64 for gamma in again.gamma)
    assert (again.iteration, again.seconds) == (6, state.seconds)
    assert repr(again.history) == repr(state.history), "NaN is kept"
    assert [r["iteration"] for r in again.history] == [0, 3, 6]
    assert origin(content) == (config.trial_id, 6)
    # What is read is the run's own: training on does not change what was read from.
    layout = again.discriminator.blocks[1].c1.weight
    assert layout.is_contiguous(memory_format=torch.channels_last)


def test_a_checkpoint_of_before_runs_could_end_between_evaluations(trained):
    config, _, content = trained
    stored = torch.load(io.BytesIO(content), weights_only=True)
    del stored["interval"]
    again = from_bytes(config, saved(stored))
    assert (again.iteration, again.interval) == (6, None)


def test_a_branch_averages_nothing_of_its_parent(images):
    config = small("sn", evaluate_every=5)
    state = initial_state(config)
    for _ in train(config, state, images, None, lambda: state.iteration == 3):
        continue
    assert state.interval.iterations == 3
    child = small("sr-static", parent=config.trial_id, parent_iteration=3)
    again = branch(child, to_bytes(config, state))
    assert (again.iteration, again.interval, again.history) == (3, None, [])


def test_directions_are_kept(images):
    config = small("nugan", nudge_every=5, nudge_k=2)
    state = initial_state(config)
    train_iteration(config, state, images)
    assert state.directions is not None
    again = from_bytes(config, to_bytes(config, state))
    assert torch.equal(again.directions, state.directions)
    for s in (state, again):
        train_iteration(config, s, images)
    assert same(tensors(state), tensors(again))


def test_loaded_without_running_code():
    class Trap:
        def __reduce__(self):
            return os.system, ("touch /tmp/this-must-not-exist",)

    config = small()
    state = initial_state(config)
    state.history = [Trap()]
    with pytest.raises(UsageError, match="no checkpoint of this trainer"):
        from_bytes(config, to_bytes(config, state))
    assert not os.path.exists("/tmp/this-must-not-exist")


def damaged(content):
    return {
        "empty": b"",
        "text": b"hello world\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "half": content[: len(content) // 2],
        "tensor": saved(torch.zeros(3)),
        "number": saved(3),
        "list": saved([1, 2]),
        "other": saved({"state_dict": {}}),
    }


@pytest.mark.parametrize(
    "kind", ["empty", "text", "picture", "half", "tensor", "number", "list", "other"]
)
def test_a_file_that_is_none_is_refused_in_one_line(trained, kind):
    config, _, content = trained
    junk = damaged(content)[kind]
    for read in (lambda: from_bytes(config, junk), lambda: origin(junk)):
        with pytest.raises(UsageError) as raised:
            read()
        said = str(raised.value)
        assert said.startswith("no checkpoint of this trainer")
        assert "\n" not in said
        assert "weights_only" not in said, "advice that would run code of a stranger"


@pytest.mark.parametrize("part", ["generator", "discriminator_optimiser"])
@pytest.mark.parametrize("value", [None, {}, 3])
def test_a_part_that_is_none_is_refused_in_one_line(trained, part, value):
    config, _, content = trained
    stored = torch.load(io.BytesIO(content), weights_only=True) | {part: value}
    with pytest.raises(UsageError, match="do not fit") as raised:
        from_bytes(config, saved(stored))
    assert "\n" not in str(raised.value)


def test_an_optimiser_of_more_parameters_is_refused_in_one_line(trained):
    config, _, content = trained
    stored = torch.load(io.BytesIO(content), weights_only=True)
    states = stored["discriminator_optimiser"]["state"]
    states[len(states)] = states[0]
    with pytest.raises(UsageError, match="do not fit") as raised:
        from_bytes(config, saved(stored))
    assert "\n" not in str(raised.value)


def test_checkpoint_of_another_configuration_is_refused(trained):
    config, _, content = trained
    other = dataclasses.replace(config, seed=1)
    with pytest.raises(UsageError, match=r"belongs to digits\.C_8-32\.sr-dynamic") as raised:
        from_bytes(other, content)
    assert config.trial_id in str(raised.value)
    assert other.trial_id in str(raised.value)
    assert "(seed 0 there, 1 here); --from-checkpoint starts" in str(raised.value)


def test_a_refused_checkpoint_names_four_fields_that_differ_at_most(trained):
    config, _, content = trained
    other = dataclasses.replace(config, seed=1, channels=8, n_critic=2, iterations=30, threads=2)
    with pytest.raises(UsageError, match=r"\(seed 0 there, 1 here; channels .*; \.\.\.\)"):
        from_bytes(other, content)


def test_a_checkpoint_without_a_configuration_is_refused_by_its_id(trained):
    config, _, content = trained
    stored = torch.load(io.BytesIO(content), weights_only=True)
    del stored["config"]
    with pytest.raises(UsageError, match=rf"not to {config.trial_id[:-9]}.{{9}}; --from"):
        from_bytes(dataclasses.replace(config, n_critic=2), saved(stored))


# Branches


def child_of(content, method, **changes):
    parent, at = origin(content)
    return small(method, parent=parent, parent_iteration=at, **changes)


def test_a_branch_takes_over_the_networks_and_begins_its_own_history(images):
    """The paper's Fig. 6: SN first, then SR with dynamic compensation from the snapshot."""
    config = small(evaluate_every=4)
    state = initial_state(config)
    for evaluation in train(config, state, images, None):
        if evaluation.iteration == 8:
            break
    content = to_bytes(config, state)
    child = child_of(content, "sr-dynamic", evaluate_every=4)
    assert child.trial_id != small("sr-dynamic", evaluate_every=4).trial_id
    assert (child.parent, child.parent_iteration) == (config.trial_id, 8)

    branched = branch(child, content)

    assert same(tensors(state), tensors(branched))
    assert (branched.iteration, branched.history, branched.seconds) == (8, [], 0)
    assert branched.gamma == [None] * 10
    records = [e.record for e in train(child, branched, images, None)]
    assert [r["iteration"] for r in records] == [8, 12, 16, 20]
    # The snapshot's own first numbers are the branch's: nothing was trained in between.
    assert records[0]["gap"] == state.history[-1]["gap"]
    assert all(gamma is not None for gamma in branched.gamma)
    # Its checkpoint is its own, from which it goes on as any run does.
    assert origin(to_bytes(child, branched)) == (child.trial_id, 20)
    with pytest.raises(UsageError, match="belongs to"):
        from_bytes(child, content)


def test_a_branch_of_the_same_method_is_the_run_gone_on(images):
    config = small()
    whole, half = initial_state(config), initial_state(config)
    for _ in range(10):
        train_iteration(config, whole, images)
    for _ in range(5):
        train_iteration(config, half, images)
    content = to_bytes(config, half)
    child = child_of(content, "sn")
    branched = branch(child, content)
    for _ in range(5):
        train_iteration(child, branched, images)
    assert same(tensors(whole), tensors(branched))


def test_what_belongs_to_the_parents_method_is_left_behind(images):
    config = small("nugan", nudge_k=2)
    state = initial_state(config)
    train_iteration(config, state, images)
    content = to_bytes(config, state)
    assert branch(child_of(content, "sn"), content).directions is None


def test_networks_that_do_not_fit_are_refused_in_one_line(trained):
    _, _, content = trained
    wider = small("sn").channels
    for method, changes, reason in (
        ("sr-static", {"channels": 8}, f"channels {wider} there, 8 here"),
        ("wn", {}, "wn has a learned gain in every layer of D, which the other lacks"),
        ("pacgan", {}, "packing none there, 2 here"),
    ):
        with pytest.raises(UsageError, match=f"do not fit: {reason}") as raised:
            branch(child_of(content, method, **changes), content)
        assert "\n" not in str(raised.value)
        assert str(raised.value).startswith("the networks of digits.C_8-32.sr-dynamic")


def test_a_snapshot_that_was_not_planned_is_refused(trained):
    _, _, content = trained
    parent, _ = origin(content)
    child = small("sn", parent=parent, parent_iteration=3)
    with pytest.raises(UsageError, match=r"at iteration 6, not .* at 3"):
        branch(child, content)


def test_a_branch_at_or_after_its_end_is_refused(trained):
    _, _, content = trained
    with pytest.raises(UsageError, match="snapshot is of iteration 6, so --iterations must be"):
        dataclasses.replace(child_of(content, "sn"), iterations=6)
