"""Charts of wandb.plot over tables."""

import wandb

rows = [[x, x * x] for x in range(5)]
with wandb.init(project="charts") as run:
    table = wandb.Table(data=rows, columns=["x", "y"])
    run.log({"line": wandb.plot.line(table, "x", "y", title="squares"), "one": 1})
    run.log({"scatter": wandb.plot.scatter(wandb.Table(data=rows, columns=["x", "y"]), "x", "y")})
    run.log(
        {
            "bar": wandb.plot.bar(
                wandb.Table(data=[["a", 1], ["b", 2]], columns=["label", "value"]), "label", "value"
            )
        }
    )
    run.log({"histogram": wandb.plot.histogram(wandb.Table(data=[[1], [2], [2]], columns=["v"]), "v")})
    run.log(
        {
            "series": wandb.plot.line_series(
                [0, 1, 2], [[1, 2, 3], [3, 2, 1]], keys=["up", "down"], title="t", xname="x"
            )
        }
    )
    fields = {"x": "x", "y": "y"}
    preset = wandb.plot_table("wandb/scatter/v0", table, fields, string_fields={"title": "of a preset"})
    run.log({"preset": preset, "one": 2})
