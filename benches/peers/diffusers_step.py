"""A pass of diffusers whenever asked: the peer of `./x bench step`.

Takes the folder of a checkpoint, `denoiser` or `decode`, WIDTHxHEIGHTxFRAMES and `bf16` or `f32`. Says `ready NAME` once
a first pass has warmed it up; then makes a pass for every line it reads and says the seconds it took by the wall, the
seconds of all its threads, and the most MiB it held so far.
"""

import resource
import sys
import time

import diffusers
import torch


def main():
    folder, part, size, dtype = sys.argv[1:5]
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[dtype]
    width, height, frames = map(int, size.split("x"))
    draw = torch.Generator().manual_seed(0)
    if part == "decode":
        vae = diffusers.AutoencoderKLWan.from_pretrained(folder, subfolder="vae", torch_dtype=dtype).eval()
        factor, channels = vae.config.scale_factor_spatial or 8, vae.config.z_dim
        shape = (1, channels, (frames - 1) // vae.config.scale_factor_temporal + 1, height // factor, width // factor)
        latents = torch.randn(shape, generator=draw).to(dtype)

        def run():
            vae.decode(latents, return_dict=False)
    else:
        model = diffusers.WanTransformer3DModel.from_pretrained(
            folder, subfolder="transformer", torch_dtype=dtype
        ).eval()
        shape = (1, model.config.in_channels, (frames - 1) // 4 + 1, height // 8, width // 8)
        latents = torch.randn(shape, generator=draw).to(dtype)
        words = torch.randn((1, 512, model.config.text_dim), generator=draw).to(dtype)
        timestep = torch.tensor([900])

        def run():
            model(hidden_states=latents, timestep=timestep, encoder_hidden_states=words, return_dict=False)

    with torch.inference_mode():
        run()
        print(f"ready diffusers {diffusers.__version__} pytorch {torch.__version__}", flush=True)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{wall} {cpu} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}", flush=True)


main()
