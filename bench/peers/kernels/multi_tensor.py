"""Optimiser steps and the EMA over a ResNet-18's 62 tensors: torch.optim with foreach and with fused, torch._foreach_lerp_.

LARS has no implementation in torch: the published recipe (norms of every tensor, ratio, SGD) is written with _foreach
functions, which is the best that Python can do there.
"""


def shapes():
    list_ = [(64, 3, 3, 3), (64,), (64,)]
    before = 64
    for channels in (64, 128, 256, 512):
        for block in range(2):
            entering = before if block == 0 else channels
            list_ += [(channels, entering, 3, 3), (channels,), (channels,)]
            list_ += [(channels, channels, 3, 3), (channels,), (channels,)]
            if entering != channels:
                list_ += [(channels, entering, 1, 1), (channels,), (channels,)]
        before = channels
    return list_ + [(10, 512), (10,)]


def parameters(device, value=0.5):
    import torch

    made = []
    for shape in shapes():
        p = torch.full(shape, value, device=device, requires_grad=True)
        p.grad = torch.full(shape, 0.25, device=device)
        made.append(p)
    return made


def optimiser(name, **settings):
    def make(device, wrap):
        import torch

        made = getattr(torch.optim, name)(parameters(device), lr=1e-3, **settings)
        return wrap(made.step)

    return make


def ema(device, wrap):
    import torch

    target = [p.detach() for p in parameters(device)]
    online = [p.detach() for p in parameters(device, 0.25)]
    return wrap(lambda: torch._foreach_lerp_(target, online, 0.01))


def lars(device, wrap):
    import torch

    made = parameters(device)
    weights, gradients = [p.detach() for p in made], [p.grad for p in made]
    momenta = [torch.full_like(p, 0.125) for p in weights]
    decay = 1e-4

    def step():
        lengths = torch.stack(torch._foreach_norm(weights))
        steepness = torch.stack(torch._foreach_norm(gradients))
        ratios = 0.001 * lengths / (steepness + decay * lengths + 1e-8)
        direction = torch._foreach_add(gradients, weights, alpha=decay)
        torch._foreach_mul_(direction, list(ratios.unbind()))
        torch._foreach_mul_(momenta, 0.9)
        torch._foreach_add_(momenta, direction)
        torch._foreach_add_(weights, momenta, alpha=-1e-3)

    return wrap(step)


def case(name, ours, make):
    return {"name": name, "ours": [f"{ours}/{{device}}/head:0"], "make": make, "compile": False}


def cases():
    sgd = {"momentum": 0.9, "weight_decay": 1e-4}
    return [
        case("EMA, 62 tensors, 11.2 M", "multi_tensor_ema_step", ema),
        case("SGD with momentum", "multi_tensor_sgd_step",
             {"foreach": optimiser("SGD", foreach=True, **sgd), "fused": optimiser("SGD", fused=True, **sgd)}),
        case("LARS", "multi_tensor_lars_step", lars),
        case("AdamW", "multi_tensor_adamw_step",
             {"foreach": optimiser("AdamW", foreach=True, weight_decay=0.05),
              "fused": optimiser("AdamW", fused=True, weight_decay=0.05)}),
    ]
