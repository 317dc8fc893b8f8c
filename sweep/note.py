"""`python -m sweep.note`: writes a note on a sweep or a trial, or lists those that there are."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from sweep.cli.commands import parser, run, store_of
from sweep.report.inventory import skipped_lines
from sweep.store.notes import Note, NoteError, about_sweep, add, new_note, read_notes, split_tags
from sweep.store.store import Store
from sweep.store.vocabulary import BESIDE_A_SWEEP
from trainer.config.lookup import UsageError, lookup

EXAMPLES = """\
  python -m sweep.note demo 'first run with the **new** weights' --tag baseline
  python -m sweep.note digits.C_32-32.sn.-.s0-1a2b3c4d --tag odd,for-the-talk
  python -m sweep.note digits.C_32-32.sn.-.s0-1a2b3c4d 'explained' --untag odd
  echo 'a longer text' | python -m sweep.note demo -
  python -m sweep.note demo
      the notes on the sweep and on its trials; without a name all that the store has
Notes are Markdown without HTML. Nothing is replaced: each is a file of its own in notes/, and a
tag is taken away by a later note. `sweep.ls --tag` and the service's `tag=` look for tags.
exit code: 0, 2 bad input
"""
AUTHOR = "SWEEP_AUTHOR"


def main(argv: list[str] | None = None) -> int:
    """Writes or lists notes; returns the exit code."""
    return run("note", lambda: _note(argv))


def _note(argv: list[str] | None) -> int:
    p = parser("note", "Write a note or tags on a sweep or a trial, or list them.", EXAMPLES)
    p.add_argument("subject", metavar="NAME", nargs="?", help="a sweep, or the id of a trial")
    p.add_argument("text", metavar="TEXT", nargs="?", help="Markdown; - for standard input")
    p.add_argument("--tag", default="", metavar="TAG,...", help="tags to put on it")
    p.add_argument("--untag", default="", metavar="TAG,...", help="tags to take away")
    p.add_argument("--author", help=f"default: ${AUTHOR}, else the name of the login")
    p.add_argument("--json", action="store_true", help="each note as one JSON object per line")
    args = p.parse_args(argv)
    store = store_of(args.results)
    if args.subject is None or not (args.text or args.tag or args.untag):
        return _list(store, args.subject, as_json=args.json)
    text = sys.stdin.read() if args.text == "-" else args.text or ""
    try:
        note = new_note(
            **_subject(store, args.subject),
            author=args.author or os.environ.get(AUTHOR) or getpass.getuser(),
            text=text,
            tags=split_tags(args.tag),
            removed_tags=split_tags(args.untag),
        )
    except NoteError as error:
        raise UsageError(str(error)) from error
    add(store, note)
    sys.stdout.write(json.dumps(record(note)) + "\n" if args.json else f"{line(note)}\n")
    return 0


def _list(store: Store, subject: str | None, *, as_json: bool) -> int:
    notes, problems = read_notes(store)
    if subject is not None:
        notes = notes_about(store, notes, **_subject(store, subject))
    if as_json:
        sys.stdout.writelines(json.dumps(record(note)) + "\n" for note in notes)
    else:
        sys.stdout.writelines(f"{line(note)}\n" for note in notes)
    sys.stderr.writelines(f"{text}\n" for text in skipped_lines(problems))
    return 0


def notes_about(
    store: Store, notes: Sequence[Note], *, trial_id: str | None = None, sweep: str | None = None
) -> list[Note]:
    """Selects the notes on a trial, or on a sweep and the trials of its plan."""
    if sweep is None:
        return [note for note in notes if note.trial_id == trial_id]
    plan = store.read_table("sweeps", sweep)
    return about_sweep(notes, sweep, set() if plan is None else set(plan["trial_id"].to_pylist()))


def _subject(store: Store, name: str) -> dict[str, str]:
    """What is called so, as an argument of a note. Raises UsageError with the nearest names."""
    files = [file for file in store.list("sweeps") if not file.key.endswith(BESIDE_A_SWEEP)]
    sweeps = {file.key: None for file in files if file.path.endswith((".parquet", ".json"))}
    if name in sweeps:
        return {"sweep": name}
    trials = {file.key: None for file in store.list("trials") if file.path.endswith(".parquet")}
    for sweep in sweeps if name not in trials else ():  # a trial that has not begun
        plan = store.read_table("sweeps", sweep)
        trials |= dict.fromkeys([] if plan is None else plan["trial_id"].to_pylist())
    lookup("sweep or trial", {**sweeps, **trials}, name)
    return {"trial_id": name}


def record(note: Note) -> dict[str, Any]:
    """The note as JSON."""
    fields = {name: getattr(note, name) for name in Note.__slots__}
    return fields | {"at": note.at.isoformat()}


def line(note: Note) -> str:
    """The note as a person reads it in a terminal, its text below."""
    tags = [*(f"+{tag}" for tag in note.tags), *(f"-{tag}" for tag in note.removed_tags)]
    head = [f"{note.at:%Y-%m-%d %H:%M} UTC", note.author, note.trial_id or note.sweep or ""]
    text = "".join(f"\n    {each}" for each in note.text.splitlines())
    return "  ".join([*head, *tags]) + text


if __name__ == "__main__":
    sys.exit(main())
