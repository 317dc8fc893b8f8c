"""Inception scores against torch-fidelity's own, and the traps around them.

Most tests put a small feature extractor where Inception would be: the scores are the same
functions of its features, and an Inception network takes a fifth of a second per image.
"""

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from trainer.config import protocols
from trainer.config.lookup import UsageError
from trainer.scores import fidelity, inception, metrics
from trainer.scores.inception import load_scorer

pytestmark = pytest.mark.usefixtures("no_download")


def by_torch_fidelity(fake, real, **options):
    """What torch-fidelity itself says, in the names of ours."""
    import torch_fidelity

    found = torch_fidelity.calculate_metrics(
        input1=fake,
        input2=real,
        cuda=False,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        **options,
    )
    return {
        "n_samples": len(fake),
        "reference_weights": False,
        "inception_score": found["inception_score_mean"],
        "inception_score_std": found["inception_score_std"],
        "fid": found["frechet_inception_distance"],
        "kid_mean": found["kernel_inception_distance_mean"],
        "kid_std": found["kernel_inception_distance_std"],
        "precision": found["precision"],
        "recall": found["recall"],
    }


def test_scores_are_those_of_torch_fidelity(tiny_scorer, draw, listed):
    fake, real = draw(40), draw(30, 1, high=200)
    found = tiny_scorer(real).scores(fake, "modern-40")
    expected = by_torch_fidelity(
        listed(fake), listed(real), feature_extractor="tiny", kid_subset_size=15
    )
    # FID of means in float64, where torch-fidelity takes them in float32.
    assert found.pop("fid") == pytest.approx(expected.pop("fid"), rel=1e-5)
    assert found == expected


def test_fid_is_the_frechet_distance_of_the_features(tiny_scorer, draw):
    fake, real = draw(40), draw(300, 1, high=200)
    pools = [F.adaptive_avg_pool2d(x.float(), 2).flatten(1) for x in (fake, real)]
    expected = metrics.frechet_distance(
        *metrics.statistics(pools[0]), *metrics.statistics(pools[1])
    )
    found = tiny_scorer(real).scores(fake, "paper-40")
    assert found["fid"] == pytest.approx(expected, rel=1e-9)


def test_paper_has_one_split_and_no_spread(tiny_scorer, draw):
    found = tiny_scorer(draw(30)).scores(draw(20, 1), "paper-20")
    assert found.keys() == {"n_samples", "reference_weights", "inception_score", "fid"}
    assert all(math.isfinite(value) for value in found.values())


def test_equal_sets_have_distance_0_not_less(tiny_scorer, draw):
    for seed in range(8):
        images = draw(30, seed)
        scorer = tiny_scorer(images, fingerprint=str(seed))
        assert 0 <= scorer.scores(images, "paper-30")["fid"] < 1e-6


def test_nan_is_not_taken_for_a_distance_of_0():
    nan = torch.full((2,), torch.nan, dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64)
    assert math.isnan(inception._fid((nan, eye), (torch.zeros_like(nan), eye)))


def test_a_collapsed_generator_is_precise_and_recalls_nothing(tiny_scorer, draw, tmp_path):
    spread = draw(64)
    collapsed = spread[:1].expand(64, 3, 8, 8).clone()
    collapsed[:, :, 0, 0] = draw(64, 1)[:, :, 0, 0]
    scores = tiny_scorer(spread, tmp_path / "spread").scores(collapsed, "modern-64")
    assert scores["precision"] > 0.9
    assert scores["recall"] < 0.1
    scores = tiny_scorer(collapsed, tmp_path / "collapsed").scores(spread, "modern-64")
    assert scores["precision"] < 0.1
    assert scores["recall"] > 0.9


def test_scoring_is_deterministic_and_leaves_no_trace(tiny_scorer, draw, listed):
    before = torch.get_rng_state(), torch.get_float32_matmul_precision()
    scorer = tiny_scorer(listed(draw(30, 1)))
    first = scorer.scores(draw(20), "modern-20")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_float32_matmul_precision() == before[1]
    assert torch.backends.cudnn.deterministic is False
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scorer.scores(draw(20), "modern-20") == first


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[1:],
        lambda x: x.float(),
        lambda x: x[..., :4],
        lambda x: x[:, :1],
        lambda x: x[0],
    ],
    ids=["number", "type", "size", "channels", "rank"],
)
def test_samples_of_another_kind_are_refused(tiny_scorer, draw, change):
    with pytest.raises(ValueError, match=r"paper-20 scores uint8 \[20, 3, 8, 8\], but got"):
        tiny_scorer(draw(30)).scores(change(draw(20)), "paper-20")


