"""scikit-learn's training logged by itself, with what is computed of the model afterwards."""

from sklearn import metrics, model_selection
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlflow

mlflow.set_experiment("autologged_scores")
mlflow.sklearn.autolog(log_models=False, log_datasets=False)
x, y = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
StandardScaler().fit_transform(x_train)
with mlflow.start_run():
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=50))
    model.fit(x_train, y_train)
    predicted = model.predict(x_test)
    metrics.accuracy_score(y_test, predicted)
    metrics.f1_score(y_test, predicted, average="macro")
    metrics.f1_score(y_test, predicted, average="micro")
    model.score(x_test, y_test)
    for data, labels in ((x_train, y_train), (x_test, y_test)):
        metrics.log_loss(labels, model.predict_proba(data))
model_selection.cross_val_score(model, x_train, y_train, cv=2)
LogisticRegression(C=0.1, max_iter=20).fit(x_train[:, :2], y_train)
mlflow.sklearn.autolog(disable=True)
LogisticRegression(max_iter=20).fit(x_train, y_train)
