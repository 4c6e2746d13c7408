"""The minimum-redundancy buffer: a batch arrives, as many entries go. Two ways to write it in PyTorch: the whole matrix of
similarities, as in the published code, and a matrix that is kept, whose changed rows and columns alone are computed."""

ARRIVING = 256


def maker(slots, dim, keep_matrix):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        features = functional.normalize(torch.randn(slots, dim, device=device), dim=1)
        everyone = torch.arange(slots, device=device)
        kept = features @ features.t()
        kept.fill_diagonal_(-10)
        arrived = everyone[:ARRIVING]

        def run():
            if keep_matrix:
                rows = features[arrived] @ features.t()
                kept[arrived] = rows
                kept[:, arrived] = rows.t()
                kept[arrived, arrived] = -10
                similarity = kept
            else:
                similarity = features @ features.t()
                similarity.fill_diagonal_(-10)
            best, partner = similarity.max(dim=1)
            gone = torch.zeros(slots, dtype=torch.bool, device=device)
            victims = []
            for _ in range(ARRIVING):
                victim = best.argmax()
                victims.append(victim)
                gone[victim] = True
                best[victim] = -10
                bereft = (partner == victim) & ~gone
                rows = bereft.nonzero().squeeze(1)
                if rows.numel():
                    best[rows], partner[rows] = similarity[rows].masked_fill(gone, -10).max(dim=1)
            return torch.stack(victims)

        return run

    return make


def cases():
    return [
        {
            "name": f"f32 {slots} x {dim}, {ARRIVING} arrive and go",
            "ours": [f"redundancy_step/f32/{{device}}/slots:{slots}/dim:{dim}/arriving:{ARRIVING}"],
            "make": {"matrix made anew": maker(slots, dim, False), "matrix kept": maker(slots, dim, True)},
            "compile": False,  # the loop's shapes depend on its values
        }
        for slots, dim in [(2256, 512)]  # at 65,536 slots the matrix takes 17 GB
    ]
