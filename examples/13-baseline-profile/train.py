"""Train on days of 2014, and keep a profile of the autumn of 2015, which the classifier has not seen."""

import driftline
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = [
    *("min_temperature", "max_temperature", "rainfall", "wind_gust", "humidity_9am", "humidity_3pm"),
    *("pressure_9am", "pressure_3pm", "temperature_3pm"),
]

weather = pd.read_csv("weather.csv.gz", parse_dates=["time"])
train, held_out = weather[weather["split"] == "train"], weather[weather["split"] == "reference"]
classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
classifier.fit(train[FEATURES], train["rain_tomorrow"])
joblib.dump(classifier, "rain.joblib")

# Driftline: the profile of features, scores and classes, with the variation from day to day
driftline.Baseline.from_frame(
    held_out[FEATURES],
    score=classifier.predict_proba(held_out[FEATURES])[:, 1],
    actual=held_out["rain_tomorrow"],
    time=held_out["time"],
    model="rain",
    version="2015",
    task="binary",
).save("rain.baseline.json")
