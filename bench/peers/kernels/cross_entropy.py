"""Softmax cross-entropy with labels and with soft targets, softmax and log sum exp."""


def loss(rows, cols, dtype, soft):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        logits = torch.randn(rows, cols, device=device).to(kind).requires_grad_()
        target = (torch.full((rows, cols), 1.0 / cols, device=device) if soft
                  else torch.full((rows,), cols // 2, device=device))

        @wrap
        def loss_of(logits, target):
            return functional.cross_entropy(logits.float(), target)

        def run():
            torch.autograd.grad(loss_of(logits, target), logits)

        return run

    return make


def softmax(rows, cols):
    def make(device, wrap):
        import torch

        x = torch.randn(rows, cols, device=device)
        forward = wrap(lambda x: torch.softmax(x / 0.1, dim=1))

        def run():
            with torch.no_grad():
                forward(x)

        return run

    return make


def cases():
    found = []
    for rows, cols in ((128, 10), (512, 1000), (256, 65537)):
        for dtype in ("f32", "bf16"):
            size = f"rows:{rows}/cols:{cols}"
            for soft in (False, True):
                name = "soft_cross_entropy" if soft else "cross_entropy"
                found.append({
                    "name": f"{name} {dtype} {rows}x{cols}, forward + backward",
                    "ours": [f"{name}_{part}/{dtype}/{{device}}/{size}" for part in ("forward", "backward")],
                    "make": loss(rows, cols, dtype, soft),
                })
    for rows, cols in ((512, 512), (256, 3000), (128, 65536)):
        found.append({
            "name": f"softmax f32 {rows}x{cols}",
            "ours": [f"softmax_forward/{{device}}/rows:{rows}/cols:{cols}"],
            "make": softmax(rows, cols),
        })
    return found
