# train.py
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from legm.integrations.sklearn import autolog

x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
with autolog("results", "iris"):
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.01, 1.0]}, cv=3)
    search.fit(x_train, y_train)
    search.score(x_test, y_test)
    for seed in range(2):
        forest = RandomForestClassifier(5, random_state=seed).fit(x_train, y_train)
        forest.score(x_test, y_test)
