"""Tables from rows, columns and data frames."""

import pandas as pd
import wandb

with wandb.init(project="tables") as run:
    table = wandb.Table(columns=["id", "guess", "truth"])
    for number in range(4):
        table.add_data(number, number % 2, 1)
    run.log({"predictions": table, "accuracy": 0.5})
    run.log({"frame": wandb.Table(dataframe=pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))})
    grown = wandb.Table(data=[[1, 2], [3, 4]], columns=["x", "y"])
    grown.add_column("z", [5, 6])
    assert grown.get_column("z") == [5, 6]
    run.log({"grown": grown})
