"""A classifier, a regression and clusters of scikit-learn's with their usual plots."""

from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import wandb

x, y = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
model = RandomForestClassifier(n_estimators=10, max_depth=3, random_state=0).fit(x_train, y_train)
wandb.init(project="sklearn_plots", config={"n_estimators": 10, "max_depth": 3, "random_state": 0})
wandb.sklearn.plot_confusion_matrix(y_test, model.predict(x_test), ["a", "b", "c"])
wandb.sklearn.plot_feature_importances(model)
wandb.sklearn.plot_roc(y_test, model.predict_proba(x_test), ["a", "b", "c"])
wandb.sklearn.plot_calibration_curve(model, x, y == 0, "forest")
wandb.sklearn.plot_outlier_candidates(LinearRegression().fit(x, y), x, y)
wandb.log({"accuracy": model.score(x_test, y_test)})
clusters = KMeans(3, n_init=1, random_state=0).fit(x)
wandb.sklearn.plot_clusterer(clusters, x, clusters.labels_, ["a", "b", "c"], "k-means")
wandb.finish()
