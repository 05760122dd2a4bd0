"""The same days as a page in Streamlit: `pip install streamlit httpx`, then `streamlit run streamlit_page.py`."""

import os

import httpx
import pandas as pd
import streamlit as st

URL = os.environ.get("DRIFTLINE_URL", "http://127.0.0.1:8780")
answer = httpx.get(f"{URL}/api/v1/models/deposit/evaluations", params={"window": "1d", "limit": 1000})
found = answer.raise_for_status().json()
days = pd.DataFrame(
    {
        "day": pd.to_datetime(one["start"]),
        "accuracy": one["performance"]["realized"].get("accuracy", {}).get("value"),
        "predictions": one["rows"],
        "error rate": one["service"]["failed"] / one["service"]["calls"] if one["service"] else None,
        "latency, 95th percentile in s": one["service"]["values"]["latency_p95"]["value"] if one["service"] else None,
    }
    for one in found["windows"]
).set_index("day")

st.title("Is the deposit model still right?")
st.write(found["verdict"]["sentence"])
for name in days:
    st.subheader(name.capitalize())
    st.line_chart(days[name])
st.link_button("The pages of Driftline", f"{URL}/models/deposit?window=1d")
