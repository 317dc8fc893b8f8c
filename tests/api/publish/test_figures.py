"""What can be picked of a published figure, and how its answers are packed."""

from __future__ import annotations

import json

from api.publish.figures import MOST_ANSWERS, choice_key, figures_of, unpacked
from api.publish.markup import parse


def page(*lists: int) -> str:
    selects = "".join(
        f'<label><select name="p{k}">'
        + "".join(f'<option value="{v if v else ""}">{v}</option>' for v in range(n))
        + "</select></label>"
        for k, n in enumerate(lists)
    )
    return (
        f'<form data-drives="one two">{selects}</form>'
        '<figure id="one" data-figure="/figures/one?profile=digits&amp;p0=1"></figure>'
        '<figure id="two" data-figure="/figures/two"></figure><figure id="three"></figure>'
    )


def test_every_choice_has_its_address() -> None:
    one, two = figures_of(parse(page(3, 2)))
    choices = dict(one.choices())
    assert len(choices) == 6
    assert choices[""] == "/figures/one?profile=digits"
    assert choices["p0=2&p1=1"] == "/figures/one?profile=digits&p0=2&p1=1"
    assert dict(two.choices())["p1=1"] == "/figures/two?p1=1"


def test_what_would_be_too_many_keeps_its_first_value() -> None:
    one, _ = figures_of(parse(page(4, MOST_ANSWERS, 8)))
    assert [pick.name for pick in one.picks] == ["p0", "p2"]
    assert len(list(one.choices())) == MOST_ANSWERS


def test_a_selected_option_is_the_usual_one() -> None:
    (one,) = figures_of(
        parse(
            '<form data-drives="f"><select name="layer"><option value="3">a</option>'
            '<option value="4" selected>b</option></select></form>'
            '<figure id="f" data-figure="/f?layer=4"></figure>'
        )
    )
    assert one.usual_key == choice_key({"layer": "4"}) == "layer=4"


def test_a_script_holds_the_very_bytes() -> None:
    figure, _ = figures_of(parse(page(2)))
    body = '{"x": 1e-3, "y": "é"}'.encode()
    figure.answers["p0=1"] = (body, {"csv": "data/one.csv"})
    script = figure.script("one").decode()
    assert script.startswith('published("one", ')
    content = json.loads(script.removeprefix('published("one", ').removesuffix(");\n"))
    assert content["picks"] == ["p0"]
    assert unpacked(content["answers"]["p0=1"]["packed"]) == body
    assert figure.script("one") == script.encode()
