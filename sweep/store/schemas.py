"""Columns of the store's tables: names, types, units. A leaf: pyarrow only.

A change is additive and nullable and raises SCHEMA_VERSION, which every file carries.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

SCHEMA_VERSION = 10


def _field(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"says": meaning})


_STRING, _INT, _FLOAT = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")
_FLOATS = pa.list_(pa.float64())
_INTS = pa.list_(pa.int64())
_NAMES = pa.list_(pa.string())
_BY_NAME = pa.map_(pa.string(), pa.float64())

_OF_G = (
    ("n_samples", _INT, "generated images behind the scores"),
    ("reference_weights", pa.bool_(), "of Inception scores: the reference network or another"),
    ("inception_score", _FLOAT, "Inception Score, higher is better; null if not measured"),
    ("inception_score_std", _FLOAT, "over the protocol's splits; null for one split"),
    ("fid", _FLOAT, "Frechet Inception Distance, lower is better; null if not measured"),
    ("kid_mean", _FLOAT, "Kernel Inception Distance, mean over subsets; null if not measured"),
    ("kid_std", _FLOAT, "standard deviation over the same subsets"),
    ("precision", _FLOAT, "0 to 1, share of samples among real images (k = 3)"),
    ("recall", _FLOAT, "0 to 1, share of real images among samples (k = 3)"),
    ("modes", _INT, "of those that there are (digits: 1000, own pictures: 50), if valid"),
    ("reverse_kl", _FLOAT, "nats, of valid samples' modes from the real ones'; NaN if none is"),
    ("valid_share", _FLOAT, "0 to 1, samples that pass the gate; digits and own pictures"),
    ("fd_pictures", _FLOAT, "Frechet distance of features learnt from the pictures; no FID"),
    ("density", _FLOAT, "of 1,000 samples around 1,000 real pictures (k = 5); 1 is as real"),
    ("coverage", _FLOAT, "0 to 1, of 1,000 real pictures those with a sample near (k = 5)"),
    ("fd_digits", _FLOAT, "Frechet distance of digit features, lower is better"),
    ("joint_class_score", _FLOAT, "1 to 1000, higher is better; digits profile"),
    ("modes_ungated", _INT, "of 1000, by every sample's most likely label"),
    ("reverse_kl_ungated", _FLOAT, "nats, of all samples' modes from uniform"),
    ("mode_distance", _FLOAT, "0 to 1, total variation from one share per mode; points"),
    ("equilibrium_distance", _FLOAT, "of both players' parameters; affine problem"),
)
# Of how many samples and of which network is said once for both, and the affine problem's distance
# is of no samples.
_SAID_ONCE = ("n_samples", "reference_weights", "equilibrium_distance")
# name, type, meaning: in `evaluations` as they are, in `trials` as best_<name> and final_<name>.
_SCORES = (
    *_OF_G,
    *(
        (f"ema_{name}", kind, f"with G's averaged weights: {meaning}")
        for name, kind, meaning in _OF_G
        if name not in _SAID_ONCE
    ),
    ("own_score", _FLOAT, "of a loop that is not this project's: what `score` of the trial names"),
)
SCORE_NAMES = tuple(name for name, _, _ in _SCORES)


def _prefixed(prefix: str, moment: str) -> list[pa.Field]:
    fields = [_field(f"{prefix}_iteration", _INT, f"iteration {moment}")]
    return fields + [_field(f"{prefix}_{name}", kind, meaning) for name, kind, meaning in _SCORES]


_IDENTITY = [
    _field("trial_id", _STRING, "what is run, by content"),
    _field("profile", _STRING, "paper, digits, small, or own: recorded by a loop of its own"),
    _field("setting", _STRING, "row of Table I, or U_<batch>-<channels> outside it, or own words"),
    _field("group", _STRING, "group of Table I, A to E; U outside it"),
    _field("setting_batch_size", _INT, "images, in the paper's sizes"),
    _field("setting_channels", _INT, "CH, in the paper's sizes"),
    _field("batch_size", _INT, "real images per D update, as run"),
    _field("micro_batch", _INT, "images through D at once, as run"),
    _field("channels", _INT, "width of D, as run"),
    _field("dataset", _STRING, "what was trained on"),
    _field("method", _STRING, "named preset"),
    _field("form", _STRING, "project or reparam, or null where no spectrum is set"),
    _field("i_ratio", _FLOAT, "share of singular values lifted; null where none is"),
    _field("seed", _INT, ""),
    _field("iterations", _INT, "planned G updates"),
    _field("data_share", _FLOAT, "share of the training images; null for all"),
    _field("precision", _STRING, "of convolutions and matrix products"),
    _field("parent", _STRING, "trial that it branched off; null if it began by itself"),
    _field("parent_iteration", _INT, "iteration at which it branched off"),
]

SCHEMAS: Mapping[str, pa.Schema] = {
    "trials": pa.schema([
        *_IDENTITY,
        _field("status", _STRING, "planned, running, completed, collapsed, failed, stopped"),
        _field("stop_reason", _STRING, "why a collapsed trial, or one at a rung, was stopped"),
        _field("mode_collapse_at", _INT, "iteration at which it began; null if not seen"),
        _field("spectral_collapse_at", _INT, "iteration at which it began; null if not seen"),
        _field("dead_at", _INT, "iteration at which D's outputs became constant"),
        _field("diverged_at", _INT, "iteration of the first evaluation that is not finite"),
        _field("verdict_rules", _STRING, "JSON: the rule behind each of these"),
        _field("not_judged", _STRING, "JSON: why a signal was not judged; null if not recorded"),
        _field("healthy", pa.bool_(), "all judged, none seen; null if not all were judged"),
        _field("lifted_counts", _INTS, "i of static compensation, per layer; null where none is"),
        _field("iteration", _INT, "G updates done"),
        *_prefixed("best", "of the lowest FID (digits: FD-digits) before mode collapse"),
        *_prefixed("final", "at the end; scores at the protocol's full sample count"),
        _field("first_spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of 3x3 layers, at the start"),
        _field("final_spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of 3x3 layers, at the end"),
        _field("objective", _FLOAT, "finite: best distance, a penalty if none; lower is better"),
        _field("protocol", _STRING, "JSON: extractor, weights SHA-256, sample counts"),
        _field("config", _STRING, "JSON: everything that can change a number"),
        _field("thresholds", _STRING, "JSON: collapse thresholds in force"),
        _field("software", _STRING, "JSON: versions"),
        _field("host", _STRING, "where it last ran"),
        _field("attempt", _STRING, "id of the start that wrote this"),
        _field("seconds", _FLOAT, "s, training and evaluations of all attempts"),
        _field("started_at", _TIME, "UTC, first start"),
        _field("updated_at", _TIME, "UTC"),
        _field("traceback", _STRING, "of a failed trial"),
        _field("failures", _INT, "how often it has failed"),
        _field("rung", _INT, "of successive halving that stopped it, from 1; null if none did"),
        _field("rung_budget", _INT, "iterations at that rung"),
        _field("cpus", _FLOAT, "CPUs that it had, where it last ran"),
        _field("gpus", _FLOAT, "GPUs that it had there, a share of one below 1"),
        _field("score", _STRING, "decides what is best: fd_pictures; null: FID or FD-digits"),
        _field("score_direction", _STRING, "of it: lower or higher is better; null: lower"),
        _field("layer_names", _NAMES, "of D's layers in their order; null: as the paper counts"),
    ]),
    "evaluations": pa.schema([
        _field("trial_id", _STRING, ""),
        _field("iteration", _INT, "G updates done"),
        _field("seconds", _FLOAT, "s since the start, of all attempts"),
        _field("d_loss", _FLOAT, "L_D with its penalty, mean since the last evaluation"),
        _field("g_loss", _FLOAT, "L_G, mean since the last evaluation"),
        _field("d_real", _FLOAT, "mean D(x) on 512 training images"),
        _field("d_fake", _FLOAT, "mean D(x) on 512 generated images"),
        _field("d_test", _FLOAT, "mean D(x) on 512 held-out images"),
        _field("gap", _FLOAT, "d_real - d_fake"),
        _field("held_out_gap", _FLOAT, "d_real - d_test: what D knows of its images by heart"),
        _field("d_spread", _FLOAT, "standard deviation of D(x) over both"),
        _field("d_gradient", _FLOAT, "mean |dD/dx| at 64 generated images; null in older runs"),
        _field("d_penalty_ratio", _FLOAT, "|penalty gradient| / |loss gradient| of D; jare"),
        _field("g_penalty_ratio", _FLOAT, "the same of G; null where it does not apply"),
        *(_field(name, kind, meaning) for name, kind, meaning in _SCORES),
        _field("spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of the 3x3 layers"),
        _field("spectrum_low", _FLOAT, "mean share of sigma/sigma_1 below 0.5, of the 3x3 layers"),
        _field("sigma1", _FLOATS, "largest singular value of the raw weight, per layer"),
        _field("sigma2_ratio", _FLOATS, "sigma_2/sigma_1, per layer"),
        _field("low_share", _FLOATS, "share of sigma/sigma_1 below 0.5, per layer"),
        _field("mean_ratio", _FLOATS, "mean sigma/sigma_1, per layer"),
        _field("stable_rank", _FLOATS, "||W||_F^2/sigma_1^2, per layer"),
        _field("effective_rank", _FLOATS, "exp of the entropy of sigma/sum(sigma), per layer"),
        _field("g_hessian", _FLOATS, "largest Hessian eigenvalues of L_G in G, where logged"),
        _field("g_hessian_residual", _FLOATS, "relative residuals of Lanczos, one per eigenvalue"),
        _field("d_hessian", _FLOATS, "largest Hessian eigenvalues of L_D in D, where logged"),
        _field("d_hessian_residual", _FLOATS, "relative residuals of Lanczos, one per eigenvalue"),
        _field("images_per_second", _FLOAT, "real images through D, since the last evaluation"),
        _field("gpu_memory", _INT, "bytes, the highest so far; null without a GPU"),
        _field("finite", pa.bool_(), "losses and D(x) are finite"),
        _field("own_values", _BY_NAME, "numbers under names of a loop's own; null of other runs"),
    ]),
    "spectra": pa.schema([
        _field("trial_id", _STRING, ""),
        _field("iteration", _INT, "G updates done"),
        _field("layer", _INT, "layer_0 .. layer_9 of the paper, or place in `layer_names`"),
        _field("singular_values", pa.list_(pa.float32()), "of W as D uses it, descending"),
        _field(
            "stable_ranks", pa.list_(pa.float32()),
            "||W||_F^2/sigma^2 after each iteration since the last evaluation",
        ),
    ]),
    "outputs": pa.schema([
        _field("trial_id", _STRING, ""),
        _field("iteration", _INT, "G updates done"),
        _field("images", _STRING, "training, test or generated: 512 fixed ones of each"),
        _field("quantity", _STRING, "d: D(x); d_loss: D's loss on each image, without penalty"),
        _field("low", _FLOAT, "lower edge of the first bin"),
        _field("high", _FLOAT, "upper edge of the last bin"),
        _field("counts", pa.list_(pa.int64()), "images per bin, bins of equal width"),
        _field("not_finite", _INT, "images in no bin: their value is not finite"),
    ]),
    "sweeps": pa.schema([
        _field("sweep", _STRING, "name of the sweep"),
        _field("position", _INT, "order in the plan, longest first"),
        _field("operations", _FLOAT, "multiply-adds of the whole trial; own: iterations"),
        *_IDENTITY,
        _field("config", _STRING, "JSON: of a loop of its own, what it was given; else null"),
        _field("parameters", _STRING, "JSON: what a sampler chose for such a trial; else null"),
    ]),
}  # fmt: skip
