"""Versions of registered models: stages, aliases, tags, descriptions, searches, other names, deletion."""

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

client = MlflowClient()
mlflow.set_experiment("registry")
x = np.arange(6.0).reshape(3, 2)


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except MlflowException:
        return True
    return False


with mlflow.start_run() as run:
    models = [LinearRegression().fit(x, x[:, 0] * factor) for factor in (1, 2)]
    uris = []
    for number, model in enumerate(models):
        options = {"registered_model_name": "house prices"} if number == 0 else {}
        logged = mlflow.sklearn.log_model(
            model, name=f"model{number}", pip_requirements=["scikit-learn"], **options
        )
        uris.append(logged.model_uri)
second = mlflow.register_model(uris[1], "house prices", tags={"kind": "second"})
assert (int(second.version), second.name, second.run_id) == (2, "house prices", run.info.run_id)
client.set_registered_model_tag("house prices", "task", "regression")
client.update_registered_model("house prices", description="what houses cost")
client.update_model_version("house prices", 2, description="twice")
client.set_model_version_tag("house prices", "1", "checked", "yes")
client.set_registered_model_alias("house prices", "champion", 1)
client.set_registered_model_alias("house prices", "challenger", "2")
assert int(client.get_model_version_by_alias("house prices", "champion").version) == 1
assert client.get_model_version("house prices", 2).aliases == ["challenger"]
client.transition_model_version_stage("house prices", 1, "Staging")
client.transition_model_version_stage("house prices", 2, "staging")
moved = client.transition_model_version_stage("house prices", 1, "Production", archive_existing_versions=True)
assert moved.current_stage == "Production"
client.transition_model_version_stage("house prices", 2, "Production", archive_existing_versions=True)
assert client.get_model_version("house prices", 1).current_stage == "Archived"
assert [int(one.version) for one in client.get_latest_versions("house prices", ["Production"])] == [2]
assert client.get_latest_versions("house prices", ["None"]) == []
model = client.get_registered_model("house prices")
assert (model.description, model.tags) == ("what houses cost", {"task": "regression"})
assert {alias: int(version) for alias, version in model.aliases.items()} == {"champion": 1, "challenger": 2}
for address, factor in {
    "models:/house prices/1": 1,
    "models:/house prices/2": 2,
    "models:/house prices@champion": 1,
    "models:/house prices/Production": 2,
    "models:/house prices/latest": 2,
}.items():
    assert np.allclose(mlflow.pyfunc.load_model(address).predict(x), x[:, 0] * factor), address
versions = client.search_model_versions("name='house prices'")
assert sorted(int(one.version) for one in versions) == [1, 2]
assert [
    int(one.version) for one in client.search_model_versions("name='house prices' and tags.checked='yes'")
] == [1]
of_run = f"run_id = '{run.info.run_id}'"
for condition, expected in {
    of_run: [1, 2],
    f"{of_run} AND name = 'house prices'": [1, 2],
    f"run_id IN ('{run.info.run_id}', 'another')": [1, 2],
    "run_id IN ('another')": [],
    "name LIKE 'HOUSE%'": [],
    "name ILIKE 'HOUSE%'": [1, 2],
    "version_number > 1 AND name = 'house prices'": [2],
    "version_number <= 1 AND name = 'house prices'": [1],
    "name = 'another'": [],
}.items():
    assert sorted(int(one.version) for one in client.search_model_versions(condition)) == expected, condition
by_number = {"filter_string": of_run, "order_by": ["version_number DESC"], "max_results": 1}
pages, token = [], None
while not pages or token:
    page = client.search_model_versions(**by_number, page_token=token)
    pages.append([int(one.version) for one in page])
    token = page.token
assert [page for page in pages if page] == [[2], [1]]
ordered = mlflow.search_model_versions(filter_string=of_run, order_by=["version_number ASC"], max_results=1)
assert int(ordered[0].version) == 1
assert [one.name for one in client.search_registered_models("name LIKE 'house%'")] == ["house prices"]
assert [one.name for one in mlflow.search_registered_models(filter_string="tags.task = 'regression'")]
for call in (
    lambda: client.create_registered_model("house prices"),
    lambda: client.create_registered_model("a/b"),
    lambda: client.get_registered_model("no such model"),
    lambda: client.get_model_version("house prices", 9),
    lambda: client.get_model_version_by_alias("house prices", "nobody"),
    lambda: client.set_registered_model_alias("house prices", "v1", 1),
    lambda: client.set_registered_model_alias("house prices", "other", 9),
    lambda: client.transition_model_version_stage("house prices", 1, "Bogus"),
    lambda: client.set_registered_model_tag("house prices", "a@b", "c"),
    lambda: client.search_model_versions("bogus = 'x'"),
    lambda: mlflow.pyfunc.load_model("models:/house prices@nobody"),
    lambda: mlflow.pyfunc.load_model("models:/house prices/Staging"),
    lambda: mlflow.register_model("runs:/0123456789abcdef0123456789abcdef/model", "house prices"),
):
    assert refused(call)
copied = client.copy_model_version("models:/house prices/2", "prices elsewhere")
assert (copied.name, int(copied.version)) == ("prices elsewhere", 1)
assert np.allclose(mlflow.pyfunc.load_model("models:/prices elsewhere/1").predict(x), x[:, 0] * 2)
client.rename_registered_model("house prices", "flat prices")
assert refused(client.get_registered_model, "house prices")
client.delete_registered_model_alias("flat prices", "champion")
client.delete_model_version_tag("flat prices", "1", "checked")
client.delete_registered_model_tag("flat prices", "task")
client.delete_model_version("flat prices", "2")
assert [int(one.version) for one in client.search_model_versions("name='flat prices'")] == [1]
assert client.get_model_version("flat prices", 1).tags == {}
assert int(client.create_model_version("flat prices", uris[1], run.info.run_id).version) == 3
client.delete_registered_model("flat prices")
client.delete_registered_model("prices elsewhere")
