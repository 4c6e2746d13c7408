"""Layer normalisation: forward, and the gradients of x, gamma and beta."""

SHAPES = [(128 * 65, 192), (128 * 197, 384)]


def maker(rows, cols, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        x = torch.randn(rows, cols, device=device, dtype=kind, requires_grad=True)
        dy = torch.randn(rows, cols, device=device, dtype=kind)
        gamma = torch.ones(cols, device=device, dtype=kind, requires_grad=True)
        beta = torch.zeros(cols, device=device, dtype=kind, requires_grad=True)
        forward = wrap(lambda x, gamma, beta: functional.layer_norm(x, (cols,), gamma, beta))

        def run():
            torch.autograd.grad(forward(x, gamma, beta), [x, gamma, beta], dy)

        return run

    return make


def cases():
    return [{
        "name": f"{dtype} {rows}x{cols} forward + backward",
        "ours": [f"layer_norm_{part}/{dtype}/{{device}}/rows:{rows}/cols:{cols}"
                 for part in ("forward", "backward", "parameters")],
        "make": maker(rows, cols, dtype),
    } for rows, cols in SHAPES for dtype in ("f32", "bf16")]
