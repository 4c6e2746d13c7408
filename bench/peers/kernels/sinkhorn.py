"""Sinkhorn-Knopp of SwAV: three iterations at its published sizes, as its code has them."""


def maker(rows, prototypes, dtype, log_domain):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]

        def unit(n):
            return functional.normalize(torch.randn(n, 128, device=device))

        scores = (unit(rows) @ unit(prototypes).t()).to(kind)
        epsilon, iterations = 0.05, 3

        def published(scores):  # rescales the matrix, K x B
            q = torch.exp(scores.float() / epsilon).t()
            count_k, count_b = q.shape
            q /= torch.sum(q)
            for _ in range(iterations):
                q /= torch.sum(q, dim=1, keepdim=True)
                q /= count_k
                q /= torch.sum(q, dim=0, keepdim=True)
                q /= count_b
            q *= count_b
            return q.t()

        def logs(scores):
            t = scores.float() / epsilon
            f = torch.zeros(rows, 1, device=device)
            for _ in range(iterations):
                g = -torch.logsumexp(t + f, dim=0, keepdim=True)
                f = -torch.logsumexp(t + g, dim=1, keepdim=True)
            return torch.exp(t + f + g)

        assign = wrap(logs if log_domain else published)

        def run():
            with torch.no_grad():
                assign(scores)

        return run

    return make


def vectors(rows, prototypes, dtype):
    """The same with two scaling vectors: what one could write in PyTorch after thinking about it."""

    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]

        def unit(n):
            return functional.normalize(torch.randn(n, 128, device=device))

        scores = (unit(rows) @ unit(prototypes).t()).to(kind)

        @wrap
        def assign(scores):
            e = torch.exp(scores.float() / 0.05)
            u = torch.ones(rows, device=device)
            for _ in range(3):
                v = (rows / prototypes) / (u @ e)
                u = 1 / (e @ v)
            return u[:, None] * e * v

        def run():
            with torch.no_grad():
                assign(scores)

        return run

    return make


def cases():
    found = []
    for rows in (256, 4096):
        for dtype in ("f32", "bf16"):
            size = f"rows:{rows}/prototypes:3000/queue:0/iterations:3"
            found.append({
                "name": f"{dtype} {rows}x3000, 3 iterations",
                "ours": [f"sinkhorn_linear/{dtype}/{{device}}/{size}"],
                "make": {"published": maker(rows, 3000, dtype, False), "vectors": vectors(rows, 3000, dtype)},
                "want": {"cpu": 2.0, "cuda": 1.5} if dtype == "f32" else {},
            })
            found.append({
                "name": f"{dtype} {rows}x3000, 3 iterations, log domain",
                "ours": [f"sinkhorn_log/{dtype}/{{device}}/{size}"],
                "make": maker(rows, 3000, dtype, True),
            })
    return found
