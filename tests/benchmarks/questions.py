"""Questions to the service, of all kinds, with a check of what the answer must be.

A question is an address drawn at random; its check fails for an answer to any other one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from checks import (
    FORMATS,
    HTML,
    JSON,
    PROBLEM,
    Answer,
    Facts,
    Question,
    check_identity,
    rows_of,
)
from trial_questions import (
    ask_buckets,
    ask_compare,
    ask_curve,
    ask_list,
    ask_part,
    ask_trial,
    ask_trials,
)

from trainer.config.settings import SETTINGS

AGGREGATES = ("n", "mean", "sd", "ci95", "median")
SWEEPS = ("everything", "fig8", "table1", "methods", "paper", "odd")


def ask_groups(facts: Facts, rng: random.Random) -> Question:
    """A score by some columns: groups of such columns, with the asked aggregates."""
    setting, form = rng.choice([*SETTINGS]), rng.choice(("json", "json", "csv", "parquet"))
    by, agg = rng.sample(("method", "i_ratio", "seed", "status"), 2), rng.sample(AGGREGATES, 2)
    query = {"profile": "digits", "setting": setting, "by": f"setting,{','.join(by)}"}

    def check(answer: Answer) -> None:
        items = rows_of(answer)
        if form == "json":
            assert answer.json()["by"] == ["setting", *by], str(answer.json()["by"])
            assert all(sorted(item["values"]) == sorted(agg) for item in items), "aggregates"
            items = [item["by"] for item in items]
        keys = [tuple(item[name] for name in ("setting", *by)) for item in items]
        assert len(set(keys)) == len(keys), "a group twice"
        assert {key[0] for key in keys} <= {setting}, "another setting"

    path = f"/groups?{urlencode(query | {'agg': ','.join(agg), 'format': form})}"
    return Question(path, check, FORMATS[form])


def ask_sweep(facts: Facts, rng: random.Random) -> Question:
    """A sweep, its trials and how they stand; or all sweeps."""
    name = rng.choice((*SWEEPS, ""))

    def check(answer: Answer) -> None:
        body = answer.json()
        if not name:
            names = [item["name"] for item in body["items"]]
            assert sorted(names) == sorted(SWEEPS), str(names)
        else:
            assert body["name"] == name, body["name"]
            assert sum(body["counts"].values()) == len(body["trials"]), str(body["counts"])

    return Question(f"/sweeps/{name}" if name else "/sweeps", check)


def ask_matrix(facts: Facts, rng: random.Random) -> Question:
    """A sweep's settings by methods: every trial of it once, under what its id names."""
    name, form = rng.choice(SWEEPS), rng.choice(("json", "csv", "parquet"))

    def check(answer: Answer) -> None:
        if form == "json":
            body = answer.json()
            assert body["sweep"] == name, body["sweep"]
            place = ("profile", "setting", "method")
            rows = [
                {**{key: cell[key] for key in place}, **seed}
                for cell in body["cells"]
                for seed in cell["seeds"]
            ]
        else:
            rows = rows_of(answer)
        assert len({row["trial_id"] for row in rows}) == len(rows), "a trial twice"
        assert name != "everything" or len(rows) == len(facts.ids), f"{len(rows)} trials"
        for row in rows:
            check_identity(facts, row)

    return Question(f"/sweeps/{name}/matrix?format={form}", check, FORMATS[form])


def ask_paper(facts: Facts, rng: random.Random) -> Question:
    """The paper's tables and trends, of one setting where one is asked for."""
    setting, form = rng.choice([*SETTINGS]), rng.choice(("json", "json", "csv", "parquet"))
    path, key = rng.choice(
        (
            ("/table2?", "setting"), ("/claims?", "claimed"), ("/survival?", "method"),
            (f"/survival?setting={setting}&", "method"),
            (f"/fig8?setting={setting}&", "setting"), (f"/fig12?setting={setting}&", "setting"),
        )
    )  # fmt: skip

    def check(answer: Answer) -> None:
        items = rows_of(answer)
        assert items or "setting=" in path, "nothing"
        assert all(key in item for item in items), f"no {key}"
        if "/fig" in path:
            assert {item["setting"] for item in items} <= {setting}, "another setting"
        assert path != "/table2?" or {i["setting"] for i in items} <= {*SETTINGS}, "a setting"

    return Question(f"{path}format={form}", check, FORMATS[form])


