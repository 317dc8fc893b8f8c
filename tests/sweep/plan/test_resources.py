from __future__ import annotations

from typing import Any

import pytest
import ray.util.accelerators.accelerators as rays

from sweep.plan import resources
from sweep.plan.gpu_memory import memory_bytes
from sweep.plan.resources import Share, bigger, check_fits, gpu_bytes, memory_cap, share, slots
from trainer.config.lookup import UsageError
from trainer.config.settings import SETTINGS
from trainer.config.trial import TrialConfig, trial_config

GPU_NODE = {"CPU": 8.0, "GPU": 1.0, "memory": 1e10, "accelerator_type:H100": 1.0}
CPU_NODE = {"CPU": 4.0}
CPU_TRIAL = trial_config("digits", "C_8-32", "sn", 0)


def paper(setting: str, **changes: Any) -> TrialConfig:
    return trial_config("paper", setting, "sn", 0, **changes)


@pytest.mark.parametrize(("size", "precision"), [(80e9, "tf32"), (141e9, "float32")])
@pytest.mark.parametrize("setting", ["A_16-128", "C_8-32", "B_8-64"])
def test_small_settings_share_a_large_gpu(setting: str, size: float, precision: str) -> None:
    """80 GB may be an A100, whose float32 is an eighth of its TF32."""
    assert share(paper(setting, precision=precision), size).gpus <= 1 / 2


@pytest.mark.parametrize("size", [None, 16e9, 80e9, 141e9])
@pytest.mark.parametrize("setting", ["A_1024-128", "D_512-256"])
def test_large_settings_take_a_gpu(setting: str, size: float | None) -> None:
    assert share(paper(setting), size) == Share(cpus=1, gpus=1)


@pytest.mark.parametrize("size", [16e9, 24e9, 40e9, 80e9, 141e9])
def test_trials_that_share_fit_in_its_memory_and_nearly_in_its_time(size: float) -> None:
    for setting in SETTINGS:
        config = paper(setting)
        k = round(1 / share(config, size).gpus)
        busy = resources.compute_share(config, resources.sustained(size, "float32"))
        if k > 1:
            assert k * (memory_bytes(config) + resources.CONTEXT_BYTES) <= size
            assert k * busy <= 1 + resources.OVERBOOKED
            assert memory_cap(1 / k, size) * size >= memory_bytes(config)


def test_an_unknown_gpu_is_taken_for_a_small_one() -> None:
    for setting in SETTINGS:
        assert share(paper(setting), None) == share(paper(setting), 16e9)


def test_a_larger_batch_keeps_the_gpu_busier() -> None:
    rate = resources.sustained(80e9, "float32")
    found = [resources.compute_share(paper(f"A_{b}-128"), rate) for b in (16, 64, 256, 1024)]
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 1


def test_what_is_given_is_taken() -> None:
    assert share(paper("A_1024-128"), 80e9, gpus=0.25, cpus=4) == Share(cpus=4, gpus=0.25)
    assert share(CPU_TRIAL, None) == Share(cpus=1, gpus=0)
    assert share(CPU_TRIAL, None, gpus=0) == Share(cpus=1, gpus=0)


@pytest.mark.parametrize("gpus", [-1.0, 0.0, 0.00005, 1.5, float("nan"), float("inf")])
def test_no_such_part_of_a_gpu(gpus: float) -> None:
    with pytest.raises(UsageError, match=r"--gpus-per-trial .* but got"):
        share(paper("C_8-32"), None, gpus=gpus)


def test_every_rank_has_a_gpu_or_threads_of_its_own() -> None:
    on_gpus = paper("E_2048-64", world_size=4)
    assert share(on_gpus, 80e9) == share(on_gpus, 80e9, gpus=4) == Share(cpus=4, gpus=4)
    assert share(on_gpus, 80e9, cpus=16) == Share(cpus=16, gpus=4)
    on_cpus = trial_config("digits", "C_32-32", "sn", 0, threads=2, world_size=3)
    assert share(on_cpus, None) == Share(cpus=6, gpus=0)
    with pytest.raises(UsageError, match="at least 6, the threads of a trial, but got 4"):
        share(on_cpus, None, cpus=4)
    # Nothing fits on two nodes of two GPUs each: a trial is on one.
    assert resources.slots([share(on_gpus, 80e9)], 2 * [{"CPU": 8.0, "GPU": 2.0}]) == 0
    assert resources.slots([share(on_gpus, 80e9)], [{"CPU": 8.0, "GPU": 4.0}]) == 1


