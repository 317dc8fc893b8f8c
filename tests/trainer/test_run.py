"""One run in a folder: what is written, replaced, gone on with and refused."""

import cmath
import json
import pickle
import signal

import pytest
import torch

from trainer import loop, out_of_memory, run
from trainer.__main__ import configuration, parser
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.run import check_device, dump, equilibrium, replace

torch.set_num_threads(1)

RING = ["--dataset", "ring8", "--method", "simgd", "--iterations", "4", "--evaluate-every", "2"]


def start(*arguments):
    args = parser().parse_args([*RING, *map(str, arguments)])
    return run.run(configuration(args), args)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def shown(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_written(tmp_path, capsys):
    out = tmp_path / "new" / "run"
    assert start("--out", out) == 0
    *evaluations, result = shown(capsys)
    assert [e["iteration"] for e in evaluations] == [0, 2, 4]
    files = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    each = {f"{kind}/{at}" for kind in ("samples", "spectra", "outputs") for at in (0, 2, 4)}
    each = {f"{name}.png" if name.startswith("samples") else f"{name}.json" for name in each}
    top = {"config.json", "evaluations.jsonl", "checkpoint.pt", "result.json"}
    assert files == each | top
    stored = [json.loads(line) for line in (out / "evaluations.jsonl").read_text().splitlines()]
    assert stored == [{k: v for k, v in e.items() if k != "verdict"} for e in evaluations]
    assert json.loads((out / "result.json").read_text()) == result
    assert json.loads((out / "config.json").read_text())["dataset"] == "ring8"
    spectra = json.loads((out / "spectra/2.json").read_text())
    assert [len(sigma) for sigma in spectra["singular_values"]] == [2, 256, 256, 256]
    assert [len(ranks) for ranks in spectra["stable_ranks"]] == [2, 2, 2, 2]
    outputs = json.loads((out / "outputs/0.json").read_text())
    assert [sum(row["counts"]) for row in outputs] == 6 * [512]


def test_a_finished_run_is_not_run_again(tmp_path, capsys):
    assert start("--out", tmp_path) == 0
    before, first = contents(tmp_path), shown(capsys)[-1]
    assert start("--out", tmp_path) == 0
    assert shown(capsys) == [first]
    assert contents(tmp_path) == before


def test_a_run_that_stopped_on_collapse_stays_stopped(tmp_path, capsys, monkeypatch):
    """Unless it is told to go on: then it is the run that never stopped."""
    real = run.verdict_on

    class Collapsed:
        words, stop = "mode collapse at 2", "mode collapse"

    def verdict(config, history):
        bad = history and history[-1]["iteration"] >= 2
        return Collapsed() if bad else real(config, history)

    monkeypatch.setattr(run, "verdict_on", verdict)
    monkeypatch.setattr("trainer.loop.verdict_on", verdict)
    assert start("--out", tmp_path) == 0
    before, (*evaluations, result) = contents(tmp_path), shown(capsys)
    assert [e["iteration"] for e in evaluations] == [0, 2]
    assert (result["iteration"], result["verdict"]) == (2, "mode collapse at 2")
    assert start("--out", tmp_path) == 0
    assert shown(capsys) == [result]
    assert contents(tmp_path) == before
    assert start("--out", tmp_path, "--no-stop-on-collapse") == 0
    assert shown(capsys)[-1]["iteration"] == 4


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    assert start("--out", tmp_path) == 0
    before = contents(tmp_path)
    for arguments, said in (
        (["--no-resume"], "holds a run already: give another --out, or --resume"),
        (["--seed", 1], r"checkpoint belongs to toy\.ring8\.simgd.*; give another --out"),
    ):
        with pytest.raises(UsageError, match=said):
            start("--out", tmp_path, *arguments)
        assert contents(tmp_path) == before
    junk = b"not a checkpoint"
    (tmp_path / "checkpoint.pt").write_bytes(junk)
    with pytest.raises(UsageError, match="no checkpoint of this trainer"):
        start("--out", tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == junk


def test_output_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for out in ("/proc/nowhere", tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=f"cannot write to {out}: "):
            start("--out", out)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("name", ["config.json", "spectra/2.json", "result.json"])
def test_a_disk_that_fills_up(tmp_path, monkeypatch, name):
    real = run.replace

    def full(path, content):
        if str(path).endswith(name):
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(run, "replace", full)
    with pytest.raises(UsageError, match=f"cannot write to {tmp_path}: No space left on device"):
        start("--out", tmp_path)
    monkeypatch.setattr(run, "replace", real)
    assert start("--out", tmp_path) == 0
    assert json.loads((tmp_path / "result.json").read_text())["iteration"] == 4


def test_files_are_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    replace(path, b"old")

    def fail(*_):
        raise OSError("killed")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="killed"):
        replace(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_failing_iteration_leaves_the_checkpoint_before_it(tmp_path, monkeypatch, capsys):
    """The next start rewrites what was written after the checkpoint."""
    assert start("--out", tmp_path / "whole") == 0
    real = run.to_bytes

    def fail(config, state):
        if state.iteration == 2:
            raise KeyboardInterrupt
        return real(config, state)

    monkeypatch.setattr(run, "to_bytes", fail)
    out = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        start("--out", out)
    assert len((out / "evaluations.jsonl").read_text().splitlines()) == 2
    monkeypatch.setattr(run, "to_bytes", real)
    capsys.readouterr()
    assert start("--out", out) == 0
    assert [e["iteration"] for e in shown(capsys)[:-1]] == [2, 4]
    ours, theirs = (contents(tmp_path / name) for name in ("killed", "whole"))
    assert ours.keys() == theirs.keys()
    for name in ours:
        if name not in ("checkpoint.pt", "evaluations.jsonl", "result.json"):
            assert ours[name] == theirs[name], name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_at_its_next_iteration(tmp_path, monkeypatch, capsys, number):
    """Between two evaluations, as one is due, and before the scores of the end."""
    real = loop.train_iteration
    assert start("--out", tmp_path / "whole") == 0
    out = tmp_path / "ended"
    for at in (1, 2, 4):

        def train_iteration(config, state, source, ranks, at=at):
            measured = real(config, state, source, ranks)
            if state.iteration == at:
                signal.raise_signal(number)
            return measured

        monkeypatch.setattr(loop, "train_iteration", train_iteration)
        capsys.readouterr()
        assert start("--out", out) == 130
        assert capsys.readouterr().err == (
            f"interrupted at iteration {at}: {out / 'checkpoint.pt'} has it, and the same command "
            "goes on from there\n"
        )
    assert not (out / "result.json").exists()
    monkeypatch.setattr(loop, "train_iteration", real)
    assert start("--out", out) == 0
    ours, theirs = contents(out), contents(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    for name in ours:
        if name not in ("checkpoint.pt", "evaluations.jsonl", "result.json"):
            assert ours[name] == theirs[name], name
    for at in (0, 2, 4):
        name = f"spectra/{at}.json"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert json.loads(ours["result.json"])["final"] == json.loads(theirs["result.json"])["final"]


def test_a_signal_ends_the_scores_at_the_end(tmp_path, monkeypatch, capsys):
    def final_scores(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return loop.final_scores(*arguments)

    monkeypatch.setattr(run, "final_scores", final_scores)
    assert start("--out", tmp_path) == 130
    assert "interrupted at iteration 4" in capsys.readouterr().err
    monkeypatch.undo()
    assert start("--out", tmp_path) == 0
    assert [line["iteration"] for line in shown(capsys)] == [4], "nothing was left to train"


def test_a_run_without_a_folder_says_that_nothing_is_kept(monkeypatch, capsys):
    real = loop.train_iteration

    def train_iteration(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(loop, "train_iteration", train_iteration)
    assert start() == 130
    said = "interrupted at iteration 1: nothing is kept without --out\n"
    assert capsys.readouterr().err == said


def test_out_of_memory_names_the_micro_batch_that_fits(tmp_path, monkeypatch):
    """The error is over, and what it held freed, when smaller sizes are tried."""
    real, alive = out_of_memory.train_iteration, []

    class Room:
        """Stands for what fills the memory while the failing iteration's frames live."""

        def __del__(self):
            alive.remove(self.n)

        def __init__(self, n):
            self.n = n
            alive.append(n)

    def iteration(config, state, source, *ranks):
        held = Room(config.micro_batch)
        assert len(alive) == 1, "the first attempt's tensors are still alive"
        if held.n > 32:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore.")
        return real(config, state, source)

    for module in ("trainer.loop", "trainer.out_of_memory"):
        monkeypatch.setattr(f"{module}.train_iteration", iteration)
    with pytest.raises(UsageError) as raised:
        start("--out", tmp_path)
    said = "out of memory at micro-batch 128 on cpu; 32 fits: --micro-batch 32"
    assert str(raised.value) == said
    # Another micro-batch is another run, for batch norm sees it.
    assert start("--out", tmp_path / "smaller", "--micro-batch", 32) == 0


def test_out_of_memory_in_an_evaluation_advises_no_micro_batch(tmp_path, monkeypatch):
    def judge(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr("trainer.loop.discriminator_outputs", judge)
    with pytest.raises(UsageError, match="in an evaluation on cpu, which --micro-batch does not"):
        start("--out", tmp_path)


def test_devices(monkeypatch):
    check_device("cpu")
    for device in ("gpu", "cpu:0", "cuda:", "cuda:x", "mps", ""):
        with pytest.raises(UsageError, match=f"unknown device '{device}'"):
            check_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no GPU is visible here; --device cpu"):
        check_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(UsageError, match="no cuda:2 here: 2 GPUs, counted from 0"):
        check_device("cuda:2")
    check_device("cuda", 2)
    with pytest.raises(UsageError, match="--world-size 3 takes a GPU for each rank: 2 here"):
        check_device("cuda", 3)


def test_numbers_that_are_not_finite_become_null():
    value = {"a": float("nan"), "b": [1.5, float("inf"), {"c": float("-inf")}], "d": "NaN"}
    assert json.loads(dump(value)) == {"a": None, "b": [1.5, None, {"c": None}], "d": "NaN"}


@pytest.mark.parametrize("weight", [10.0, 100.0])
def test_equilibrium_of_the_affine_problem(weight):
    """lambda^2 + B lambda + C = 0 with B = s/2 + w/2, C = 1/4 + w^2/16, s = 0.49 and 4.49."""
    config = trial_config("toy", "affine", "jare", 0, penalty_weight=weight)
    found = equilibrium(config)
    expected = []
    for s in (0.49, 4.49):
        b, c = s / 2 + weight / 2, 1 / 4 + weight**2 / 16
        root = cmath.sqrt(b * b - 4 * c)
        expected += [(-b - root) / 2, (-b + root) / 2]
    values = [complex(*pair) for pair in found["eigenvalues"]]
    for value in expected:
        assert min(abs(value - other) for other in values) < 1e-4
    assert len(values) == 4
    moduli = sorted(map(abs, expected))
    assert found["conditioning"] == pytest.approx(moduli[-1] / moduli[0], abs=1e-4)


def test_a_checkpoint_is_no_pickle_of_objects(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps(print))
    with pytest.raises(UsageError, match="no checkpoint of this trainer"):
        start("--out", tmp_path)
