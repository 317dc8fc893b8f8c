"""Images of noise, where their content costs nothing."""

from __future__ import annotations

import torch

from trainer.config.trial import TrialConfig
from trainer.data.images import Images


def noise(config: TrialConfig) -> Images:
    """1,000 images of the configuration's size on its device."""
    side = config.resolution or 0
    pixels = torch.randint(256, (1000, 3, side, side), dtype=torch.uint8, device=config.device)
    return Images(train=pixels, held_out=pixels[:1], stacked=False)