@pytest.mark.parametrize(
    ("config", "gpus", "said"),
    [
        (paper("C_8-32"), 2.0, "a world size of 1 uses 1 GPU, but --gpus-per-trial is 2: give"),
        (paper("C_64-32", world_size=2), 4.0, "a world size of 2 uses 2 GPUs, but --gpus-per-tri"),
        (paper("C_64-32", world_size=2), 0.5, "uses 2 GPUs, but --gpus-per-trial is 0.5: give"),
        (CPU_TRIAL, 2.0, "on cpu with a world size of 1 uses no GPUs, but --gpus-per-trial is 2"),
    ],
)
def test_gpus_that_would_idle_are_refused(config: TrialConfig, gpus: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        share(config, 80e9, gpus=gpus)


@pytest.mark.parametrize("cpus", [0.5, -1.0, 1.0, float("nan")])
def test_a_trial_needs_a_cpu_for_each_thread(cpus: float) -> None:
    config = trial_config("digits", "C_8-32", "sn", 0, threads=2)
    with pytest.raises(UsageError, match="at least 2, the threads"):
        share(config, None, cpus=cpus)


def test_the_cap_leaves_room_for_every_context() -> None:
    total = 80e9
    for k in (1, 2, 4, 8):
        used = k * (memory_cap(1 / k, total) * total + resources.CONTEXT_BYTES)
        assert used == pytest.approx(total)
    assert memory_cap(2, total) < 1
    with pytest.raises(UsageError, match="no more than a CUDA context"):
        memory_cap(1 / 32, 16e9)


def test_a_second_start_has_twice_as_much_up_to_a_gpu() -> None:
    assert bigger(Share(cpus=1, gpus=0.25)) == Share(cpus=1, gpus=0.5)
    assert bigger(Share(cpus=1, gpus=2 / 3)) == Share(cpus=1, gpus=1)
    assert bigger(Share(cpus=1, gpus=1)) is None
    assert bigger(Share(cpus=1, gpus=0)) is None


def test_gpus_are_called_as_ray_calls_them() -> None:
    names = {value for key, value in vars(rays).items() if key.isupper()}
    assert set(resources.GPU_BYTES) <= names


def test_the_smallest_gpu_counts() -> None:
    v100 = {"GPU": 1.0, "accelerator_type:V100": 1.0}
    assert gpu_bytes([GPU_NODE]) == 80e9
    assert gpu_bytes([GPU_NODE, v100, CPU_NODE]) == 16e9
    assert gpu_bytes([CPU_NODE, {"GPU": 1.0, "accelerator_type:unheard-of": 1.0}]) is None
    sized = {"GPU": 1.0, "accelerator_type:A100": 1.0, "accelerator_type:A100-80G": 1.0}
    assert gpu_bytes([sized]) == 80e9


def test_what_fits_passes() -> None:
    shares = {"a": Share(cpus=1, gpus=0.5), "b": Share(cpus=8, gpus=1)}
    check_fits(shares, [CPU_NODE, GPU_NODE])
    check_fits(shares, [CPU_NODE], may_grow_to=[GPU_NODE])


@pytest.mark.parametrize(
    ("asked", "nodes", "says"),
    [
        (Share(cpus=1, gpus=2), [GPU_NODE, GPU_NODE], "2 GPUs, .* 1 GPU: .* --gpus"),
        (Share(cpus=16, gpus=1), [GPU_NODE], "16 CPUs and 1 GPU, .* --cpus"),
        (Share(cpus=1, gpus=0.5), [CPU_NODE], "no node has a GPU"),
        (Share(cpus=6, gpus=0), [CPU_NODE], "biggest node has 4 CPUs: "),
        (Share(cpus=1, gpus=0), [], "no node"),
    ],
)  # fmt: skip
def test_what_can_never_fit_names_both_sides(
    asked: Share, nodes: list[dict[str, float]], says: str
) -> None:
    with pytest.raises(UsageError, match=rf"trial X asks for .*{says}"):
        check_fits({"trial X": asked}, nodes)


def test_slots_of_fractions_lie_on_separate_gpus() -> None:
    node = {"CPU": 16.0, "GPU": 2.0}
    assert slots([Share(cpus=1, gpus=0.5)] * 9, [node]) == 4
    assert slots([Share(cpus=1, gpus=2 / 3)] * 3, [node]) == 2, "thirds of two GPUs are no share"
    assert slots([Share(cpus=1, gpus=1 / 3)] * 9, [node]) == 6
    half, whole = Share(cpus=1, gpus=0.5), Share(cpus=1, gpus=1)
    assert slots([half, whole, half], [node]) == 3
    assert slots([Share(cpus=1, gpus=2)] * 2, [node]) == 1
    assert slots([Share(cpus=1, gpus=2)], [GPU_NODE, GPU_NODE]) == 0


def test_slots_of_cpus() -> None:
    assert slots([Share(cpus=1, gpus=0)] * 9, [CPU_NODE, CPU_NODE]) == 8
    assert slots([Share(cpus=3, gpus=0)] * 9, [CPU_NODE, CPU_NODE]) == 2
    assert slots([Share(cpus=4, gpus=0.25)] * 9, [GPU_NODE]) == 2
    assert slots([], [CPU_NODE]) == 0


# What Ray 2.60.0 places on one GPU: placement groups of {"GPU": share}, until one waits.
PLACED_BY_RAY = {
    0.3334: 3, 0.3335: 2, 0.3333: 3, 1 / 3: 3, 0.14289: 7, 0.1429: 6, 0.16669: 6, 0.1667: 6,
    0.1251: 7, 0.2001: 4, 0.25003: 4, 0.29: 3, 0.57: 1, 0.50006: 2, 0.5001: 1,
}  # fmt: skip


@pytest.mark.parametrize(("gpus", "placed"), PLACED_BY_RAY.items())
def test_shares_are_counted_as_ray_counts_them(gpus: float, placed: int) -> None:
    assert slots([Share(cpus=1, gpus=gpus)] * 9, [{"CPU": 16.0, "GPU": 1.0}]) == placed
    assert slots([Share(cpus=gpus, gpus=0)] * 9, [{"CPU": 1.0}]) == placed


def test_what_ray_cuts_off_needs_no_room() -> None:
    check_fits({"a": Share(cpus=4.00009, gpus=0)}, [CPU_NODE])
    with pytest.raises(UsageError, match="asks for"):
        check_fits({"a": Share(cpus=4.0002, gpus=0)}, [CPU_NODE])


@pytest.mark.parametrize("name", resources.GPUS)
def test_less_precise_products_are_no_slower(name: str) -> None:
    rates = [resources.sustained_by(name, precision) for precision in ("float32", "tf32", "bf16")]
    assert rates == sorted(rates)
    assert rates[0] < 1e12 * resources.GPUS[name].float32
