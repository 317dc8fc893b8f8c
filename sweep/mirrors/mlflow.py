"""MLflow: an experiment for a sweep, a run for each trial, found again by its tag.

MLflow chooses the ids of runs, so that the trial's id is a tag. SQL stores hold infinity as the
greatest number there is: it is sent as NaN, and a tag names each such point. A vector is refused:
the file of spectra is an artifact. Points that are repeated are merged by SQL stores alone, and
doubled by the store of files, so that after a cut the server is asked which it has.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.mirrors.runs import Point, Run
from sweep.mirrors.tracker import Away, Refused
from sweep.store.filesystems import without_secrets
from sweep.store.store import StoreError
from sweep.store.tables import first_line
from trainer.config.lookup import UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

PACKAGES = ("mlflow",)
ADDRESS = "MLFLOW_TRACKING_URI"
TRIAL = "trial_id"
# Tags that name a metric and the iteration at which it was infinite.
INFINITE = "infinite"
# What a request may carry at most, by MLflow's limits.
METRICS_PER_REQUEST, TAGS_PER_REQUEST = 1000, 100
PARAMETER_LENGTH, TAG_LENGTH = 6000, 8000
# The mirror waits by itself, and says so: MLflow's own seven tries are minutes of silence. Nor
# are its two lines on stdout for each run that ends of use.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# 4xx that speak of the moment and not of the request.
PASSING_STATUSES = (408, 425, 429)
STATUSES = {"completed": "FINISHED", "collapsed": "FINISHED", "failed": "FAILED",
            "stopped": "KILLED"}  # fmt: skip
RUNNING = "RUNNING"


@dataclass(slots=True)
class Mlflow:
    """An experiment of an MLflow server, which is found or made with the first run."""

    client: MlflowClient
    address: str
    experiment: str
    _experiment_id: str | None = None
    _run_ids: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{without_secrets(self.address)} experiment {self.experiment}"

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        """Sends points and tags by as few requests as MLflow takes them in."""
        with _explained():
            stored_id = run_id or self._run_id(run.trial_id)
            if stored_id is None:
                new_id = self._create_run(run)
                self._log(
                    run, new_id, points, [*_metrics(points), *_end_metrics(run)], _parameters(run)
                )
                self._log_artifacts(run, new_id, points)
                if run.status in STATUSES:
                    self._set_status(new_id, run)
                return new_id
            metrics, parameters = list(_metrics(points)), []
            latest = self.client.get_run(stored_id).data.metrics
            if in_doubt or run_id is None:
                metrics, parameters = self._missing(stored_id, metrics, latest), _parameters(run)
            metrics += [m for m in _end_metrics(run) if not _is_same(latest.get(m.key), m.value)]
            self._log(run, stored_id, points, metrics, parameters)
            self._log_artifacts(run, stored_id, points)
            self._set_status(stored_id, run)
            return stored_id

    def _run_id(self, trial_id: str) -> str | None:
        """The id of the trial's run, by one look at all runs of the experiment."""
        if self._experiment_id is None:
            self._experiment_id = self._find_experiment()
            for run in self._runs(self._experiment_id):
                self._run_ids.setdefault(run.data.tags.get(TRIAL, ""), run.info.run_id)
        return self._run_ids.get(trial_id)

    def _find_experiment(self) -> str:
        stored = self.client.get_experiment_by_name(self.experiment)
        return stored.experiment_id if stored else self.client.create_experiment(self.experiment)

    def _runs(self, experiment_id: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([experiment_id], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _create_run(self, run: Run) -> str:
        assert self._experiment_id is not None  # _run_id() was asked
        new_run = self.client.create_run(
            self._experiment_id,
            start_time=int(run.started_at * 1000),
            run_name=run.name,
            tags={**_tags(run), "mlflow.source.name": f"sweep {self.experiment}"},
        )
        self._run_ids[run.trial_id] = new_run.info.run_id
        return new_run.info.run_id

    def _missing(
        self, run_id: str, metrics: Sequence[Metric], latest: Mapping[str, float]
    ) -> list[Metric]:
        """Those of the metrics that the server does not have at their steps."""
        stored = {
            (key, point.step)
            for key in {metric.key for metric in metrics} & latest.keys()
            for point in self.client.get_metric_history(run_id, key)
        }
        return [metric for metric in metrics if (metric.key, metric.step) not in stored]

    def _log(
        self,
        run: Run,
        run_id: str,
        points: Sequence[Point],
        metrics: Sequence[Metric],
        parameters: Sequence[Param],
    ) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(name, text) for name, text in _tags(run).items()]
        infinite = list(_infinite(points, run.end_scores))
        for start in range(0, len(infinite), TAGS_PER_REQUEST):
            self.client.log_batch(run_id, tags=infinite[start : start + TAGS_PER_REQUEST])
        rooms = METRICS_PER_REQUEST - len(tags) - len(parameters)
        self.client.log_batch(run_id, metrics[:rooms], parameters, tags)
        for start in range(rooms, len(metrics), METRICS_PER_REQUEST):
            self.client.log_batch(run_id, metrics[start : start + METRICS_PER_REQUEST])

    def _set_status(self, run_id: str, run: Run) -> None:
        status = STATUSES.get(run.status)
        if status is None:
            self.client.update_run(run_id, status=RUNNING)
        else:
            self.client.set_terminated(run_id, status, int(run.measured_at * 1000))

    def _log_artifacts(self, run: Run, run_id: str, points: Sequence[Point]) -> None:
        """Puts samples and spectra under names that stay the same: a repeated one is replaced."""
        pictures = [point for point in points if point.sample is not None]
        if not pictures and not any(point.spectra for point in points):
            return
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for point in pictures:
                _write_pictures(run, point, folder / "images")
            content = run.store.read(f"spectra/{run.trial_id}.parquet")
            if content is not None:
                (folder / "spectra.parquet").write_bytes(content)
            self.client.log_artifacts(run_id, scratch)
        if pictures:
            self.client.set_tag(run_id, "mlflow.loggedImages", "true")

    def close(self) -> None:
        """Leaves nothing open: each call is a request."""


def opened(address: str | None, sweep: str) -> Mlflow:
    """The experiment of a sweep.

    Raises UsageError for an address that MLflow does not take, and for a server that refuses: one
    that is away is waited for later.
    """
    uri = address or os.environ.get(ADDRESS)
    if not uri:
        raise UsageError(f"no MLflow server: give --at http://HOST:PORT, or set {ADDRESS}")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError, ValueError) as error:
        shown, reason = without_secrets(uri), without_secrets(first_line(error))
        raise UsageError(f"MLflow takes no address {shown!r}: {reason}") from error
    with suppress(Away):
        try:
            with _explained():
                client.get_experiment_by_name(sweep)
        except Refused as error:
            raise UsageError(f"{without_secrets(uri)} refuses: {error}") from error
    return Mlflow(client, uri, sweep)


