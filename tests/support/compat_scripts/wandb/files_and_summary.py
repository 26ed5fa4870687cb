"""Defaults of the config, files by pattern, values of the summary that are deleted, rows that are refused."""

import os

import wandb


def refused(error, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except error:
        return True
    return False


with open("config-defaults.yaml", "w") as file:
    file.write("lr:\n  desc: the rate\n  value: 0.5\nmodel:\n  value:\n    depth: 3\nwandb_version: 1\n")
run = wandb.init(project="files_and_summary", config={"lr": 0.1, "own": 1})
os.remove("config-defaults.yaml")
assert dict(run.config.items()) == {"lr": 0.1, "model": {"depth": 3}, "own": 1}
os.makedirs("saved/deep", exist_ok=True)
for name in ("a.csv", "b.csv", "deep/c.csv"):
    with open(f"saved/{name}", "w") as file:
        file.write(name)


def below(paths):
    return sorted(os.path.relpath(path, run.dir) for path in paths)


assert below(run.save("saved/*.csv")) == ["saved/a.csv", "saved/b.csv"]
assert below(run.save("saved/deep/*.csv", base_path="saved")) == ["deep/c.csv"]
assert below(wandb.save(glob_str=os.path.abspath("saved/a.csv"), policy="now")) == ["saved/a.csv"]
assert run.save("saved/missing*.csv") == []
assert refused(ValueError, run.save, "saved/a.csv", policy="never")
assert refused(ValueError, run.save, "saved/a.csv", base_path="elsewhere")
run.log({"a": 1, "b": 2})
run.summary["gone"] = 5
run.summary["kept"] = 6
del run.summary["gone"]
assert run.summary.get("gone", "nothing") == "nothing"
assert refused(TypeError, run.log, 5)
assert refused(TypeError, run.log, {1: 2})
run.finish()
assert refused(wandb.errors.UsageError, run.log, {"a": 1})
