"""`python -m trainer` as a user runs it: real processes, one of them killed."""

import json
import os
import pickle
import pty
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch

from tests.own_pictures import png, write_pictures
from trainer.__main__ import main
from trainer.config.methods import METHODS
from trainer.data import preparation

torch.set_num_threads(1)

DIGITS = ["--profile", "digits", "--setting", "C_8-32"]
PYTHON = [sys.executable, "-m", "trainer"]
RUN = [*PYTHON, *DIGITS, "--no-stop-on-collapse"]
RING = ["--dataset", "ring8", "--method", "simgd"]
TIMES = ("seconds", "images_per_second")


def run(*arguments, **kwargs):
    return subprocess.run(
        [*RUN, *map(str, arguments)], capture_output=True, text=True, timeout=120, **kwargs
    )


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def timeless(record):
    return {k: v for k, v in record.items() if k not in TIMES}


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(capsys, *arguments):
    """The one line on stderr with which the command ends."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert err.startswith("python -m trainer: ")
    return err


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """A data root with 16x5 and 16 images in the layout of CIFAR-10, and the tool to relax the
    check of the real archive's checksums."""
    from torchvision.datasets import CIFAR10

    root = tmp_path_factory.mktemp("data")
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    for name in names:
        images = rng.integers(0, 256, (16, 3 * 32 * 32), dtype=np.uint8)
        labels = [int(v) for v in rng.integers(0, 10, 16)]
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": labels}))
    meta = {"label_names": [f"class {k}" for k in range(10)]}
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps(meta))
    return root


@pytest.fixture
def unchecked(monkeypatch):
    from torchvision.datasets import CIFAR10, cifar

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(cifar, "check_integrity", lambda *_: True)
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)


@pytest.mark.slow
def test_json_lines_when_piped(tmp_path):
    done = run("--method", "sr-static", "--iterations", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *evaluations, result = lines(done.stdout)
    assert [e["iteration"] for e in evaluations] == list(range(3))
    assert evaluations[0]["d_loss"] is None
    assert result["final"]["n_samples"] == 10_000
    stored = lines((tmp_path / "evaluations.jsonl").read_text())
    assert stored == [{k: v for k, v in e.items() if k != "verdict"} for e in evaluations]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert len(list((tmp_path / "samples").glob("*.png"))) == 3
    spectra = json.loads((tmp_path / "spectra/2.json").read_text())
    assert [len(s) for s in spectra["singular_values"]] == [16, 16, 3] + [16] * 7


@pytest.mark.parametrize(
    "what", [RING[:2], pytest.param(DIGITS, marks=pytest.mark.slow)], ids=["ring8", "digits"]
)
def test_killed_run_goes_on_and_ends_in_the_same_numbers(tmp_path, what):
    """Two processes of one seed give the same numbers, and so does one that was killed."""
    command = [*PYTHON, *what, "--method", "sr-dynamic", "--iterations", "12", "--seed", "1"]
    command += ["--evaluate-every", "1", "--no-stop-on-collapse", "--out"]

    def to_its_end(folder):
        return subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=200)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert to_its_end(whole).returncode == 0
    process = subprocess.Popen([*command, str(killed)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline())["iteration"] for _ in range(7)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / "result.json").exists()

    again = to_its_end(killed)

    assert again.returncode == 0, again.stderr
    assert lines(again.stdout)[0]["iteration"] > seen[-2], "nothing checkpointed is done twice"
    for name in ("evaluations.jsonl", "result.json"):
        ours, theirs = (lines((d / name).read_text()) for d in (killed, whole))
        assert [timeless(r) for r in ours] == [timeless(r) for r in theirs]
    ours, theirs = (
        {k: v for k, v in files(folder).items() if k.startswith(("spectra", "outputs", "samples"))}
        for folder in (killed, whole)
    )
    assert {k: v for k, v in ours.items() if ".tmp" not in k} == theirs


def test_progress_line_on_a_terminal():
    parent, child = pty.openpty()
    process = subprocess.Popen([*PYTHON, *RING, "--iterations", "3"], stdout=child, stderr=child)
    os.close(child)
    shown, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            shown += os.read(parent, 4096)
        except OSError:  # the other end is closed: Linux says so with EIO
            break
    os.close(parent)
    assert process.wait(10) == 0
    text = shown.decode()
    assert "\r\x1b[Kring8 simgd seed 0  3/3  modes" in text
    assert "ETA 0:0" in text


