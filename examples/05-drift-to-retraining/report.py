"""Send the drift of a day by email: `python report.py 2015-04-22`, every morning by dags/daily_report.py."""

import json
import os
import smtplib
import sys
from datetime import date, timedelta
from email.message import EmailMessage
from urllib.request import urlopen

MODEL = f"{os.environ.get('DRIFTLINE_URL', 'http://127.0.0.1:8780')}/api/v1/models/rain-tomorrow"
day = date.fromisoformat(sys.argv[1])
period = f"window=1d&from={day}T00:00:00Z&to={day + timedelta(1)}T00:00:00Z"

with urlopen(f"{MODEL}/evaluations?window=1d") as answer:
    windows = json.load(answer)["windows"]
drift = next(window["drift"] for window in windows if window["start"].startswith(f"{day}"))
with urlopen(f"{MODEL}/report?{period}") as answer:
    report = answer.read()

letter = EmailMessage()
letter["Subject"] = f"Rain tomorrow: {drift['fraction']:.0%} of the features drift on {day}"
letter["From"], letter["To"] = "driftline@example.com", "forecasts@example.com"
columns = {**drift["features"], "prediction": drift["score"]}
letter.set_content("\n".join(f"{name}: {column['state']}" for name, column in columns.items()))
letter.add_attachment(report, maintype="text", subtype="html", filename=f"rain-tomorrow-{day}.html")
with smtplib.SMTP(os.environ.get("SMTP_HOST", "127.0.0.1"), int(os.environ.get("SMTP_PORT", "25"))) as server:
    server.send_message(letter)
