"""The weights file: what is refused, and that nothing in it is run."""

import pickle
import sys
from pathlib import Path

import pytest
import torch

from trainer.config import protocols
from trainer.config.lookup import UsageError
from trainer.scores import fidelity
from trainer.scores.inception import load_scorer

pytestmark = pytest.mark.usefixtures("no_download")


class Code:
    """Unpickled without care, it makes the file `path`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture
def refusal(draw, tmp_path):
    """The one line with which a weights file is refused."""

    def refusal(path, *, allow=True):
        cache = tmp_path / "cache"
        with pytest.raises(UsageError) as caught:
            load_scorer("cpu", path, draw(4), "f", allow_other_weights=allow, cache=cache)
        assert "\n" not in str(caught.value)
        assert not cache.exists() or not list(cache.iterdir())
        return str(caught.value)

    return refusal


def test_without_weights_nothing_is_downloaded(refusal, tmp_path):
    assert protocols.REFERENCE_FILE in refusal(None)
    assert "absent.pth" in refusal(tmp_path / "absent.pth")


def test_other_weights_are_refused_unless_allowed(refusal, random_weights):
    message = refusal(random_weights, allow=False)
    assert "is not the reference Inception file" in message
    assert protocols.weights_hash(random_weights)[:8] in message
    tensors, digest = fidelity.read_weights(random_weights, allow_other=True)
    assert len(tensors) == 472
    assert digest == protocols.weights_hash(random_weights)


@pytest.mark.parametrize("pickled", [False, True])
def test_code_in_a_file_is_not_run(refusal, tmp_path, pickled):
    path, ran = tmp_path / "weights.pth", tmp_path / "ran"
    content = {"fc.weight": Code(ran)}
    path.write_bytes(pickle.dumps(content)) if pickled else torch.save(content, path)
    assert "is not a file of Inception weights" in refusal(path)
    assert not ran.exists()
    pickle.loads(path.read_bytes()) if pickled else torch.load(path, weights_only=False)
    assert ran.exists(), "the file would have run its code"


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04" + bytes(100)])
def test_junk_is_refused(refusal, tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert "is not a file of Inception weights" in refusal(path)


def test_another_network_is_refused(refusal, tmp_path):
    # An expanded tensor has the shape and is stored as its one value.
    layout = fidelity.network_layout()
    whole = {name: torch.zeros(()).expand(shape) for name, shape in layout.items()}
    cases = {
        "a list instead of": [1],
        "no fc.weight": {name: x for name, x in whole.items() if name != "fc.weight"},
        "unexpected extra": whole | {"extra": torch.zeros(1)},
        "fc.bias is (1000,), expected (1008,)": whole | {"fc.bias": torch.zeros(1000)},
        "fc.bias is int": whole | {"fc.bias": 0},
    }
    path = tmp_path / "weights.pth"
    for reason, content in cases.items():
        torch.save(content, path)
        assert reason in refusal(path)
    torch.save(whole, path)
    assert len(fidelity.read_weights(path, allow_other=True)[0]) == 566


def test_a_saved_network_is_the_same_as_its_file(random_weights, draw):
    """With the counters of batches, which the reference lacks, and through another format."""
    tensors, _ = fidelity.read_weights(random_weights, allow_other=True)
    first = fidelity.load_extractor(tensors, "cpu")
    saved = first.state_dict()
    assert len(saved) == 566
    again = fidelity.load_extractor(saved, "cpu")
    found = [next(fidelity.features(x, draw(2), "cpu")) for x in (first, again)]
    assert found[0].keys() == {"2048", "logits_unbiased"}
    for name, layer in found[0].items():
        assert torch.equal(layer, found[1][name])


def test_an_option_that_torch_fidelity_lacks_is_refused():
    assert fidelity.options(isc_splits=3) == {"isc_splits": 3}
    with pytest.raises(TypeError, match="no option isc_split"):
        fidelity.options(isc_split=3)


def test_a_broken_library_is_one_line(refusal, random_weights, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch_fidelity"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torch_fidelity.py").write_text("raise RuntimeError('no operator nms')")
    monkeypatch.syspath_prepend(tmp_path)
    assert "need torch-fidelity, but: no operator nms" in refusal(random_weights)