@contextmanager
def _explained() -> Iterator[None]:
    """Raises Away or Refused for what MLflow raises, by the status of the server's answer."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = without_secrets(first_line(error))
        status = error.get_http_status_code()
        if 400 <= status < 500 and status not in PASSING_STATUSES:
            raise Refused(reason) from error
        raise Away(reason) from error
    except StoreError:
        raise
    except OSError as error:  # of an artifact's upload, which is no request of the API
        raise Away(without_secrets(first_line(error))) from error


def _metrics(points: Sequence[Point]) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for point in points:
        milliseconds = int(point.time * 1000)
        for key, value in point.scalars.items():
            yield Metric(key, _number(value), milliseconds, point.iteration)


def _end_metrics(run: Run) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for key, value in run.end_scores.items():
        yield Metric(key, _number(value), int(run.measured_at * 1000), run.iteration)


def _number(value: float) -> float:
    return math.nan if math.isinf(value) else value


def _is_same(stored: float | None, value: float) -> bool:
    return stored is not None and (stored == value or (math.isnan(stored) and math.isnan(value)))


def _infinite(points: Sequence[Point], end_scores: Mapping[str, float]) -> Iterator[RunTag]:
    """A tag for each number that _number() hides."""
    from mlflow.entities import RunTag

    rows = [(f"{point.iteration}", point.scalars) for point in points] + [("end", end_scores)]
    for moment, scalars in rows:
        for key, value in scalars.items():
            if math.isinf(value):
                text = "Infinity" if value > 0 else "-Infinity"
                yield RunTag(f"{INFINITE}.{key}.{moment}", text)


def _parameters(run: Run) -> list[Param]:
    from mlflow.entities import Param

    texts = {name: _text(value) for name, value in run.parameters.items()}
    return [Param(name, text[:PARAMETER_LENGTH]) for name, text in texts.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _tags(run: Run) -> dict[str, str]:
    """The run's tags; its description, which MLflow shows as Markdown, has verdict and link."""
    note = " ".join(run.tags[name] for name in ("verdict", "link") if name in run.tags)
    texts = {**run.tags, "mlflow.note.content": note}
    return {name: text[:TAG_LENGTH] for name, text in texts.items()}


def _write_pictures(run: Run, point: Point, folder: Path) -> None:
    """The sample as MLflow names pictures of a step: whole, and small for its lists."""
    from mlflow.tracking.multimedia import compress_image_size
    from PIL import Image

    assert point.sample is not None
    folder.mkdir(exist_ok=True)
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{run.trial_id}/{point.iteration}")
    name = f"samples+step+{point.iteration}+timestamp+{int(point.time * 1000)}+{number}"
    (folder / f"{name}.png").write_bytes(point.sample)
    with Image.open(BytesIO(point.sample)) as image:
        compress_image_size(image).save(folder / f"{name}+compressed.webp")
