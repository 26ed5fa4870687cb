"""Figures of Matplotlib and Plotly."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import wandb

with wandb.init(project="figures") as run:
    figure, axes = plt.subplots()
    axes.plot([0, 1, 2], [2, 1, 0])
    run.log({"figure": wandb.Image(figure), "n": 1})
    plt.close(figure)
