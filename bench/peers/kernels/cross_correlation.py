"""Barlow Twins' loss, forward + backward: the published D x D form, and the N x N form of the same number."""


def maker(rows, cols, dtype, by_rows):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        weight = 0.0051
        x = torch.randn(rows, cols, device=device).to(kind).requires_grad_()
        y = torch.randn(rows, cols, device=device).to(kind).requires_grad_()

        @wrap
        def loss(x, y):
            a = functional.batch_norm(x.float(), None, None, training=True)
            b = functional.batch_norm(y.float(), None, None, training=True)
            if by_rows:
                diagonal = (a * b).sum(0) / rows
                squares = ((a @ a.T) * (b @ b.T)).sum() / rows**2
                return (diagonal - 1).square().sum() + weight * (squares - diagonal.square().sum())
            c = a.T @ b / rows
            diagonal = torch.diagonal(c)
            off = c.square().sum() - diagonal.square().sum()
            return (diagonal - 1).square().sum() + weight * off

        def run():
            torch.autograd.grad(loss(x, y), (x, y))

        return run

    return make


def cases():
    found = []
    for dtype in ("f32", "bf16"):
        for rows, cols in ((256, 2048), (256, 8192), (512, 512), (512, 2048)):
            found.append({
                "name": f"{dtype} {rows}x{cols}",
                "ours": [f"cross_correlation/{dtype}/{{device}}/rows:{rows}/cols:{cols}/gradients:1"],
                "make": {"D x D": maker(rows, cols, dtype, False), "N x N": maker(rows, cols, dtype, True)},
            })
    return found
