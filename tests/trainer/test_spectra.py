"""The command: tables, JSON, a picture, and one line on what is wrong."""

import json

import pytest
import torch
from torch import nn

from trainer.spectra import labels, main


@pytest.fixture
def files(tmp_path):
    paths = []
    for scale in (1.0, 0.5):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.utils.spectral_norm(nn.Linear(8, 6)))
        with torch.no_grad():
            network[0].weight[:, 0] *= scale
        paths.append(tmp_path / f"{scale}.pt")
        torch.save({"D": network.state_dict()}, paths[-1])
    return list(map(str, paths))


def test_one_file_is_a_table(files, capsys):
    assert main(files[:1]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["layer", "shape", "weight", "r"]
    assert first.split()[:4] == ["D.0", "8x3x3x3", "raw", "8"]
    assert second.split()[:5] == ["D.1", "6x8", "spectral", "norm", "6"]


def test_several_files_are_a_course(files, capsys):
    assert main([*files, "--summary", "sigma1"]) == 0
    header, first, _ = capsys.readouterr().out.splitlines()
    assert header.split() == ["sigma_1", "1.0.pt", "0.5.pt"]
    truth = torch.linalg.svdvals(torch.load(files[1])["D"]["0.weight"].flatten(1))[0]
    assert float(first.split()[2]) == pytest.approx(float(truth), rel=1e-3)


def test_json_has_every_singular_value_and_null_for_nan(files, capsys):
    checkpoint = torch.load(files[0])
    checkpoint["D"]["0.weight"][0, 0, 0, 0] = float("nan")
    torch.save(checkpoint, files[0])
    assert main([*files, "--json", "--layers", "D.0"]) == 0
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert first["layers"][0]["sigma"] == [[None] * 8]
    assert first["layers"][0]["stable_rank"] is None
    assert len(second["layers"][0]["sigma"][0]) == 8


def test_a_picture(files, tmp_path, capsys):
    assert main([*files, "--png", str(tmp_path / "course.png")]) == 0
    assert (tmp_path / "course.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.pt"], "none.pt: No such file"),
        (["FILE", "--layers", "G.*"], "match G.*"),
        (["FILE", "--groups", "D.0"], "--groups D.0: a pattern and a number"),
        (["FILE", "--groups", "D.0=3"], "3 groups do not divide"),
        (["FILE", "--png", "no/such/folder.png"], "no folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(files, capsys, arguments, message):
    assert main([files[0] if a == "FILE" else a for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_files_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / name / "checkpoint.pt" for name in ("a", "b")]
    assert labels(paths) == ["a/checkpoint.pt", "b/checkpoint.pt"]
    assert labels(paths[:1]) == ["checkpoint.pt"]
