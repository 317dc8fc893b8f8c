"""Samples of `/metrics`, parsed as strictly as the text format 0.0.4 is meant."""

from __future__ import annotations

import re

import httpx2

NAME = r"[a-z][a-z0-9_]*"
LABELS = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
KINDS = ("gauge", "counter", "histogram")
# Units as Prometheus has them, and none that is a multiple of one.
NO_UNITS = re.compile("_(hours|minutes|days|milliseconds|ms|percent|kilobytes|megabytes)(_|$)")


def series(http: httpx2.Client) -> dict[str, float]:
    """Every sample by its name and labels, as they are written; fails on a line that is none."""
    response = http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(response.text)


def parsed(text: str) -> dict[str, float]:
    """Samples of an exposition whose families each have help and type, once and before them."""
    assert text.endswith("\n")
    samples: dict[str, float] = {}
    families: dict[str, str] = {}
    lines = text.removesuffix("\n").split("\n")
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("# HELP "):
            _, _, name, description = line.split(" ", 3)
            assert name not in families, line
            assert description.strip(), line
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert before.startswith(f"# HELP {name} "), line
            assert kind in KINDS, line
            check_name(name, kind)
            families[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, label_text = match[1], match[2] or ""
        family = list(families)[-1]
        endings = ("_bucket", "_sum", "_count") if families[family] == "histogram" else ("",)
        assert name in [family + ending for ending in endings], line
        check_labels(label_text)
        key = f"{name}{{{label_text}}}"
        assert key not in samples, line
        samples[key] = float(match[3])
    return samples


def check_name(name: str, kind: str) -> None:
    assert re.fullmatch(NAME, name), name
    assert name.endswith("_total") == (kind == "counter"), name
    assert not NO_UNITS.search(name), name


def check_labels(text: str) -> None:
    found = LABELS.findall(text)
    assert ",".join(f'{name}="{value}"' for name, value in found) == text, text
    assert len({name for name, _ in found}) == len(found), text
