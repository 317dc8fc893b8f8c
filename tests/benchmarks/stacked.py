"""k seeds of one configuration trained in one process as one model, its weights stacked [k, ...].

torch.func maps the plain networks over the stack: each operator runs once for all seeds, a
convolution as one with k groups. Only what a benchmark needs: plain spectral normalisation,
players that take turns, a batch in one part, no classes, a constant rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.layers import Layer
from trainer.losses import LOSSES
from trainer.randomness import draw_purpose, generator, part_purpose
from trainer.spectral import power_iteration
from trainer.state import initial_state
from trainer.updates import latent

Stack = Mapping[str, Tensor]


class Stacked:
    """Trains configurations that differ in their seed alone, all by one iteration at a time."""

    def __init__(self, configs: Sequence[TrialConfig], data: Source) -> None:
        states = [initial_state(config) for config in configs]
        self.configs = configs
        self.data = data
        self.iteration = 0
        self.d = _Player([state.discriminator for state in states], configs[0])
        self.g = _Player([state.generator for state in states], configs[0])

    def iterate(self) -> tuple[Tensor, Tensor]:
        """(L_D averaged over its updates, L_G), each [k]."""
        config = self.configs[0]
        d_loss = torch.zeros(len(self.configs), device=config.device)
        g_loss = torch.zeros_like(d_loss)
        for k in range(config.n_critic):
            d_loss += self._update_discriminator(k) / config.n_critic
            if k == 0:
                g_loss = self._update_generator()
        self.iteration += 1
        return d_loss, g_loss

    def _update_discriminator(self, k: int) -> Tensor:
        real, z = [], []
        for config in self.configs:
            rng = generator(config.device, config.seed, self.iteration, draw_purpose(k))
            real.append(self.data.draw(config.batch_size, rng)[0])
            z.append(latent(config, config.batch_size, rng)[0])
        d, g = self.d, self.g
        d.advance()
        with torch.no_grad():
            fake = vmap(g.call)(g.parameters, g.buffers, torch.stack(z))

        def loss(parameters: Stack, buffers: Stack, real: Tensor, fake: Tensor) -> Tensor:
            judged = d.call(parameters, buffers, torch.cat([real, fake]))
            real_out, fake_out = judged.split(len(real))
            return LOSSES[self.configs[0].loss].discriminator(real_out, fake_out)

        gradients, losses = vmap(grad_and_value(loss))(
            d.parameters, d.buffers, torch.stack(real), fake
        )
        d.step(gradients)
        return losses

    def _update_generator(self) -> Tensor:
        z = []
        for config in self.configs:
            rng = generator(
                config.device, config.seed, self.iteration, part_purpose("G update", 0)
            )
            z.append(latent(config, config.generator_batch_size, rng)[0])
        d, g = self.d, self.g
        d.advance()

        def loss(
            parameters: Stack, buffers: Stack, of_d: tuple[Stack, Stack], z: Tensor
        ) -> Tensor:
            judged = d.call(of_d[0], of_d[1], g.call(parameters, buffers, z))
            return LOSSES[self.configs[0].loss].generator(judged)

        gradients, losses = vmap(grad_and_value(loss))(
            g.parameters, g.buffers, (d.parameters, d.buffers), torch.stack(z)
        )
        g.step(gradients)
        return losses


class _Player:
    """Networks of one shape with their parameters and buffers stacked, and one optimiser."""

    def __init__(self, networks: Sequence[nn.Module], config: TrialConfig) -> None:
        self.network = deepcopy(networks[0]).to("meta")
        self.parameters, self.buffers = stack_module_state(list(networks))
        self.layers = [
            name
            for name, module in networks[0].named_modules()
            if isinstance(module, Layer) and module.normalisation == "sn"
        ]
        betas = (config.beta1, config.beta2)
        self.optimiser = torch.optim.Adam(
            self.parameters.values(), lr=config.learning_rate, betas=betas, fused=True
        )

    def call(self, parameters: Stack, buffers: Stack, x: Tensor) -> Tensor:
        """The network's output; of one seed, to be mapped."""
        return functional_call(self.network, (dict(parameters), dict(buffers)), (x, None))

    @torch.no_grad()
    def advance(self) -> None:
        """One power iteration in every normalised layer."""
        for name in self.layers:
            u, v = self.buffers[f"{name}.u"], self.buffers[f"{name}.v"]
            new_u, new_v = vmap(power_iteration)(self.parameters[f"{name}.weight"], u)
            u.copy_(new_u)
            v.copy_(new_v)

    def step(self, gradients: Stack) -> None:
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.optimiser.step()
