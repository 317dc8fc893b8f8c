"""`python -m trainer.digits FILE` trains the classifier of the digits' scores from nothing."""

from __future__ import annotations

import argparse
import hashlib
import math
from pathlib import Path

import torch
import torch.nn.functional as F

from trainer.data.images import digit_pools
from trainer.scores.digits import GATE_NOISE, Classifier, nearest_distance, unit_cells


def train_classifier(epochs: int = 20, seed: int = 0) -> dict[str, object]:
    """Trains the classifier and measures the gate; what the shipped file holds. About 10 s."""
    torch.manual_seed(seed)
    train, labels, held_out, held_out_labels = digit_pools()
    x, test = unit_cells(train), unit_cells(held_out)
    classifier = Classifier()
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=5e-3)
    steps = epochs * math.ceil(len(x) / 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(32):
            noisy = x[index] + 0.15 * torch.randn_like(x[index])
            loss = F.cross_entropy(classifier(noisy)[1], labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        accuracy = (classifier(test)[1].argmax(1) == held_out_labels).double().mean()
        noisy = (test + GATE_NOISE * torch.randn_like(test)).clamp(0, 1)
        radius = nearest_distance(noisy.flatten(1), x.flatten(1)).quantile(0.99)
    return {
        "classifier": classifier.state_dict(),
        "held_out_accuracy": float(accuracy),
        "gate_radius": float(radius),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m trainer.digits",
        description="Train the digit classifier anew and write it to FILE. Trials that were "
        "scored by another file have other ids: their numbers do not compare.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    path = parser.parse_args().file
    torch.set_num_threads(1)
    stored = train_classifier()
    torch.save(stored, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(  # noqa: T201 - what the command is for
        f"held-out accuracy {stored['held_out_accuracy']:.4f}, "
        f"gate radius {stored['gate_radius']:.3f}, SHA-256 {digest}"
    )


if __name__ == "__main__":
    main()
