"""The methods: named presets over five axes. Standard library only.

- `normalisation` of D's weights: none, sn (spectral), wn (weight normalization);
- `compensation` of their spectra: none, static, dynamic, a fixed floor or the first spectrum put
  back, with or without division by sigma_1 (`renormalises`), by overwriting the weights (form
  `project`) or as W_SR (form `reparam`);
- `penalty` added to the losses, and whether both players are updated at once;
- what D sees: images, augmented ones, or packs of them;
- the optimiser: the profile's, that with another rate for D, or that with G's gradient nudged
  away from sharp directions.

With the two controls, SN against SR is a 2x2 experiment: lifted or not, renormalised or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A preset. `penalty_weight`, where there is a penalty, is what the source uses.

    `discriminator_rate_factor` multiplies the profile's learning rate of D, `packing` is the
    number of images that D judges together, `unrolled_steps` that of D's updates that G foresees.
    """

    formula: str
    source: str
    normalisation: str = "sn"
    compensation: str | None = None
    renormalises: bool = False
    reparametrised: bool = False
    penalty: str | None = None
    penalty_weight: float | None = None
    loss: str = "hinge"
    simultaneous: bool = False
    nudges: bool = False
    discriminator_rate_factor: float | None = None
    packing: int | None = None
    unrolled_steps: int | None = None
    augments: bool = False

    @property
    def lifts(self) -> bool:
        """True if the method equalises the first i singular values, and so takes an i_ratio."""
        return self.compensation == "static"

    @property
    def differentiates_twice(self) -> bool:
        """True if a derivative of a gradient is part of the training: too much for TF32."""
        penalised = self.penalty in (*OF_INPUT_GRADIENTS, *NOT_ADDITIVE)
        return penalised or self.unrolled_steps is not None

    @property
    def form(self) -> str | None:
        if self.compensation is None and not self.renormalises:
            return None
        return "reparam" if self.reparametrised else "project"


_RELEASED = "released CIFAR code, updater; Eqs. (9), (10)"
_RELEASED_DYNAMIC = "released ImageNet code, updater; Eq. (9)"
_CONTROL = "control, not in the paper"

