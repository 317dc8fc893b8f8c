"""The figures of the paper page: titles, captions and the paper's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A figure's place on the page. `path` is below `/figures/`; `picks` names what can be picked,
    `words` is what the text says of the paper's own figure, None for one that it lacks."""

    id: str
    path: str
    title: str
    caption: str
    words: str | None
    height: int
    picks: Sequence[str] = ()
    wide: bool = False


DASHED = "Colour is the iteration; a curve is dashed from where spectral collapse was seen."
MARKS = (
    "A dot is a seed, a cross one in which mode collapse was seen, hollow one that has not "
    "finished, a triangle one that lies beyond the axis."
)

ANSWER = (
    Plate(
        id="rivals", path="rivals", title="Every method against SN and its two controls",
        caption="Differences of a seed's two runs at the last iteration that both have: a circle "
        "is a seed, a square the mean with its 95 % paired t interval, from three seeds on. Left "
        "of 0 the method is better. sn-renorm renormalises as SR does and lifts nothing; sn-ttur "
        "is SN whose D learns four times as fast. Intervals are one by one, not for all of them "
        "together.",
        words=None, height=380, picks=("setting",), wide=True,
    ),
)  # fmt: skip
SPECTRA = (
    Plate(
        id="fig2", path="fig/2", title="Fig. 2: spectra where SN does not collapse",
        caption="SN's last layer, a panel per setting in which the paper saw no mode collapse. "
        f"{DASHED}",
        words="the shapes of the spectral distribution curves do not change significantly with "
        "the number of training iteration",
        height=900, picks=("group", "seed", "layer"), wide=True,
    ),
    Plate(
        id="fig3", path="fig/3", title="Fig. 3: spectra where SN collapses",
        caption=f"SN's last layer, a panel per setting in which the paper saw mode collapse. "
        f"{DASHED}",
        words="a large number of singular values become very small when training passes a "
        "certain number of iterations",
        height=720, picks=("group", "seed", "layer"), wide=True,
    ),
    Plate(
        id="fig4", path="fig/4", title="Fig. 4: spectra by group",
        caption="SN's layer_0 at the last evaluation, a panel per group, a curve per setting. "
        "Dashed where spectral collapse was seen, ✕ where the modes collapsed.",
        words="in groups A and D, the spectral distributions across different settings are very "
        "similar and no spectral collapse is observed. (…) In group C, the spectral "
        "distributions of all settings have collapsed",
        height=640, picks=("seed", "layer"), wide=True,
    ),
    Plate(
        id="fig5", path="fig5", title="Fig. 5: which went first",
        caption="One run: every singular value of a layer by brightness, and the scores below on "
        "the same iterations. Solid line: mode collapse; dashed: spectral collapse. Whether the "
        "spectrum goes before the modes is a question to many seeds, see the claims above.",
        words="At 20k iterations, IS and FID performances start to drop, correspondingly, the "
        "spectral distribution starts to fall",
        height=640, picks=("setting", "method", "i_ratio", "seed", "layer"),
    ),
    Plate(
        id="fig14", path="fig/14", title="Figs. 14 to 22: every layer",
        caption=f"All layers of D in one run of SN. {DASHED}",
        words="spectral collapse is observed in all layers except layer_2 and layer_5, which act "
        "as the role of skip connection",
        height=720, picks=("setting", "seed"), wide=True,
    ),
)  # fmt: skip
REMEDY = (
    Plate(
        id="fig6", path="fig/6", title="Fig. 6: the rescue",
        caption="A run of SN, and what went on from one of its snapshots with another method "
        "(dotted: where). A cross is where mode collapse was seen.",
        words="we resume the training with the snapshot of SN-GAN at iterations = 40k, and apply "
        "Spectral Regularization with dynamic compensation",
        height=640, picks=("setting", "seed", "layer"), wide=True,
    ),
    Plate(
        id="fig7", path="fig/7", title="Fig. 7: SN against SR",
        caption="Runs of one seed, which saw the same data, noise and first weights. Above the "
        "scores, below the spectra on one colour scale: solid line, mode collapse; dashed, "
        "spectral collapse. The controls stand beside them where they were run.",
        words="spectral normalization cannot stop other singular values to drop significantly "
        "(…). In contrast, static compensation in spectral regularization ensures that the "
        "first i singular values are equal in all cases",
        height=660, picks=("setting", "seed", "layer"), wide=True,
    ),
    Plate(
        id="fig8", path="fig8", title="Fig. 8: how much to lift",
        caption=f"Best score against the share of singular values lifted. {MARKS} The line joins "
        "means, with a 95 % interval from three seeds on; bands are what lifts nothing, from "
        "the lowest seed to the highest.",
        words="For experiment groups A, D and E, increasing i from 0.25N to 0.5N, the "
        "performances are improved. However, continuously increasing i from 0.5N to N, the "
        "performances deteriorate. For experiments in group B, performances increase steadily "
        "with i",
        height=460, picks=("setting",), wide=True,
    ),
    Plate(
        id="fig9", path="fig/9", title="Fig. 9: D(x) and L_D by i",
        caption="Distributions over 512 fixed images at the last evaluation, a curve per i.",
        words="When increasing i from 0.25N to N, the distributions of D(x) on training images "
        "have a tendency of moving to the right, and (…) on generated images (…) to the left",
        height=700, picks=("setting", "seed"), wide=True,
    ),
    Plate(
        id="fig10", path="fig/10", title="Fig. 10: D(x) on training and test images",
        caption="Distributions over 512 fixed images at the last evaluation, a panel per i.",
        words="In the case of i = r, the discriminator behaves significantly differently between "
        "the training data and testing data, this means that overfitting has occurred",
        height=380, picks=("setting", "seed"), wide=True,
    ),
    Plate(
        id="fig11", path="fig/11", title="Fig. 11: D(x) on all three sets of images",
        caption="Distributions over 512 fixed images at the last evaluation, a panel per i.",
        words="for all the i values, the probability distributions of the discriminator output "
        "for the training and testing data agree well with each other",
        height=380, picks=("setting", "seed"), wide=True,
    ),
    Plate(
        id="fig12", path="fig12", title="Fig. 12: static against dynamic compensation",
        caption=f"Best score by setting. {MARKS}",
        words="static compensations achieve better results on unconditional generation with "
        "setting A_128-128 and D_128-256. While dynamic compensations behave better in the rest "
        "tasks",
        height=440, wide=True,
    ),
)  # fmt: skip
BEYOND = (
    Plate(
        id="survival", path="survival", title="Who has not collapsed",
        caption="Kaplan and Meier's estimate of the share of runs without mode collapse, with a "
        "95 % band. A tick is a run that was last seen there without one. i as in Table II; "
        "runs that branched off another, chosen because it collapsed, are left out.",
        words=None, height=500,
    ),
    Plate(
        id="seeds", path="seeds", title="Every seed",
        caption=f"Best score of every seed by setting and method. {MARKS}",
        words=None, height=440, wide=True,
    ),
)  # fmt: skip
SECTIONS: Mapping[str, Sequence[Plate]] = {
    "The answer": ANSWER,
    "Spectral collapse": SPECTRA,
    "What regularization does": REMEDY,
    "Beyond the paper": BEYOND,
}
