"""Arrays of random numbers: Tensor.uniform_ and normal_."""


def fill(method, n, dtype):
    def make(device, wrap):
        import torch

        out = torch.empty(n, device=device, dtype=getattr(torch, dtype))
        return wrap(lambda: getattr(out, method)())

    return make


def cases():
    return [{"name": f"{ours}, {ours_type}, n = {n}",
             "ours": [f"philox_fill_{ours}/{ours_type}/{{device}}/n:{n}"],
             "make": fill(method, n, dtype),
             "compile": False}
            for ours, method in (("uniform", "uniform_"), ("normal", "normal_"))
            for ours_type, dtype in (("f32", "float32"), ("bf16", "bfloat16"))
            for n in (11173962, 786432)]
