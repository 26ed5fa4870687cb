"""Classifiers, regressions and clusters of scikit-learn's with all of their plots, and a row behind each."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB

import wandb

np.random.seed(0)  # noqa: NPY002 - the numbers that plots draw too
x, y = load_wine(return_X_y=True)
names = ["a", "b", "c"]
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
model = RandomForestClassifier(n_estimators=10, max_depth=3, random_state=0).fit(x_train, y_train)
wandb.init(project="sklearn_plots", config={"n_estimators": 10, "max_depth": 3, "random_state": 0})
wandb.sklearn.plot_confusion_matrix(y_test, model.predict(x_test), names)
wandb.sklearn.plot_feature_importances(model)
wandb.sklearn.plot_roc(y_test, model.predict_proba(x_test), names)
wandb.sklearn.plot_calibration_curve(model, x, y == 0, "forest")
wandb.sklearn.plot_outlier_candidates(LinearRegression().fit(x, y), x, y)
wandb.log({"accuracy": model.score(x_test, y_test)})

features = [f"f{i}" for i in range(x.shape[1])]
for kind in (RandomForestClassifier(5, max_depth=2), LogisticRegression(max_iter=20), MultinomialNB()):
    for true in (y, (y == 0).astype(int)):
        parts = train_test_split(x, true, random_state=0)
        kind.fit(parts[0], parts[2])
        predicted = kind.predict(parts[1]), kind.predict_proba(parts[1])
        wandb.sklearn.plot_classifier(
            kind, *parts, *predicted, names[: true.max() + 1], model_name="m", feature_names=features
        )
        wandb.log({"accuracy": kind.score(parts[1], parts[3]), "drawn": np.random.random()})  # noqa: NPY002
wandb.sklearn.plot_classifier(kind, *parts, *predicted, names, log_learning_curve=True)
wandb.log({"after": 1})

for regressor in (LinearRegression(), RandomForestRegressor(3, max_depth=2)):
    parts = train_test_split(x[:, :6], x[:, 7], random_state=0)
    wandb.sklearn.plot_regressor(regressor.fit(parts[0], parts[2]), *parts, "r")
    wandb.log({"r2": regressor.score(parts[1], parts[3]), "drawn": np.random.random()})  # noqa: NPY002
wandb.sklearn.plot_regressor(RandomForestRegressor(3), *parts)
wandb.log({"unfitted": 1})

clusters = KMeans(3, n_init=1, random_state=0).fit(x)
wandb.sklearn.plot_clusterer(clusters, x, clusters.labels_, names, "k-means")
wandb.log({"inertia": clusters.inertia_})
clusters._estimator_type = "clusterer"  # noqa: SLF001 - as in earlier versions of scikit-learn
wandb.sklearn.plot_clusterer(clusters, x, clusters.labels_, names, "k-means")
wandb.log({"drawn": np.random.random()})  # noqa: NPY002
wandb.finish()