@pytest.mark.slow
def test_a_reader_that_has_gone_is_no_error():
    process = subprocess.Popen(
        [*PYTHON, *RING, "--iterations", "60", "--evaluate-every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["iteration"] == 0
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1
    process.stderr.close()


# Bad input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--setting", "C_8-23"], "unknown setting 'C_8-23'; did you mean: C_8-32"),
        (["--profile", "digit"], "unknown profile 'digit'; did you mean: digits"),
        (["--method", "sr"], "unknown method 'sr'; did you mean: s"),
        (["--dataset", "cifar"], "unknown data set 'cifar'; did you mean: cifar10"),
        (
            ["--dataset", "cifar10"],
            "cifar10 is a data set of the paper profile, not of digits",
        ),
        (["--dataset", "ring8"], "ring8 is no data set for a row of Table I: drop --setting"),
        (["--seed", "9223372036854775808"], "seed must be at most 2^63 - 1, but got 92233"),
        (["--i-ratio", "0", "--method", "sr-static"], "i_ratio must be in (0, 1], but got 0"),
        (["--i-ratio", "1.5", "--method", "sr-static"], "in (0, 1], but got 1.5"),
        (["--i-ratio", "nan", "--method", "sr-static"], "in (0, 1], but got nan"),
        (["--i-ratio", "0.5"], "method 'sn' lifts no singular values by rank and takes no i"),
        (["--micro-batch", "5"], "batch_size 16 is not a multiple of micro_batch 5"),
        (["--micro-batch", "32"], "batch_size 16 is not a multiple of micro_batch 32"),
        (["--micro-batch", "0"], "micro_batch must be at least 1, but got 0"),
        (["--method", "jare", "--micro-batch", "8"], "micro_batch must be 16, not 8"),
        (["--method", "jare", "--precision", "bf16"], "needs float32, not bf16"),
        (["--precision", "fp8"], "precision 'fp8' is none of float32, tf32, bf16"),
        (["--iterations", "0"], "iterations must be at least 1, but got 0"),
        (["--seed", "-1"], "seed must be at least 0, but got -1"),
        (["--threads", "0"], "threads must be at least 1, but got 0"),
        (["--penalty-weight", "-1", "--method", "r1"], "penalty_weight must be at least 0"),
        (["--device", "gpu"], "unknown device 'gpu': cpu, cuda, or cuda:N"),
        (["--device", "cuda"], "no GPU is visible here"),
        (["--profile", "paper", "--device", "cpu"], "cifar10 is read from --data-root"),
        (["--out", "/proc/nowhere"], "cannot write to /proc/nowhere"),
        (["--from-checkpoint", "/nowhere.pt"], "cannot read /nowhere.pt: No such file"),
        (["--from-checkpoint", "/etc/hostname"], "no checkpoint of this trainer"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, capsys):
    if "no GPU" in said and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert said in refused(capsys, *DIGITS, *arguments)


@pytest.mark.parametrize(
    ("setting", "dataset", "layout"),
    [
        ("C_8-32", "cifar10", "cifar-10-batches-py/ as unpacked from cifar-10-python.tar.gz"),
        ("E_64-128", "stl10", "stl10_binary/ as unpacked from stl10_binary.tar.gz"),
        ("E_512-64", "imagenet", "imagenet/train/ and imagenet/val/"),
    ],
)
def test_missing_data_are_described(setting, dataset, layout, tmp_path, capsys):
    arguments = ["--setting", setting, "--device", "cpu", "--out", tmp_path / "out"]
    said = refused(capsys, *arguments)
    assert f"{dataset} is read from --data-root, which must hold {layout}" in said
    said = refused(capsys, *arguments, "--data-root", tmp_path)
    assert f"no {dataset} under {tmp_path}: put {layout}" in said
    assert ("give --download" in said) == (dataset != "imagenet")
    assert not (tmp_path / "out").exists()


def test_damaged_data_are_named(cifar, tmp_path, capsys):
    arguments = ["--setting", "C_8-32", "--device", "cpu", "--data-root", cifar]
    said = refused(capsys, *arguments, "--out", tmp_path / "out")
    assert (
        f"cifar10 cannot be read from {cifar}: a file is missing or has another checksum" in said
    )
    assert not (tmp_path / "out").exists()


def test_a_toy_problem_has_no_profile(capsys):
    said = refused(capsys, "--profile", "digits", "--dataset", "ring8")
    assert "ring8 is a toy problem" in said
    assert "drop --profile" in said


def test_an_argument_that_cannot_be_read_is_answered_in_a_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main([*DIGITS, "--seed", "7.5"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "python -m trainer: argument --seed: invalid int value: '7.5'; --help lists the flags\n"
    )


def test_checkpoint_of_another_run_is_not_overwritten(tmp_path, capsys):
    arguments = [*RING, "--iterations", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    before = files(tmp_path)
    said = refused(capsys, *arguments, "--seed", "1")
    assert "the checkpoint belongs to toy.ring8.simgd.-.s0" in said
    assert "give another --out" in said
    assert "holds a run already" in refused(capsys, *arguments, "--no-resume")
    assert files(tmp_path) == before


# Toys, branches


def test_toys_run_by_their_name_alone(capsys):
    assert main(["--dataset", "ring8", "--method", "jare", "--iterations", "2"]) == 0
    *evaluations, result = lines(capsys.readouterr().out)
    assert result["trial_id"].startswith("toy.ring8.jare.-.s0-")
    assert {"modes", "valid_share", "reverse_kl"} <= set(evaluations[-1])
    assert result["final"]["n_samples"] == 2560
    assert result["protocol"]["final"]["modes"] == 8
    assert evaluations[-1]["d_penalty_ratio"] > 0


def test_affine_problem_prints_its_eigenvalues(capsys):
    assert main(["--dataset", "affine", "--method", "jare", "--iterations", "20"]) == 0
    *evaluations, result = lines(capsys.readouterr().out)
    assert evaluations[0]["equilibrium_distance"] == pytest.approx(0.1)
    eigenvalues = result["equilibrium"]["eigenvalues"]
    # The released code's own gamma is 10: B = s/2 + 5, C = 6.5 with s = 0.49 and 4.49.
    sums = {0.49: -(0.245 + 5), 4.49: -(2.245 + 5)}
    assert sum(real for real, _ in eigenvalues) == pytest.approx(sum(sums.values()), abs=1e-4)
    product = np.prod([complex(*pair) for pair in eigenvalues])
    assert product == pytest.approx(6.5**2, rel=1e-5)
    said = refused(capsys, "--dataset", "affine", "--method", "sn")
    assert "simgd, jare or conopt, not sn" in said


def test_a_branch_goes_on_from_another_runs_snapshot(tmp_path, capsys):
    """Fig. 6 in small: SN, and from its snapshot SR with dynamic compensation."""
    sn, sr = tmp_path / "sn", tmp_path / "sr"
    common = [*RING[:2], "--evaluate-every", "2"]
    assert main([*common, "--iterations", "4", "--out", str(sn)]) == 0
    parent = lines(capsys.readouterr().out)
    before = files(sn)
    branch = [*common, "--method", "sr-dynamic", "--iterations", "8", "--out", str(sr)]
    branch += ["--from-checkpoint", str(sn / "checkpoint.pt")]
    assert main(branch) == 0
    *evaluations, result = lines(capsys.readouterr().out)
    assert [e["iteration"] for e in evaluations] == [4, 6, 8]
    assert evaluations[0]["gap"] == parent[-2]["gap"]
    trial = json.loads((sr / "config.json").read_text())
    assert (trial["parent"], trial["parent_iteration"]) == (parent[-1]["trial_id"], 4)
    assert ".sr-dynamic." in result["trial_id"]
    assert files(sn) == before
    assert main(branch) == 0, "the same command again finds its own checkpoint"
    assert lines(capsys.readouterr().out) == [result]
    said = refused(capsys, *branch[:-2], "--from-checkpoint", sn / "checkpoint.pt", "--seed", 1)
    assert "give another --out" in said
    other = [*DIGITS, "--iterations", "8"]
    said = refused(capsys, *other, "--from-checkpoint", sn / "checkpoint.pt")
    assert (
        f"the networks of {parent[-1]['trial_id']} do not fit: resolution none there, 8 here"
        in said
    )
    # Its end must lie after the snapshot.
    said = refused(capsys, *RING, "--iterations", 4, "--from-checkpoint", sn / "checkpoint.pt")
    assert "the snapshot is of iteration 4" in said


# Inception scores


PAPER = ["--setting", "C_8-32", "--device", "cpu", "--iterations", "1", "--micro-batch", "4"]


@pytest.fixture
def narrow(monkeypatch):
    """The paper's recipe with a generator that a CPU can run."""
    import dataclasses

    from trainer.config import trial

    recipe = dataclasses.replace(
        trial.PROFILES["paper"].recipes["cifar10"], generator_channels=4, n_critic=1
    )
    monkeypatch.setitem(trial.PROFILES["paper"].recipes, "cifar10", recipe)


def test_without_weights_the_run_says_so_at_its_start(cifar, unchecked, narrow, tmp_path, capsys):
    arguments = [*PAPER, "--data-root", str(cifar), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err.startswith("IS and FID are not measured: no Inception weights: take weights-")
    assert "INCEPTION_WEIGHTS" in err
    assert "torch-fidelity's release" in err
    assert err.count("\n") == 1
    *evaluations, result = lines(out)
    assert [e["iteration"] for e in evaluations] == [0, 1]
    assert result["final"] == {}
    assert result["protocol"] is None
    assert not {"fid", "inception_score"} & set(evaluations[-1])
    assert evaluations[-1]["d_loss"] > 0

    said = refused(
        capsys, *PAPER, "--data-root", cifar, "--require-scores", "--out", tmp_path / "b"
    )
    assert "no Inception weights: take weights-inception" in said
    assert not (tmp_path / "b").exists()
    missing = tmp_path / "none.pth"
    said = refused(capsys, *PAPER, "--data-root", cifar, "--inception-weights", missing)
    assert f"no Inception weights at {missing}" in said


def test_wrong_weights_are_refused(
    cifar, unchecked, narrow, random_weights, tmp_path, monkeypatch, capsys
):
    weights = ["--inception-weights", random_weights, "--data-root", cifar]
    out = tmp_path / "out"
    said = refused(capsys, *PAPER, *weights, "--out", out)
    assert f"{random_weights} is not the reference Inception file" in said
    assert files(out) == {}
    monkeypatch.setenv("INCEPTION_WEIGHTS", str(random_weights))
    said = refused(capsys, *PAPER, "--data-root", cifar)
    assert "is not the reference Inception file" in said
    said = refused(capsys, *PAPER, *weights, "--curve-protocol", "paper-many")
    assert "unknown protocol 'paper-many'" in said


def test_other_weights_that_are_allowed_mark_every_number(
    cifar, unchecked, narrow, random_weights, tiny_scorer, monkeypatch, tmp_path, capsys
):
    """From the flag to the record; the network itself stands in for Inception here."""
    import hashlib

    from trainer.scores import inception

    digest = hashlib.sha256(random_weights.read_bytes()).hexdigest()

    def load(device, weights, real, fingerprint, *, allow_other_weights, **_):
        assert allow_other_weights
        return tiny_scorer(real, fingerprint=fingerprint, weights_sha256=digest)

    monkeypatch.setattr(inception, "load_scorer", load)
    arguments = [*PAPER, "--data-root", str(cifar), "--out", str(tmp_path / "out")]
    arguments += ["--inception-weights", str(random_weights), "--allow-other-weights"]
    arguments += ["--curve-protocol", "paper-20", "--final-protocol", "paper-40"]
    assert main(arguments) == 0
    *evaluations, result = lines(capsys.readouterr().out)
    assert all(e["n_samples"] == 20 and e["fid"] > 0 for e in evaluations)
    assert result["final"]["n_samples"] == 40
    for record in result["protocol"].values():
        assert record["weights_sha256"] == digest
        assert record["reference_weights"] is False


# What is printed and nothing else


def test_methods_can_be_listed(capsys):
    assert main(["--list-methods"]) == 0
    out = capsys.readouterr().out
    for name, method in METHODS.items():
        assert f"{name:18}  {method.formula}\n{'':18}  [{method.source}]\n" in out
    assert "W_SN = W / sigma_1" in out
    assert "our reading of the abstract" in out


@pytest.mark.slow
def test_controls_of_the_digits_scores(capsys):
    assert main(["--controls"]) == 0
    rows = lines(capsys.readouterr().out)
    assert {r["control"]: r["modes"] for r in rows} == {
        "held-out real": 1000,
        "noise": 0,
        "constant": 0,
    }


@pytest.mark.parametrize("arguments", [["--help"], ["--list-methods"], [*DIGITS, "--seed", "-1"]])
def test_what_trains_nothing_starts_without_torch(arguments):
    """Half a second at most, where torch alone takes seconds; the process tells its own time."""
    script = (
        "import sys, time; from trainer.__main__ import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'PIL'} & set(sys.modules)\n"
        "print(sorted(heavy), time.process_time() < 0.5)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[] True", done.stderr


def test_help_names_every_option_with_an_example():
    done = subprocess.run([*PYTHON, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    what = "setting method i-ratio seed iterations precision device data-root download resume"
    for option in f"{what} out from-checkpoint require-scores hessian".split(" "):
        assert f"--{option}" in done.stdout
    assert "examples: python -m trainer --profile digits" in done.stdout


# Own pictures.


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of 40 pictures in two class folders, and the flags that train on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = write_pictures(tmp_path / "pics", 40, ("cat", "dog"))
    flags = ["--profile", "small", "--dataset", "images", "--setting", "C_8-32"]
    return root, [*flags, "--iterations", "2", "--evaluate-every", "1"]


def test_own_pictures_are_trained_on(own, tmp_path, capsys):
    root, flags = own
    arguments = [*flags, "--data-root", str(root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--conditional"]) == 0
    out, err = capsys.readouterr()
    assert f"{root}: 40 pictures of 2 classes" in err
    assert "expected to take about" in err
    assert "IS and FID are not measured" in err
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["dataset"].startswith("images32-")
    assert (config["setting"], config["data_classes"]) == ("U_8-32", 2)
    assert "fid" not in lines(out)[-1]["final"]
    # The same pictures elsewhere, packed, are the same trial: it is found finished.
    shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    arguments[arguments.index(str(root))] = str(tmp_path / "packed.zip")
    assert main([*arguments, "--conditional"]) == 0
    assert lines(capsys.readouterr().out)[-1]["trial_id"] == lines(out)[-1]["trial_id"]


def test_paths_are_those_of_the_shell(own, tmp_path, monkeypatch, capsys):
    _, flags = own
    ids = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path in ("pics", "./pics/../pics", "--data-root=~/pics"):
        given = [path] if path.startswith("--") else ["--data-root", path]
        assert main([*flags, *given, "--iterations", "1"]) == 0
        ids.append(lines(capsys.readouterr().out)[-1]["trial_id"])
    assert len(set(ids)) == 1


def test_an_interrupt_while_pictures_are_read_is_no_error(own, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(preparation, "collect", interrupt)
    root, flags = own
    assert main([*flags, "--data-root", str(root)]) == 130


def test_bad_pictures_are_refused_in_one_line_with_nothing_written(own, tmp_path, capsys):
    root, flags = own
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.mkdir()
    text.mkdir()
    (text / "a.txt").write_text("hello")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../a.png", png(0))
    few = np.zeros((3, 4, 4, 3), "u1")
    np.savez(tmp_path / "mixed.npz", a=few, b=few[:, :2])
    np.savez(tmp_path / "labels.npz", x=few, y=np.arange(4))
    (tmp_path / "json").mkdir()
    (tmp_path / "json/a.png").write_bytes(png(0))
    (tmp_path / "json/dataset.json").write_text('{"labels": [["b.png", 1]]}')
    for place, words in (
        (tmp_path / "nowhere", "there is nothing"),
        (empty, "it is empty"),
        (text, "its 1 files are no pictures"),
        (tmp_path / "out.zip", "a name outside its own folder"),
        (tmp_path / "mixed.npz", "one array of pictures of one size"),
        (tmp_path / "labels.npz", "has 3 pictures, and its labels"),
        (tmp_path / "json", "is not among its pictures"),
    ):
        said = refused(capsys, *flags, "--data-root", place, "--out", tmp_path / "out")
        assert words in said
    (root / "bad.png").write_bytes(png(0)[:80])
    said = refused(capsys, *flags, "--data-root", root, "--out", tmp_path / "out")
    assert "1 of 41 pictures in" in said
    assert "bad.png" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset", "images", "--setting", "C_8-32"], "images are read from --data-root"),
        (["--dataset", "images", "--data-root", "."], "--setting is missing"),
        (["--dataset", "images", "--profile", "digits"], "give --profile small or paper"),
        (["--setting", "C_8-32", "--conditional"], "--conditional is for --dataset images"),
        (["--setting", "C_8-32", "--profile", "small"], "give --dataset images and --data-root"),
    ],
)
def test_flags_that_do_not_go_together(flags, words, capsys):
    assert words in refused(capsys, *flags)
