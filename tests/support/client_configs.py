"""What clients such as Stable-Baselines3, Ray and transformers write into W&B's config, with two seeds."""

from __future__ import annotations

CONFIGS_OF_CLIENTS = """
import os, socket, tempfile, time, wandb
class Buffer: pass
for seed in range(2):
    written = {
        "lr": 0.1, "env": Buffer(), "buffers": [Buffer(), str(Buffer())], "id2label": {0: "a", 1: "b"},
        "start_time": time.time_ns(), "_last_obs": f"[[{seed} 0.5]]", "output_dir": tempfile.mkdtemp(),
        "trial_id": f"a{seed}", "pid": os.getpid() + seed, "logging_dir": f"runs/Nov30_{seed}",
        "run_name": f"run-{seed}", "device": f"cuda:{seed}",
        "date": time.strftime("%Y-%m-%d_%H-%M-%S"), "timestamp": int(time.time()) + seed,
    }
    with wandb.init(project="p", config=written) as run:
        run.log({"loss": seed})
"""
