"""DINO's loss with centring, and SwAV's swapped prediction: forward and backward to the student's logits."""


def dino(batch, cols, views, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        student = torch.randn(views * batch, cols, device=device).to(kind).requires_grad_()
        teacher = torch.randn(2 * batch, cols, device=device).to(kind)
        center = torch.zeros(1, cols, device=device)

        @wrap
        def loss_of(student, teacher, center):  # as published, pair by pair
            student_out = (student.float() / 0.1).chunk(views)
            teacher_out = functional.softmax((teacher.float() - center) / 0.04, dim=-1).detach().chunk(2)
            total, terms = 0, 0
            for i, q in enumerate(teacher_out):
                for v in range(views):
                    if v == i:
                        continue
                    total += torch.sum(-q * functional.log_softmax(student_out[v], dim=-1), dim=-1).mean()
                    terms += 1
            return total / terms

        def run():
            torch.autograd.grad(loss_of(student, teacher, center), student)

        return run

    return make


def swapped(batch, cols, views, dtype):
    def make(device, wrap):
        import torch
        from torch.nn import functional

        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        scores = torch.randn(views * batch, cols, device=device).to(kind).requires_grad_()
        codes = torch.full((2 * batch, cols), 1.0 / cols, device=device)

        @wrap
        def loss_of(scores, codes):
            loss = 0
            for a in range(2):
                q = codes[a * batch:(a + 1) * batch]
                subloss = 0
                for v in range(views):
                    if v == a:
                        continue
                    x = scores[v * batch:(v + 1) * batch].float() / 0.1
                    subloss -= torch.mean(torch.sum(q * functional.log_softmax(x, dim=1), dim=1))
                loss += subloss / (views - 1)
            return loss / 2

        def run():
            torch.autograd.grad(loss_of(scores, codes), scores)

        return run

    return make


def cases():
    found = []
    for dtype in ("f32", "bf16"):
        for batch, cols, views in ((64, 65536, 10), (256, 4096, 2)):
            size = f"batch:{batch}/cols:{cols}/views:{views}"
            found.append({
                "name": f"DINO {dtype} {batch}x{cols}, {views} views, forward + backward",
                "ours": [f"dino_{part}/{dtype}/{{device}}/{size}" for part in ("forward", "backward")],
                "make": dino(batch, cols, views, dtype),
            })
        for batch, cols, views in ((256, 3000, 8), (4096, 3000, 2)):
            size = f"batch:{batch}/cols:{cols}/views:{views}"
            found.append({
                "name": f"SwAV {dtype} {batch}x{cols}, {views} views, forward + backward",
                "ours": [f"swapped_{part}/{dtype}/{{device}}/{size}" for part in ("forward", "backward")],
                "make": swapped(batch, cols, views, dtype),
            })
    return found