def ask_figure(facts: Facts, rng: random.Random) -> Question:
    """A drawing: its source is what was asked for."""
    trial_id, setting = rng.choice(facts.ids), rng.choice([*SETTINGS])
    first, second = rng.sample(facts.ids, 2)
    path, source = rng.choice(
        (
            (f"/figures/trials/{trial_id}/curves", f"/trials/{trial_id}/evaluations"),
            (f"/figures/trials/{trial_id}/strip", f"/trials/{trial_id}/evaluations"),
            (f"/figures/fig8?setting={setting}&profile=digits", f"setting={setting}"),
            ("/figures/survival?profile=digits", "/survival"),
            ("/figures/seeds?profile=digits", "/table2"),
            (f"/figures/compare/curves?t={first}&t={second}", f"t={first}&t={second}"),
            ("/figures/sweeps/fig8/best", "sweep=fig8"),
        )
    )

    def check(answer: Answer) -> None:
        body = answer.json()
        assert source in body["source"], body["source"]
        assert body["data"] or body["empty"], "neither a curve nor a reason"

    return Question(path, check)


def ask_page(facts: Facts, rng: random.Random) -> Question:
    """A page for people: it names what was asked for."""
    trial_id, sweep, setting = rng.choice(facts.ids), rng.choice(SWEEPS), rng.choice([*SETTINGS])
    path, says = rng.choice(
        (
            ("/", "everything"),
            ("/paper", "Published and measured"),
            (f"/view/sweeps/{sweep}", sweep),
            (f"/view/trials/{trial_id}", trial_id),
            (f"/view/trials?setting={setting}", setting),
            ("/view/trials?status=unreadable", "unreadable"),
            (f"/view/compare?t={trial_id}&t={rng.choice(facts.ids)}", trial_id),
        )
    )

    def check(answer: Answer) -> None:
        text = answer.body.decode()
        assert says in text, f"{says!r} is not in it"
        assert text.rstrip().endswith("</html>"), "cut off"

    return Question(path, check, HTML)


def ask_wrongly(facts: Facts, rng: random.Random) -> Question:
    """A question that has no answer: a problem that says so."""
    path, status, says = rng.choice(
        (
            ("/trials/digits.none.s0-00000000", 404, "digits.none.s0-00000000"),
            ("/sweeps/nobody", 404, "nobody"),
            ("/results?setting=Q_1-1", 422, "Q_1-1"),
            ("/results?colour=red", 422, "colour"),
            ("/results?cursor=none", 400, "cursor"),
            (f"/trials/{rng.choice(facts.ids)}/evaluations?keys=nothing", 422, "nothing"),
        )
    )

    def check(answer: Answer) -> None:
        body = answer.json()
        assert body["status"] == status, str(body)
        assert says in body["detail"], body["detail"]

    return Question(path, check, PROBLEM, status)


def ask_operation(facts: Facts, rng: random.Random) -> Question:
    """A probe's question: every trial is counted, always."""
    path = rng.choice(("/readyz", "/metrics"))

    def check(answer: Answer) -> None:
        if path == "/readyz":
            assert answer.json()["trials"] == len(facts.ids), str(answer.json())

    return Question(path, check, JSON if path == "/readyz" else "text/plain")


# How many of a hundred questions are of the kind.
KINDS: Mapping[Callable[[Facts, random.Random], Question], int] = {
    ask_list: 20, ask_trials: 10, ask_trial: 12, ask_curve: 16, ask_buckets: 6, ask_part: 6,
    ask_groups: 5, ask_sweep: 4, ask_matrix: 1, ask_compare: 3, ask_paper: 3, ask_figure: 4,
    ask_page: 4, ask_wrongly: 4, ask_operation: 2,
}  # fmt: skip


def ask(facts: Facts, rng: random.Random) -> Question:
    """Any question, drawn by the shares of KINDS."""
    (kind,) = rng.choices([*KINDS], [*KINDS.values()])
    return kind(facts, rng)
