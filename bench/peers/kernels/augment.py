"""SimCLR's augmentation of a batch of 8-bit images, as tensors of normalised f32.

`per image` is the usual recipe: torchvision's transforms on PIL images, one after the other, stacked into a batch; the pixels
are decoded before. `in processes` gives the images to as many processes as there are processors, as a data loader does.
`one parameter` uses torchvision's transforms on whole batches of tensors, with the same parameters for all images of a
batch: less than what is asked for, and shown as a bound; unlike the others it also runs on CUDA.
"""

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pipeline(side, of_tensors):
    import torch
    from torchvision.transforms import v2

    jitter = (0.4, 0.4, 0.4, 0.1) if side <= 32 else (0.8, 0.8, 0.8, 0.2)  # as ssl/augment/recipes.cpp
    steps = [v2.RandomResizedCrop(side, scale=(0.08, 1.0), interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
             v2.RandomHorizontalFlip(), v2.RandomApply([v2.ColorJitter(*jitter)], p=0.8), v2.RandomGrayscale(0.2)]
    if side > 32:
        steps.append(v2.RandomApply([v2.GaussianBlur(2 * (side // 20) + 1, (0.1, 2.0))], p=0.5))
    to_tensor = [] if of_tensors else [v2.ToImage()]
    return v2.Compose(steps + to_tensor + [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


def random_images(count, side):
    import torch

    torch.manual_seed(1)
    # Smooth at a scale of pixels, as photographs are; PIL's time does not depend on the contents.
    small = torch.rand(count, 3, max(side // 4, 1), max(side // 4, 1))
    large = torch.nn.functional.interpolate(small, (side, side), mode="bilinear")
    return (255 * large).to(torch.uint8)


def per_image(images, before, after, views):
    def make(device, wrap):
        import torch
        from PIL import Image

        pictures = [Image.fromarray(i.permute(1, 2, 0).numpy()) for i in random_images(images, before)]
        transform = pipeline(after, of_tensors=False)

        def run():
            return [torch.stack([transform(picture) for picture in pictures]) for _ in range(views)]

        return run

    return make


def per_image_processes(images, before, after, views):
    def make(device, wrap):
        import os

        import torch
        from PIL import Image

        pictures = [Image.fromarray(i.permute(1, 2, 0).numpy()) for i in random_images(images, before)]
        transform = pipeline(after, of_tensors=False)
        shares = len(os.sched_getaffinity(0))

        class Share(torch.utils.data.IterableDataset):
            # Every item is one process's share of a batch: both views of its images.
            def __iter__(self):
                mine = pictures[torch.utils.data.get_worker_info().id::shares]
                while True:
                    yield torch.stack([transform(picture) for picture in mine for _ in range(views)])

        loader = iter(torch.utils.data.DataLoader(Share(), batch_size=None, num_workers=shares, prefetch_factor=1))

        def run():
            return [next(loader) for _ in range(shares)]

        return run

    return make


def batched(images, before, after, views):
    def make(device, wrap):
        batch = random_images(images, before).to(device)
        transform = pipeline(after, of_tensors=True)

        def run():
            return [transform(batch) for _ in range(views)]

        return run

    return make


def case(images, before, after, views, **more):
    size = f"images:{images}/side:{before}/views:{views}/out:{after}"
    return {"ours": [f"augment_views/f32/{{device}}/{size}"], "compile": False, **more}


def cases():
    cifar, large = (512, 32, 32, 2), (16, 400, 224, 2)
    return [
        case(*cifar, name="SimCLR, 512 CIFAR images, per image", devices=("cpu",), want={"cpu": 5.0},
             make={"per image": per_image(*cifar), "per image in processes": per_image_processes(*cifar)}),
        case(*large, name="SimCLR, 16 images of 400 pixels to 224, per image", devices=("cpu",),
             make={"per image": per_image(*large), "per image in processes": per_image_processes(*large)}),
        case(*cifar, name="SimCLR, 512 CIFAR images, one parameter for the whole batch", make=batched(*cifar)),
        case(*large, name="SimCLR, 16 images of 400 pixels to 224, one parameter for the whole batch",
             make=batched(*large)),
    ]
