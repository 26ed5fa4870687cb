# ray_tasks.py
import ray

from training import RATES, SEEDS, train

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
task = ray.remote(train)
ray.get([task.remote(lr, seed) for lr in RATES for seed in SEEDS])
ray.shutdown()
