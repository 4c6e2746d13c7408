"""Weighted kNN: product, topk, softmax-like votes by scatter_add, in chunks of queries; the best of several chunk sizes."""

BANK, DIM, K, CLASSES, TEMPERATURE = 50000, 512, 200, 10, 0.07


def maker(queries, dtype, chunk):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        query = functional.normalize(torch.randn(queries, DIM, device=device), dim=1).to(kind)
        bank = functional.normalize(torch.randn(BANK, DIM, device=device), dim=1).to(kind).t()
        labels = torch.arange(BANK, device=device) % CLASSES

        @wrap
        def some(q):
            similarity, index = (q @ bank).topk(K, dim=1)
            weights = (similarity.float() / TEMPERATURE).exp()
            scores = torch.zeros(q.shape[0], CLASSES, device=device)
            return scores.scatter_add_(1, labels[index], weights).argmax(1)

        def run():
            return torch.cat([some(query[at : at + chunk]) for at in range(0, queries, chunk)])

        return run

    return make


def cases():
    found = []
    for ours, dtype, want in (
        ("nearest/f32", "f32", 1.15),
        ("nearest_through_bf16", "f32", 2.0),
        ("nearest/bf16", "bf16", 1.0),
    ):
        for queries in (10000, 1000):
            found.append({
                "name": f"{ours} against {dtype}, {queries} x {BANK} x {DIM}, k {K}",
                "ours": [f"{ours}/{{device}}/queries:{queries}/bank:{BANK}/dim:{DIM}/k:{K}",
                         f"vote/{{device}}/queries:{queries}/k:{K}"],
                "make": {f"chunks of {chunk}": maker(queries, dtype, chunk) for chunk in (100, 500, 1000)},
                "compile": False,  # a product and a top-k: nothing to fuse
                "want": {"cpu": want},
            })
    return found
