"""Cosine losses, forward + backward: predictions against constants (SimSiam, BYOL), patches against their mean (EMP-SSL)."""


def pairs(rows, cols, dtype):
    def maker(form):
        def make(device, wrap):
            import torch
            from torch.nn import functional

            kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
            p = torch.randn(rows, cols, device=device).to(kind).requires_grad_()
            z = torch.randn(rows, cols, device=device).to(kind)

            @wrap
            def loss(p, z):
                if form == "cosine_similarity":
                    return functional.cosine_similarity(p.float(), z.float(), dim=1).mean()
                return (functional.normalize(p.float(), dim=1) * functional.normalize(z.float(), dim=1)).sum(1).mean()

            def run():
                torch.autograd.grad(loss(p, z), p)

            return run

        return make

    return {form: maker(form) for form in ("cosine_similarity", "normalize")}


def patches(n, batch, dim, dtype):
    def maker(form):
        def make(device, wrap):
            import torch
            from torch.nn import functional

            kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
            z = torch.randn(n, batch, dim, device=device).to(kind).requires_grad_()

            @wrap
            def loss(z):
                wide = z.float()
                mean = wide.mean(0)
                if form == "loop":  # the published code
                    return sum(functional.cosine_similarity(wide[i], mean, dim=-1).mean() for i in range(n)) / n
                return functional.cosine_similarity(wide, mean.unsqueeze(0), dim=-1).mean()

            def run():
                torch.autograd.grad(loss(z), z)

            return run

        return make

    return {form: maker(form) for form in ("broadcast", "loop")}


def cases():
    found = []
    for dtype in ("f32", "bf16"):
        for rows, cols in ((256, 2048), (4096, 256)):
            found.append({
                "name": f"{dtype} {rows}x{cols}, prediction against a constant",
                "ours": [f"cosine/{dtype}/{{device}}/rows:{rows}/cols:{cols}/gradients:1"],
                "make": pairs(rows, cols, dtype),
            })
        found.append({
            "name": f"{dtype} 20 patches x 100 x 1024 against their mean",
            "ours": [f"patch_cosine/{dtype}/{{device}}/patches:20/batch:100/dim:1024/gradient:1"],
            "make": patches(20, 100, 1024, dtype),
        })
    return found
