"""Texts in every script, and long ones."""

import mlflow

mlflow.set_experiment("texts_with_odd_characters")
with mlflow.start_run(run_name="ünïcödé ✓") as run:
    mlflow.log_params({"greeting": "héllo wörld", "quotes": 'it\'s "so"', "lines": "a\nb", "empty": ""})
    mlflow.log_text("日本語", "texte/ä.txt")
    mlflow.set_tag("emoji", "🎉")
    mlflow.log_metric("m", 1, step=0)
assert mlflow.get_run(run.info.run_id).data.tags["emoji"] == "🎉"
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/texte/ä.txt") == "日本語"
