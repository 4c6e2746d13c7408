"""Batch normalisation with residual and ReLU in training, channels last: forward and backward."""

SHAPES = [(128, 64, 32), (128, 512, 4)]  # images, channels, side


def maker(images, channels, side, residual, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]

        def batch():
            values = torch.randn(images, channels, side, side, device=device)
            return values.to(kind).to(memory_format=torch.channels_last)

        x, shortcut, dy = batch().requires_grad_(), batch().requires_grad_(), batch()
        gamma = torch.ones(channels, device=device, requires_grad=True)
        beta = torch.zeros(channels, device=device, requires_grad=True)
        mean, var = torch.zeros(channels, device=device), torch.ones(channels, device=device)

        @wrap
        def forward(x, shortcut, gamma, beta):
            h = functional.batch_norm(x, mean, var, gamma, beta, training=True)
            return functional.relu(h + shortcut if residual else h)

        inputs = [x, gamma, beta] + ([shortcut] if residual else [])

        def run():
            torch.autograd.grad(forward(x, shortcut, gamma, beta), inputs, dy)

        return run

    return make


def cases():
    found = []
    for images, channels, side in SHAPES:
        for dtype in ("f32", "bf16"):
            for residual in (1, 0):
                size = f"rows:{images * side * side}/channels:{channels}/residual:{residual}"
                found.append({
                    "name": f"{dtype} {images}x{side}x{side}x{channels}{' + residual' if residual else ''}",
                    "ours": [f"batch_norm_{part}/{dtype}/{{device}}/{size}" for part in ("forward", "backward")],
                    "make": maker(images, channels, side, residual, dtype),
                })
    return found
