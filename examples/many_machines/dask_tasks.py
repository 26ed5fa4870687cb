# dask_tasks.py
from distributed import Client, LocalCluster

from training import RATES, SEEDS, train

if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        grid = [(lr, seed) for lr in RATES for seed in SEEDS]
        client.gather(client.map(train, *zip(*grid)))