METHODS: Mapping[str, Method] = {
    "sn": Method(formula="W_SN = W / sigma_1", source="Eq. (4); Miyato et al. 2018"),
    "sn-ttur": Method(
        discriminator_rate_factor=4.0,
        formula="sn, and D's learning rate times 4: a faster D and nothing else",
        source="Heusel et al. 2017; the factor is SAGAN's, Zhang et al. 2019",
    ),
    "sr-static": Method(
        compensation="static",
        renormalises=True,
        formula="sn, and W <- U diag(1, .., 1, sigma_{i+1}/sigma_1, ..) V^T",
        source=_RELEASED,
    ),
    "sn-renorm": Method(
        renormalises=True,
        formula="sn, and W <- W / sigma_1: the control without the lift",
        source=_CONTROL,
    ),
    "sr-lift": Method(
        compensation="static",
        formula="sn, and W <- U diag(sigma_1, .., sigma_1, sigma_{i+1}, ..) V^T: lift only",
        source=_CONTROL,
    ),
    "sr-dynamic": Method(
        compensation="dynamic",
        formula="sn, and W <- U diag(gamma_k sigma_1) V^T, gamma_k = max over calls of "
        "sigma_k/sigma_1; the first call only records",
        source=_RELEASED_DYNAMIC,
    ),
    "sr-dynamic-renorm": Method(
        compensation="dynamic",
        renormalises=True,
        formula="sn, and W <- U diag(gamma_k) V^T: sr-dynamic divided by sigma_1",
        source="the paper's text of Eqs. (9), (10), projected",
    ),
    "sr-static-reparam": Method(
        compensation="static",
        renormalises=True,
        reparametrised=True,
        formula="W_SR = (W + dW) / sigma_1 with sigma_2..sigma_i at sigma_1, on the last D update",
        source="Eqs. (9) to (11), static",
    ),
    "sr-dynamic-reparam": Method(
        compensation="dynamic",
        renormalises=True,
        reparametrised=True,
        formula="W_SR = (W + dW) / sigma_1 with sigma_k at gamma_k sigma_1, on the last D update",
        source="Eqs. (9) to (11), dynamic",
    ),
    "sr-floor": Method(
        compensation="floor",
        formula="sn, and W <- U diag(max(sigma_k, sigma_1/2)) V^T: a floor, nothing divided",
        source=_CONTROL,
    ),
    "sr-iso": Method(
        compensation="first",
        formula="sn, and W <- U diag(sigma_k of the first call) V^T: the first spectrum put back",
        source=_CONTROL,
    ),
    "none": Method(normalisation="none", formula="W", source="the same networks, unconstrained"),
    "wn": Method(
        normalisation="wn",
        formula="W_WN = g W / |row of W|, g learned",
        source="Salimans and Kingma 2016, Eq. (2)",
    ),
    "pacgan": Method(
        packing=2,
        formula="sn, and D judges packs of m = 2 images, stacked as channels: D(x_1, .., x_m)",
        source="Lin et al. 2018, PacGAN2",
    ),
    "simgd": Method(
        normalisation="none",
        loss="non-saturating",
        simultaneous=True,
        formula="both players step at once on their own losses",
        source="simultaneous gradient descent, jare with gamma = 0",
    ),
    "jare": Method(
        normalisation="none",
        penalty="jare",
        penalty_weight=100.0,
        loss="non-saturating",
        simultaneous=True,
        formula="L_D + gamma/2 |grad_G L_G|^2 for D, L_G + gamma/2 |grad_D L_D|^2 for G, at once",
        source="Nie and Patel 2019, released code",
    ),
    "conopt": Method(
        normalisation="none",
        penalty="conopt",
        penalty_weight=10.0,
        loss="non-saturating",
        simultaneous=True,
        formula="each loss + gamma/2 (|grad_G L_G|^2 + |grad_D L_D|^2), at once",
        source="Mescheder et al. 2017, as in JARE's released code",
    ),
    "r1": Method(
        normalisation="none",
        penalty="r1",
        penalty_weight=10.0,
        loss="non-saturating",
        formula="L_D + gamma/2 E |grad_x D(x)|^2 on real x",
        source="Mescheder et al. 2018, Eq. (9)",
    ),
    "rpgan": Method(
        normalisation="none",
        loss="relativistic",
        formula="L_D = E f(D(x) - D(G(z))), L_G = E f(D(G(z)) - D(x)), f(t) = log(1 + exp(-t))",
        source="Jolicoeur-Martineau 2019, RpGAN; a control: known to diverge",
    ),
    "rpgan-r1r2": Method(
        normalisation="none",
        penalty="r1r2",
        penalty_weight=0.05,
        loss="relativistic",
        formula="rpgan, and L_D + gamma/2 (E |grad_x D(x)|^2 + E |grad_x D(G(z))|^2)",
        source="Huang et al. 2024, R3GAN; gamma its CIFAR-10 preset's at the start",
    ),
    "unrolled": Method(
        normalisation="none",
        loss="non-saturating",
        unrolled_steps=5,
        formula="L_G(phi, theta_k(phi)), theta_k being D after k = 5 updates more, and G's "
        "gradient taken through them",
        source="Metz et al. 2017, Eqs. (4) to (7)",
    ),
    "wgan-gp": Method(
        normalisation="none",
        penalty="wgan-gp",
        penalty_weight=10.0,
        loss="wasserstein",
        formula="L_D + gamma E (|grad_x D(x)| - 1)^2 between real and generated x",
        source="Gulrajani et al. 2017, Eq. (3)",
    ),
    "orthonormal": Method(
        normalisation="none",
        penalty="orthonormal",
        penalty_weight=1e-4,
        formula="L_D + beta sum over layers of |W^T W - I|_F^2",
        source="Brock et al. 2017; weight of the BigGAN code",
    ),
    "srip": Method(
        normalisation="none",
        penalty="srip",
        penalty_weight=0.01,
        formula="L_D + lambda sum over layers of |W^T W - I|_2, by two steps of power iteration",
        source="Bansal et al. 2018, SRIP; lambda of their code at the start, which anneals it",
    ),
    "lecam": Method(
        penalty="lecam",
        penalty_weight=0.3,
        formula="sn, and L_D + gamma (E max(0, D(x) - a_F)^2 + E max(0, a_R - D(G(z)))^2), a_R "
        "and a_F moving averages of D on real and generated images",
        source="Tseng et al. 2021, LeCam; weight of its BigGAN code on CIFAR-10",
    ),
    "bcr": Method(
        penalty="bcr",
        penalty_weight=10.0,
        formula="sn, and L_D + gamma (E (D(x) - D(T(x)))^2 + E (D(G(z)) - D(T(G(z))))^2), T a "
        "random shift",
        source="Zhao et al. 2021, balanced consistency regularization",
    ),
    "diffaug": Method(
        augments=True,
        formula="sn, and every D(x) in training is D(T(x)), T a random change of colour, shift "
        "and cutout",
        source="Zhao et al. 2020, DiffAugment, policy of CIFAR-10",
    ),
    "nugan": Method(
        nudges=True,
        formula="sn, and g <- g - (1 - gamma) sum_k <g, v_k> v_k over G's sharpest directions, "
        "before Adam",
        source="nudged-Adam, Chatzimichailidis et al. 2021: our reading of the abstract",
    ),
}

# These losses are what a method is, on toy problems too.
OWN_LOSSES = ("wasserstein", "relativistic")

# `iteration % 5 == 0` in the released updater; the paper does not mention a period.
PROJECTION_PERIOD = 5
DEFAULT_I_RATIO = 0.5
# Of sr-floor, as a share of sigma_1; published nowhere.
DEFAULT_FLOOR = 0.5

# Their penalty is of D's gradient in images, taken in a pass of its own.
OF_INPUT_GRADIENTS = ("r1", "r1r2", "wgan-gp")
# Their penalty is a norm of the batch's mean gradient, which is no sum over parts of the batch.
NOT_ADDITIVE = ("jare", "conopt")

# NuGAN: the number of directions, the iterations between two searches for them, and what is left
# of the gradient along them. Nudged SGD (Jastrzebski et al. 2019) has 5 and gammas from 0.01; the
# search costs 1.15 iterations per Lanczos step, so every 100 iterations about a quarter more time.
NUDGE_K, NUDGE_EVERY, NUDGE_GAMMA = 5, 100, 0.1
