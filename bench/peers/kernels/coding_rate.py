"""The coding rate of EMP-SSL, 1/2 log det(I + alpha Z Z^T) of n matrices in the form with the smaller matrix: forward and
backward. PyTorch has three ways to a log-determinant; batched, and matrix by matrix as the published code does."""

SIZES = [(20, 100, 1024, 3.0), (4, 100, 1024, 1.0), (200, 100, 1024, 3.0), (20, 1024, 100, 1.0), (4, 512, 512, 1.0)]
ALPHA = 5.0


def by_cholesky(torch, m):
    return torch.linalg.cholesky(m).diagonal(dim1=-2, dim2=-1).log().sum(-1)


def by_logdet(torch, m):
    return 0.5 * torch.logdet(m)


def by_slogdet(torch, m):
    return 0.5 * torch.linalg.slogdet(m)[1]


def one_by_one(torch, m):
    return torch.stack([torch.linalg.cholesky(one).diagonal().log().sum() for one in m])


def maker(n, b, d, dtype, rate):
    def make(device, wrap):
        import torch

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        z = torch.nn.functional.normalize(torch.randn(n, b, d, device=device), dim=-1).to(kind).requires_grad_()
        identity = torch.eye(min(b, d), device=device)
        drate = torch.ones(n, device=device)

        @wrap
        def forward(z):
            wide = z.float()
            gram = wide @ wide.mT if b <= d else wide.mT @ wide
            return rate(torch, identity + ALPHA * gram)

        def run():
            torch.autograd.grad(forward(z), z, drate)

        return run

    return make


def cases():
    found = []
    for n, b, d, want in SIZES:
        for dtype in ("f32", "bf16"):
            size = f"n:{n}/b:{b}/d:{d}"
            found.append({
                "name": f"{dtype} {n} x ({b}, {d})",
                "ours": [f"coding_rate_{part}/{dtype}/{{device}}/{size}" for part in ("forward", "backward")],
                "make": {
                    "cholesky": maker(n, b, d, dtype, by_cholesky),
                    "logdet": maker(n, b, d, dtype, by_logdet),
                    "slogdet": maker(n, b, d, dtype, by_slogdet),
                    "cholesky, one by one": maker(n, b, d, dtype, one_by_one),
                },
                "want": {"cpu": want},
            })
    return found
