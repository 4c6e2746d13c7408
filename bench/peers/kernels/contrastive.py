"""Contrastive losses, forward + backward: NT-Xent (rows normalised inside), InfoNCE with a queue, EMP's two forms, SupCon."""


def ntxent(rows, dim):
    """Four ways to leave the diagonal out: filled in place, masked, added in the product, subtracted after exp."""

    def maker(form):
        def make(device, wrap):
            import torch
            from torch.nn import functional

            x = torch.randn(rows, dim, device=device, requires_grad=True)
            partner = (torch.arange(rows, device=device) + rows // 2) % rows
            no_self = torch.zeros(rows, rows, device=device).fill_diagonal_(float("-inf")) if form == "added" else None
            diagonal = torch.eye(rows, dtype=torch.bool, device=device) if form == "masked" else None

            @wrap
            def loss(x):
                z = functional.normalize(x, dim=1)
                if form == "added":
                    return functional.cross_entropy(torch.addmm(no_self, z, z.t(), alpha=5.0), partner)
                if form == "masked":
                    return functional.cross_entropy((z @ z.t() * 5.0).masked_fill(diagonal, float("-inf")), partner)
                s = (z * 5.0) @ z.t()
                if form == "filled":
                    return functional.cross_entropy(s.fill_diagonal_(float("-inf")), partner)
                e = s.exp()  # as the published programs have it: no maximum is subtracted
                positive = (z * z.roll(rows // 2, 0)).sum(1) * 5.0
                return ((e.sum(1) - e.diagonal()).log() - positive).mean()

            def run():
                torch.autograd.grad(loss(x), x)

            return run

        return make

    return {form: maker(form) for form in ("filled", "masked", "added", "exp")}


def queue(rows, keys, dim, dtype):
    def maker(form):
        def make(device, wrap):
            import torch
            from torch.nn import functional

            kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
            unit = lambda *shape: functional.normalize(torch.randn(*shape, device=device), dim=1).to(kind)
            q, k, bank = unit(rows, dim).requires_grad_(), unit(rows, dim), unit(keys, dim)
            first = torch.zeros(rows, dtype=torch.long, device=device)

            @wrap
            def loss(q):
                positive = (q * k).sum(1, keepdim=True)
                if form == "cat":  # the published program
                    return functional.cross_entropy(torch.cat([positive, q @ bank.t()], 1).float() / 0.2, first)
                negative = torch.logsumexp((q @ bank.t()).float() / 0.2, 1)
                positive = positive[:, 0].float() / 0.2
                return (torch.logaddexp(negative, positive) - positive).mean()

            def run():
                torch.autograd.grad(loss(q), q)

            return run

        return make

    return {form: maker(form) for form in ("cat", "logaddexp")}


def emp_patches(n, batch, dim):
    def maker(form):
        def make(device, wrap):
            import torch
            from torch.nn import functional

            anchors = functional.normalize(torch.randn(batch, dim, device=device), dim=1).requires_grad_()
            z = functional.normalize(torch.randn(n * batch, dim, device=device), dim=1).requires_grad_()
            own = (torch.arange(n * batch, device=device)[None] % batch) == torch.arange(batch, device=device)[:, None]

            @wrap
            def loss(a, z):
                s = a @ z.t() / 0.5
                if form == "masked":
                    positive = (s * own).sum(1) / n
                    return (torch.logsumexp(s.masked_fill(own, float("-inf")), 1) - positive).mean()
                by_image = s.view(batch, n, batch)
                diagonal = by_image.diagonal(dim1=0, dim2=2)  # (n, batch)
                e = s.exp()
                rest = e.sum(1) - e.view(batch, n, batch).diagonal(dim1=0, dim2=2).sum(0)
                return (rest.log() - diagonal.mean(0)).mean()

            def run():
                torch.autograd.grad(loss(anchors, z), (anchors, z))

            return run

        return make

    return {form: maker(form) for form in ("masked", "diagonal")}


def emp_means(n, batch, dim):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        z = functional.normalize(torch.randn(n * batch, dim, device=device), dim=1).requires_grad_()
        means = functional.normalize(torch.randn(batch, dim, device=device), dim=1).requires_grad_()
        own = torch.arange(n * batch, device=device) % batch

        @wrap
        def loss(z, means):
            return functional.cross_entropy(z @ means.t() / 0.07, own)

        def run():
            torch.autograd.grad(loss(z, means), (z, means))

        return run

    return make


def supcon(rows, dim):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        z = functional.normalize(torch.randn(rows, dim, device=device), dim=1).requires_grad_()
        labels = torch.arange(rows, device=device) * 7 % 10
        diagonal = torch.eye(rows, dtype=torch.bool, device=device)
        positive = ((labels[:, None] == labels[None]) & ~diagonal).float()
        share = positive / positive.sum(1, keepdim=True)

        @wrap
        def loss(z):
            s = (z @ z.t() / 0.1).masked_fill(diagonal, -1e9)
            return (torch.logsumexp(s, 1) - (s * share).sum(1)).mean()

        def run():
            torch.autograd.grad(loss(z), z)

        return run

    return make


def cases():
    found = []
    for rows, dim, want in ((512, 128, 2.0), (8192, 128, 1.0), (1024, 2048, 1.0)):
        found.append({
            "name": f"NT-Xent f32 {rows} x {dim}, with normalisation",
            "ours": [f"ntxent_with_normalize/{{device}}/rows:{rows}/dim:{dim}"],
            "make": ntxent(rows, dim),
            "want": {"cpu": want},
            "memory": rows >= 8192,
        })
    for keys in (65536, 4096):
        for dtype in ("f32", "bf16"):
            found.append({
                "name": f"InfoNCE {dtype} 256 x {keys} x 128",
                "ours": [f"queue_info_nce/{dtype}/{{device}}/rows:256/queue:{keys}/dim:128"],
                "make": queue(256, keys, 128, dtype),
                "memory": keys > 4096 and dtype == "f32",
            })
    found.append({
        "name": "EMP contrastive f32, 20 patches x 100 x 1024, patch form",
        "ours": ["emp_patches/f32/{device}/patches:20/batch:100/dim:1024"],
        "make": emp_patches(20, 100, 1024),
    })
    found.append({
        "name": "EMP contrastive f32, 20 patches x 100 x 1024, mean form",
        "ours": ["emp_means/f32/{device}/patches:20/batch:100/dim:1024"],
        "make": emp_means(20, 100, 1024),
    })
    found.append({
        "name": "SupCon f32 512 x 128, ten classes",
        "ours": ["supcon/f32/{device}/rows:512/dim:128"],
        "make": supcon(512, 128),
    })
    return found
