"""A PNG of spectra: a panel per layer, sigma_k / sigma_1 over k / r, a line per checkpoint."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from torch import Tensor

WIDTH, HEIGHT, MARGIN, COLUMNS = 260, 190, 34, 4
# The smallest ratio that is drawn; what lies below is at the edge.
DECADES = 4
FIRST, LAST = (150, 190, 230), (10, 40, 90)


def plot(panels: Mapping[str, Sequence[Tensor]], labels: Sequence[str]) -> bytes:
    """The PNG of sigma[blocks, r] by layer, one tensor for each of `labels`, light to dark.

    Of blocks the median is drawn; a spectrum that is not finite is left out.
    """
    from PIL import Image, ImageDraw

    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    legend = 16 * len(labels) + 8
    image = Image.new("RGB", (columns * WIDTH, rows * HEIGHT + legend), "white")
    draw = ImageDraw.Draw(image)
    for number, (name, spectra) in enumerate(panels.items()):
        left, top = number % columns * WIDTH, number // columns * HEIGHT
        _frame(draw, left, top, name)
        for k, sigma in enumerate(spectra):
            points = curve(sigma, left + MARGIN, top + 20)
            if points:
                draw.line(points, fill=colour(k, len(spectra)), width=2)
    for k, label in enumerate(labels):
        y = rows * HEIGHT + 4 + 16 * k
        draw.line([(MARGIN, y + 6), (MARGIN + 24, y + 6)], fill=colour(k, len(labels)), width=3)
        draw.text((MARGIN + 32, y), _shortened(label, 120), fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def curve(sigma: Tensor, left: float, top: float) -> list[tuple[float, float]]:
    """Points of sigma_k / sigma_1 in a panel at (left, top): k / r to the right, log10 down."""
    values = sigma.double().median(dim=0).values
    if not values.isfinite().all() or values[0] <= 0:
        return []
    ratios = (values / values[0]).tolist()
    width, height = WIDTH - MARGIN - 10, HEIGHT - 48
    points = []
    for k, ratio in enumerate(ratios):
        depth = DECADES if ratio <= 0 else min(DECADES, max(0.0, -math.log10(ratio)))
        x = left + width * (k / max(1, len(ratios) - 1))
        points.append((x, top + height * depth / DECADES))
    return points


def colour(k: int, count: int) -> tuple[int, int, int]:
    """The colour of the k-th of `count` lines, the last the darkest."""
    share = 1.0 if count == 1 else k / (count - 1)
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(FIRST, LAST, strict=True))
    return red, green, blue


def _frame(draw, left: int, top: int, name: str) -> None:
    width, height = WIDTH - MARGIN - 10, HEIGHT - 48
    x, y = left + MARGIN, top + 20
    draw.text((x, top + 4), _shortened(name, 36), fill="black")
    for decade in range(DECADES + 1):
        line = y + height * decade / DECADES
        draw.line([(x, line), (x + width, line)], fill=(225, 225, 225))
        draw.text((left + 2, line - 6), "1" if decade == 0 else f"1e-{decade}", fill=(90, 90, 90))
    draw.rectangle([x, y, x + width, y + height], outline=(120, 120, 120))
    draw.text((x, y + height + 4), "k / r:  0", fill=(90, 90, 90))
    draw.text((x + width - 8, y + height + 4), "1", fill=(90, 90, 90))


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"..{text[2 - length :]}"