def test_an_unknown_protocol_is_refused(tiny_scorer, draw):
    scorer = tiny_scorer(draw(30))
    for name in (None, "paper", "modern-9"):
        with pytest.raises(UsageError):
            scorer.scores(draw(9), name)


def test_record_says_what_the_numbers_rest_on(tiny_scorer, draw):
    import torch_fidelity

    scorer = tiny_scorer(draw(30), fingerprint="abc")
    record = scorer.protocol_record("modern-20")
    assert record["extractor"] == "tiny"
    assert record["library"] == f"torch-fidelity {torch_fidelity.__version__}"
    assert (record["real_fingerprint"], record["real_samples"]) == ("abc", 30)
    assert (record["samples"], record["splits"]) == (20, 10)
    assert (record["kid_prc_real_samples"], record["kid_subset_size"]) == (20, 10)
    assert record["fid_rank_deficient"] is False
    assert scorer.protocol_record("modern-12")["fid_rank_deficient"] is True
    assert "splits" not in scorer.protocol_record()
    assert "kid_subsets" not in scorer.protocol_record("paper-20")


def test_the_library_is_imported_only_when_it_is_used():
    code = "import sys, trainer.scores.inception; print('torch_fidelity' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_scores_through_a_file_like_the_reference(
    random_weights, draw, listed, tmp_path, monkeypatch
):
    real, fake = draw(6, size=32), draw(4, 1, high=128, size=32)
    monkeypatch.setenv("INCEPTION_WEIGHTS", str(random_weights))
    state = torch.get_rng_state()
    scorer = load_scorer("cpu", None, real, "f", allow_other_weights=True, cache=tmp_path)
    found = scorer.scores(fake, "paper-4")
    assert torch.equal(torch.get_rng_state(), state)
    assert found.keys() == {"n_samples", "reference_weights", "inception_score", "fid"}
    assert found["inception_score"] >= 1
    assert found["fid"] > 0
    assert len(scorer.mean) == 2048
    record = scorer.protocol_record("paper-4")
    assert record["extractor"] == "inception-v3-compat"
    assert record["reference_weights"] is False
    assert record["weights_sha256"] == protocols.weights_hash(random_weights)
    assert record["fid_rank_deficient"] is True

    for module in (fidelity, inception):
        monkeypatch.setattr(module, "REFERENCE_SHA256", record["weights_sha256"])
    known = listed(real)
    scorer = load_scorer("cpu", random_weights, known, "f", cache=tmp_path)
    assert known.reads < len(real), "their statistics are known"
    assert scorer.protocol_record()["reference_weights"] is True


@pytest.mark.slow
def test_inception_scores_are_those_of_torch_fidelity(random_weights, draw, listed, tmp_path):
    real, fake = draw(24, size=32), draw(32, 1, high=128, size=32)
    scorer = load_scorer(
        "cpu", random_weights, real, "f", allow_other_weights=True, cache=tmp_path
    )
    found = scorer.scores(fake, "modern-32")
    expected = by_torch_fidelity(
        listed(fake),
        listed(real),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=random_weights,
        kid_subset_size=12,
    )
    # With so few samples most eigenvalues are rounding errors, of which the root is taken.
    assert found.pop("fid") == pytest.approx(expected.pop("fid"), rel=1e-4)
    assert found == expected
    assert 0 <= scorer.scores(real, "paper-24")["fid"] < 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_scores(random_weights, draw, tmp_path):
    real, fake = draw(32, size=32), draw(32, 1, high=128, size=32)
    found = []
    for device in ("cpu", "cuda"):
        scorer = load_scorer(
            device,
            random_weights,
            real.to(device),
            "f",
            allow_other_weights=True,
            cache=tmp_path / device,
        )
        found.append(scorer.scores(fake.to(device), "modern-32"))
    assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-6)
