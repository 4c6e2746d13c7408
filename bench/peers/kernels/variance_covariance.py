"""VICReg's loss, forward + backward: the published D x D form, and the N x N form of the same number."""


def maker(rows, cols, dtype, by_rows):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        x = torch.randn(rows, cols, device=device).to(kind).requires_grad_()
        y = torch.randn(rows, cols, device=device).to(kind).requires_grad_()

        def view(x):
            x = x - x.mean(0)
            variance = x.square().sum(0) / (rows - 1)
            hinge = functional.relu(1 - torch.sqrt(variance + 1e-4)).mean()
            c = (x @ x.T if by_rows else x.T @ x) / (rows - 1)
            return hinge, (c.square().sum() - variance.square().sum()) / cols

        @wrap
        def loss(x, y):
            x, y = x.float(), y.float()
            variance_x, covariance_x = view(x)
            variance_y, covariance_y = view(y)
            return 25 * functional.mse_loss(x, y) + 12.5 * (variance_x + variance_y) + covariance_x + covariance_y

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
                "ours": [f"variance_covariance/{dtype}/{{device}}/rows:{rows}/cols:{cols}/gradients:1"],
                "make": {"D x D": maker(rows, cols, dtype, False), "N x N": maker(rows, cols, dtype, True)},
            })
    return found
