"""Antialiased bilinear resizing: forward and backward. PyTorch in either layout; the faster one counts."""

SHAPES = [(128, 64, 32, 3), (16, 256, 224, 3), (32, 14, 28, 128)]  # images, side before and after, channels


def maker(images, before, after, channels, layout):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format

        def batch(side):
            return torch.randn(images, channels, side, side, device=device).to(memory_format=memory_format)

        x = batch(before).requires_grad_()
        dy = batch(after)
        forward = wrap(lambda x: functional.interpolate(x, (after, after), mode="bilinear", antialias=True))

        def run():
            torch.autograd.grad(forward(x), x, dy)

        return run

    return make


def cases():
    return [{
        "name": f"f32 {images}x{before}x{before}x{channels} to {after}x{after} forward + backward",
        "ours": [f"resize_{part}/f32/{{device}}/n:{images}/from:{before}/to:{after}/channels:{channels}"
                 for part in ("forward", "backward")],
        "make": {layout: maker(images, before, after, channels, layout) for layout in ("nhwc", "nchw")},
    } for images, before, after, channels in SHAPES]
