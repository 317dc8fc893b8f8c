"""Questions about trials: lists of them, one, its curve, several side by side."""

from __future__ import annotations

import random
from urllib.parse import urlencode

from checks import (
    FORMATS,
    Answer,
    Facts,
    Question,
    check_identity,
    check_order,
    curve_in,
    rows_of,
    same,
    unreadable,
)

from trainer.config.settings import SETTINGS

METHODS = ("sn", "sr-static", "sn-renorm", "sr-lift", "jare")
SORTS = ("best_fd_digits", "seconds", "updated_at", "iteration", "status", "trial_id", "host")
KEYS = ("fd_digits", "fid", "gap", "spectrum_left", "d_loss", "modes")


def ask_list(facts: Facts, rng: random.Random) -> Question:
    """A list of trials of a setting and a method: only such, in order, with the asked columns."""
    setting, method, by = rng.choice([*SETTINGS]), rng.choice(METHODS), rng.choice(SORTS)
    sort = rng.choice(("", "-")) + by
    names = list(dict.fromkeys(["setting", "method", by, *rng.sample(SORTS, 2)]))
    form = rng.choice(("json", "json", "csv", "parquet"))
    limit = rng.choice((5, 50, 200))
    query = {"setting": setting, "method": method, "sort": sort, "fields": ",".join(names)}
    path = f"/results?{urlencode(query | {'limit': limit, 'format': form})}"

    def check(answer: Answer) -> None:
        rows = rows_of(answer)
        assert len(rows) <= limit, f"{len(rows)} rows"
        for row in rows:
            columns = [name for name in row if name != "nonfinite"]
            assert columns == list(dict.fromkeys(["trial_id", *names])), f"columns {columns}"
            assert (row["setting"], row["method"]) == (setting, method), str(row)
            check_identity(facts, row)
        check_order(rows, by, descending=sort.startswith("-"))

    return Question(path, check, FORMATS[form])


def ask_trials(facts: Facts, rng: random.Random) -> Question:
    """Whole trials of a profile and a status, by a range of their score."""
    status = rng.choice(("completed", "collapsed", "failed", "running", "unreadable", "paused"))
    most = rng.choice((150, 400, 1200))
    query = {"profile": "digits", "status": status, "limit": 50}
    if status not in ("unreadable", "paused"):
        query |= {"fd_digits_lt": most, "sort": "best_fd_digits"}

    def check(answer: Answer) -> None:
        items = answer.json()["items"]
        assert len(items) <= 50, f"{len(items)} items"
        for item in items:
            assert (item["profile"], item["status"]) == ("digits", status), item["trial_id"]
            assert "sort" not in query or item["best"]["fd_digits"] < most, item["trial_id"]
            check_identity(facts, item)
        if "sort" in query:
            scores = [item["best"]["fd_digits"] for item in items]
            assert scores == sorted(scores), "not in order"

    return Question(f"/results?{urlencode(query)}", check)


def ask_trial(facts: Facts, rng: random.Random) -> Question:
    """A trial: it is that one, and every plan that has it is named."""
    trial_id = rng.choice(facts.ids)

    def check(answer: Answer) -> None:
        item = answer.json()
        assert item["trial_id"] == trial_id, item["trial_id"]
        assert "everything" in item["sweeps"], str(item["sweeps"])
        check_identity(facts, item)

    return Question(f"/trials/{trial_id}", check)


def ask_curve(facts: Facts, rng: random.Random) -> Question:
    """Columns of a trial's curve: those that its file has, which only grows at its end."""
    trial_id, form = rng.choice(facts.ids), rng.choice(("json", "json", "csv", "parquet"))
    keys = rng.sample(KEYS, rng.choice((1, 2)))
    file = f"evaluations/{trial_id}.parquet"

    def check(answer: Answer) -> None:
        rows = rows_of(answer)
        assert form != "json" or answer.json()["trial_id"] == trial_id, "another trial"
        stored = curve_in(facts.root / file, keys)
        assert len(rows) <= len(stored), f"{len(rows)} evaluations where {len(stored)} are stored"
        for row, expected in zip(rows, stored, strict=False):
            values = {name: value for name, value in row.items() if name != "nonfinite"}
            assert [*values] == [*expected], f"columns {[*values]}"
            assert all(map(same, values.values(), expected.values())), f"{values}, not {expected}"

    path = f"/trials/{trial_id}/evaluations?keys={','.join(keys)}&format={form}"
    return Question(path, check, FORMATS[form], unreadable=unreadable(facts, file))


def ask_buckets(facts: Facts, rng: random.Random) -> Question:
    """A whole curve, or its buckets: of that trial, and no more than were asked for."""
    trial_id, most = rng.choice(facts.ids), rng.choice((None, 10))

    def check(answer: Answer) -> None:
        body = answer.json()
        assert body["trial_id"] == trial_id, body["trial_id"]
        items = body["items" if most is None else "buckets"]
        assert len(items) <= (most or 50), f"{len(items)} items"
        at = [item["iteration" if most is None else "from_iteration"] for item in items]
        assert at == sorted(set(at)), f"iterations {at}"

    path = f"/trials/{trial_id}/evaluations" + (f"?max_points={most}" if most else "")
    files = unreadable(facts, f"evaluations/{trial_id}.parquet")
    return Question(path, check, unreadable=files)


def ask_part(facts: Facts, rng: random.Random) -> Question:
    """A trial's spectra of a layer, outputs or samples, of that trial."""
    trial_id, table = rng.choice(facts.ids), rng.choice(("spectra", "outputs", "samples"))

    def check(answer: Answer) -> None:
        body = answer.json()
        assert body["trial_id"] == trial_id, body["trial_id"]
        assert all(item.get("layer", 4) == 4 for item in body["items"]), "another layer"

    path = f"/trials/{trial_id}/{table}" + ("?layer=4&points=64" if table == "spectra" else "")
    files = unreadable(facts, f"{table}/{trial_id}.parquet")
    return Question(path, check, unreadable=files)


def ask_compare(facts: Facts, rng: random.Random) -> Question:
    """Trials side by side: these, in this order; rows of these alone."""
    ids, table = rng.sample(facts.ids, rng.choice((2, 4))), rng.choice(("", "/evaluations"))

    def check(answer: Answer) -> None:
        body = answer.json()
        if table:
            assert body["trials"] == ids, str(body["trials"])
            found = [item["trial_id"] for item in body["items"]]
            assert list(dict.fromkeys(found)) == [k for k in ids if k in found], "mixed rows"
        else:
            assert [item["trial_id"] for item in body["trials"]] == ids, "other trials"
            for item in body["trials"]:
                check_identity(facts, item)

    files = unreadable(facts, *(f"evaluations/{trial_id}.parquet" for trial_id in ids))
    query = "&".join(f"t={trial_id}" for trial_id in ids)
    return Question(f"/compare{table}?{query}", check, unreadable=files if table else ())
