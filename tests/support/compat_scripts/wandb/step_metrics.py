"""Metrics whose steps another one counts: by name and by pattern, added where a row has none, or not."""

import wandb

with wandb.init(project="step_metrics", config={"kind": "epochs"}) as run:
    defined = run.define_metric("val_loss", step_metric="epoch")
    assert (defined.name, defined.step_metric, defined.step_sync, defined.summary) == (
        "val_loss",
        "epoch",
        True,
        None,
    )
    run.define_metric("val/*", step_metric=run.define_metric("epoch", hidden=True), summary="min,max")
    run.define_metric("val/special", summary="max")
    run.define_metric("scaled", step_metric="tens", step_sync=True)
    run.define_metric("val_loss", summary="last")
    run.log({"early": 1, "scaled": 9})
    for epoch in range(3):
        for batch in range(3):
            run.log({"loss": 1 / (1 + 3 * epoch + batch)})
        run.log({"epoch": epoch, "tens": 10 * epoch + 10})
        run.log({"val_loss": 0.5 - epoch / 10, "val/accuracy": epoch / 10})
        run.log({"val/special": epoch})
        run.log({"scaled": epoch}, commit=False)
        run.log({"beside": {"deep": epoch}})
    run.log({"val_loss": 0.1, "epoch": 7})
    for arguments in (
        {"name": ""},
        {"name": "a*b"},
        {"name": 3},
        {"name": "x", "summary": "best"},
        {"name": "x", "hidden": 1},
    ):
        try:
            wandb.define_metric(**arguments)
        except wandb.Error:
            continue
        raise AssertionError(arguments)

with wandb.init(project="step_metrics", config={"kind": "every metric"}) as run:
    run.define_metric("*", step_metric="global_step", step_sync=True)
    for step in range(4):
        run.log({"loss": 1 / (step + 1), "global_step": 5 * step})
        run.log({"late": step}, step=10 * step + 3)
    run.log({"late": 9})

with wandb.init(project="step_metrics", config={"kind": "epochs beside steps"}) as run:
    run.log({"epoch": 0, "trainer/global_step": 9})
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    for epoch in range(3):
        for step in range(4 * epoch, 4 * epoch + 4):
            run.log({"train_loss": 1 / (step + 1), "epoch": epoch, "trainer/global_step": step})
        run.log({"val_loss": 1 / (epoch + 1), "epoch": epoch + 0.5, "trainer/global_step": step})
