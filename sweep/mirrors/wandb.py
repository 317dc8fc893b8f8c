"""Weights & Biases: a project for a sweep, a run under the trial's id, a row for each iteration.

Offline, a run is a folder, and is written as a whole each time: the folders of the same trial that
were not uploaded go once the new one is complete, so that there is one, and `wandb sync` uploads
all of it. Online, a run is resumed under its id, and W&B drops a step that goes back, which is how
a repeated one is ignored. NaN and infinity become its texts for them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from sweep.mirrors.histograms import histogram, not_finite
from sweep.mirrors.runs import Point, Run
from sweep.mirrors.tracker import Away, Refused
from sweep.store.filesystems import without_secrets
from sweep.store.tables import first_line
from trainer.config.lookup import UsageError

PACKAGES = ("wandb",)
MODE, FOLDER, SERVER = "WANDB_MODE", "WANDB_DIR", "WANDB_BASE_URL"
PUBLIC_SERVER = "https://api.wandb.ai"
OFFLINE_MODES = ("offline", "dryrun")
LABEL_LENGTH = 64
INIT_SECONDS = 60


@dataclass(slots=True)
class Wandb:
    """A project: of offline runs in a folder, where `server` is None, or on a server."""

    project: str
    folder: Path
    server: str | None

    @property
    def place(self) -> str:
        return f"{without_secrets(self.server or str(self.folder))} project {self.project}"

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        """Writes the run as a whole where it is offline, else what was not sent of it."""
        if self.server is None:
            points = run.points(-1)
        earlier_folders = self._folders(run)
        self._log(run, points)
        for folder in earlier_folders if self.server is None else ():
            shutil.rmtree(folder, ignore_errors=True)
        return run.trial_id

    def _folders(self, run: Run) -> list[Path]:
        """The folders of the trial's runs that were not uploaded, those of one second numbered."""
        name = re.compile(rf"offline-run-\d{{8}}_\d{{6}}-{re.escape(run.trial_id)}(-\d+)?")
        folders = (self.folder / "wandb").glob("offline-run-*")
        own_folders = [folder for folder in folders if name.fullmatch(folder.name)]
        return [folder for folder in own_folders if not any(folder.glob("*.synced"))]

    def _log(self, run: Run, points: Sequence[Point]) -> None:
        import wandb
        from wandb.errors import AuthenticationError, Error
        from wandb.errors import UsageError as Misused

        try:
            logged = wandb.init(
                project=self.project,
                id=run.trial_id,
                name=run.name,
                dir=self.folder,
                config=dict(run.parameters),
                tags=[label[:LABEL_LENGTH] for label in run.labels],
                notes=" ".join(run.tags[k] for k in ("verdict", "link") if k in run.tags),
                mode="offline" if self.server is None else "online",
                resume=None if self.server is None else "allow",
                reinit="create_new",
                settings=_settings(self.server),
            )
            for point in points:
                logged.log(_row(point), step=point.iteration)
            logged.summary.update({**run.end_scores, **run.tags})
            logged.finish(exit_code=1 if run.status == "failed" else 0)
        except (AuthenticationError, Misused) as error:
            raise Refused(first_line(error)) from error
        except (Error, OSError) as error:
            raise Away(first_line(error)) from error

    def close(self) -> None:
        """Ends the process that writes for W&B."""
        import wandb

        wandb.teardown()


def opened(address: str | None, sweep: str) -> Wandb:
    """The project of a sweep: in a folder, offline, or on a server. Raises UsageError.

    An address with `://` is a server, any other a folder; without one $WANDB_MODE decides.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    mode = os.environ.get(MODE, "online")
    is_folder = bool(address) and "://" not in str(address)
    if is_folder or (not address and mode in OFFLINE_MODES):
        return Wandb(sweep, _make_folder(address or os.environ.get(FOLDER) or ".", sweep), None)
    if mode not in ("online", *OFFLINE_MODES):
        raise UsageError(f"{MODE}={mode} sends nothing: set it to online or offline")
    import wandb

    server = address or os.environ.get(SERVER) or PUBLIC_SERVER
    if not wandb.login(host=server, prompt=False, verify=False):
        raise UsageError(
            f"no key for {without_secrets(server)}: `wandb login` keeps one; `--at FOLDER` writes "
            "runs that `wandb sync` uploads later"
        )
    return Wandb(sweep, _make_folder(os.environ.get(FOLDER) or ".", sweep), server)


def _make_folder(folder: str, sweep: str) -> Path:
    """Makes a sweep's own folder, as two sweeps may have the same trial."""
    path = Path(folder).expanduser().absolute() / sweep
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


def _settings(server: str | None) -> Any:
    """Settings of a run that nothing of this machine belongs to.

    To list the installed packages takes 0.3 s a run, most of the time of a plain loop.
    """
    import wandb

    return wandb.Settings(
        base_url=server or PUBLIC_SERVER,
        console="off",
        disable_code=True,
        disable_git=True,
        init_timeout=INIT_SECONDS,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )


def _row(point: Point) -> dict[str, Any]:
    """All of one iteration: W&B keeps it as a whole or not at all."""
    return {**point.scalars, **dict(_media(point))}


def _media(point: Point) -> Iterator[tuple[str, Any]]:
    import wandb

    for layer, values in point.spectra.items():
        bins = histogram(values)
        if bins is not None:
            yield f"spectrum/layer_{layer}", wandb.Histogram(np_histogram=bins)
        if count := not_finite(values):
            yield f"spectrum_not_finite/layer_{layer}", count
    if point.sample is not None:
        from PIL import Image

        with Image.open(BytesIO(point.sample)) as image:
            yield "samples", wandb.Image(image)
