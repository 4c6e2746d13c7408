"""Rows to unit length: forward + backward."""


def maker(rows, cols, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        x = torch.randn(rows, cols, device=device).to(kind).requires_grad_()
        dy = torch.randn(rows, cols, device=device).to(kind)

        @wrap
        def forward(x):
            return functional.normalize(x, dim=1)

        def run():
            torch.autograd.grad(forward(x), x, dy)

        return run

    return make


def cases():
    return [{
        "name": f"{dtype} {rows}x{cols}",
        "ours": [f"l2_normalize_{part}/{dtype}/{{device}}/rows:{rows}/cols:{cols}" for part in ("forward", "backward")],
        "make": maker(rows, cols, dtype),
    } for dtype in ("f32", "bf16") for rows, cols in ((512, 128), (2000, 1024), (8192, 128))]
