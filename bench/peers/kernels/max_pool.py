"""Maxima over windows, channels last: forward and backward."""

SHAPES = [(32, 112, 64, 3), (128, 16, 128, 2)]  # images, side, channels, window; stride 2, padding window / 2


def maker(images, side, channels, window, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]

        def batch(side):
            values = torch.randn(images, channels, side, side, device=device)
            return values.to(kind).to(memory_format=torch.channels_last)

        x = batch(side).requires_grad_()
        dy = batch((side + 2 * (window // 2) - window) // 2 + 1)
        forward = wrap(lambda x: functional.max_pool2d(x, window, stride=2, padding=window // 2))

        def run():
            torch.autograd.grad(forward(x), x, dy)

        return run

    return make


def cases():
    return [{
        "name": f"{dtype} {images}x{side}x{side}x{channels} window {window} forward + backward",
        "ours": [f"max_pool_{part}/{dtype}/{{device}}/n:{images}/side:{side}/channels:{channels}/kernel:{window}"
                 for part in ("forward", "backward")],
        "make": maker(images, side, channels, window, dtype),
    } for images, side, channels, window in SHAPES for dtype in ("f32", "bf16")]
