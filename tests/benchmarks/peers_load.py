"""Fills MLflow and Optuna with trials; run by peers.py with the interpreter that has both."""

# MLflow is no dependency of the project.
# pyright: reportMissingImports=false

import json
import sys
from pathlib import Path

import optuna
from mlflow.entities import Metric, Param, RunStatus
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

PARAMETERS = ("setting", "method", "profile", "status", "i_ratio", "seed")


def fill_mlflow(folder: Path, trials: list[dict]) -> None:
    store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    experiment = store.create_experiment("sweep")
    for trial in trials:
        run = store.create_run(experiment, "user", 0, [], trial["trial_id"]).info.run_id
        curve = [Metric("score", value, 0, at) for at, value in trial["curve"]]
        curve += [Metric("best", trial["best"], 0, 0)]
        parameters = [Param(name, str(trial[name])) for name in PARAMETERS]
        store.log_batch(run, curve, parameters, [])
        store.update_run_info(run, RunStatus.FINISHED, 1, None)


def fill_optuna(folder: Path, trials: list[dict]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", study_name="sweep")
    choices: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(
            sorted({str(trial[name]) for trial in trials})
        )
        for name in PARAMETERS
    }
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: str(trial[name]) for name in PARAMETERS},
                distributions=choices,
                value=trial["best"],
                user_attrs={"trial_id": trial["trial_id"]},
                intermediate_values=dict(trial["curve"]),
            )
            for trial in trials
        ]
    )


def main() -> None:
    folder = Path(sys.argv[1])
    trials = [json.loads(line) for line in (folder / "trials.jsonl").open()]
    fill_mlflow(folder, trials)
    fill_optuna(folder, trials)


if __name__ == "__main__":
    main()
