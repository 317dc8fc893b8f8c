"""What a monitor measures, when, and what it says of a collapse."""

import math

import pytest
import torch
from torch import nn

from tests.trainer.weights.models import Labelled, build
from trainer.config.lookup import UsageError
from trainer.spectral import spectrum
from trainer.weights.layer import layers_of
from trainer.weights.monitor import Monitor, affordable_period, summaries
from trainer.weights.trace import trace


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))


def collapse(layer):
    """Leaves a layer with one singular value."""
    with torch.no_grad():
        layer.weight.copy_(torch.outer(layer.weight[:, 0], layer.weight[0]))


def test_spectra_are_those_of_the_weights_as_they_are_now():
    model = network()
    monitor = Monitor(model)
    model(torch.randn(2, 8))
    with torch.no_grad():
        model[0].weight.mul_(3)
    spectra = monitor.spectra()
    assert list(spectra) == ["0", "2", "4"]
    torch.testing.assert_close(spectra["0"][0], spectrum(model[0].weight))


def test_before_any_forward_pass_it_says_what_to_do():
    monitor = Monitor(network())
    with pytest.raises(UsageError, match="trace"):
        monitor.spectra()
    assert monitor.step() is False
    assert monitor.verdict().state == "not judged"


def test_a_call_can_be_named_and_need_not_be_forward():
    model = network().eval()
    monitor = Monitor(model)
    with torch.no_grad():
        monitor.trace(lambda: model[2](torch.randn(2, 8)))
    assert list(monitor.spectra()) == ["2"]
    assert set(monitor.unused) == {"0"}
    monitor.trace(lambda: model(torch.randn(2, 8)))
    assert set(monitor.spectra()) == {"0", "2", "4"}
    with pytest.raises(UsageError, match="another network"):
        Monitor(model).trace(lambda: nn.Linear(8, 8)(torch.randn(2, 8)))


def test_it_measures_at_the_first_step_and_at_every_nth():
    model = network()
    monitor = Monitor(model, every=3)
    model(torch.randn(2, 8))
    assert [monitor.step() for _ in range(7)] == [True, False, False] * 2 + [True]
    assert [record["iteration"] for record in monitor.history] == [1, 4, 7]


def test_a_record_has_a_value_per_layer_and_nan_where_r_is_one():
    model = network()
    monitor = Monitor(model)
    model(torch.randn(2, 8))
    record = monitor.measure()
    assert len(record["sigma2_ratio"]) == 3
    assert math.isnan(record["sigma2_ratio"][2])
    assert record["sigma1"][2] == pytest.approx(float(model[4].weight.detach().norm()))


def test_blocks_are_summarised_by_their_median():
    sigma = torch.tensor([[4.0, 2.0], [4.0, 4.0], [4.0, 1.0]], dtype=torch.float64)
    assert summaries({"a": sigma})["sigma2_ratio"] == [0.5]


def test_a_collapse_is_seen_where_two_layers_fell_three_times():
    model = network()
    monitor = Monitor(model, every=1)
    model(torch.randn(2, 8))
    monitor.step()
    assert monitor.verdict().state == "not judged"
    collapse(model[0])
    for _ in range(3):
        monitor.step()
    assert monitor.verdict().state == "not seen"
    collapse(model[2])
    for _ in range(3):
        monitor.step()
    verdict = monitor.verdict()
    assert (verdict.state, verdict.step) == ("seen", 5)
    assert "2 of 2" in verdict.rule or "2 or more of 2" in verdict.rule


def test_a_burn_in_is_waited_for():
    model = network()
    monitor = Monitor(model, every=1, burn_in=10)
    model(torch.randn(2, 8))
    monitor.step()
    for layer in (model[0], model[2]):
        collapse(layer)
    for _ in range(10):
        monitor.step()
    assert monitor.verdict().state == "not judged"
    monitor.step()
    assert monitor.verdict().state == "seen"


def test_what_is_not_finite_is_not_called_healthy():
    model = network()
    monitor = Monitor(model, every=1)
    model(torch.randn(2, 8))
    for _ in range(5):
        monitor.step()
    assert monitor.verdict().state == "not seen"
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    monitor.step()
    verdict = monitor.verdict()
    assert (verdict.state, verdict.reason) == ("not judged", "a weight is not finite")


def test_voters_are_declared_by_name():
    model = network()
    monitor = Monitor(model, votes=["0"])
    model(torch.randn(2, 8))
    assert [layer.votes for layer in monitor.layers] == [True, False, False]
    monitor = Monitor(model, votes=["first*"])
    with pytest.raises(UsageError, match="'first\\*'; there are: 0, 2, 4"):
        monitor.trace(lambda: model(torch.randn(2, 8)))


def test_a_network_whose_layers_are_all_small_is_not_judged():
    model = nn.Linear(2, 2)
    monitor = Monitor(model, every=1)
    model(torch.randn(2, 2))
    for _ in range(5):
        monitor.step()
    assert monitor.verdict().reason == "no layer votes"


def test_embeddings_are_left_alone_and_the_report_says_so():
    model = Labelled()
    monitor = Monitor(model)
    model(torch.randn(4, 6))
    line = next(x for x in monitor.report().splitlines() if x.startswith("embedding"))
    assert "left alone" in line
    monitor = Monitor(model, embeddings=True)
    model(torch.randn(4, 6))
    assert "left alone" not in monitor.report()


def test_the_period_keeps_measurements_below_a_hundredth_of_the_work():
    def period(side, batch):
        model = nn.Linear(side, side)
        _, found = trace(model, lambda: model(torch.randn(batch, side)))
        return affordable_period(layers_of(found, model))

    assert period(8, 10_000) == 100
    # 2 (2 + 8) r^3 operations against 6 * 2 B r^2 of a step, a hundredth of it at most.
    assert period(300, 4) == math.ceil(20 * 300 / (0.01 * 12 * 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_are_read(dtype):
    model, x = build("plain")
    model.to(dtype)
    monitor = Monitor(model)
    model(x.to(dtype))
    assert all(sigma.dtype == torch.float64 for sigma in monitor.spectra().values())
