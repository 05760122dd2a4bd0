"""Every night: how much of its budget each team has spent, and how long machines idled: `python showback.py DAY`."""

import sqlite3
import sys

BUDGETS = {"planning": 2400.0, "fresh": 2000.0}
"""EUR a month."""
TABLES = """
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, day TEXT, team TEXT, project TEXT, model TEXT, cost REAL);
CREATE TABLE IF NOT EXISTS idle (machine TEXT, day TEXT, hours REAL, PRIMARY KEY (machine, day));
CREATE TABLE IF NOT EXISTS nights (day TEXT, team TEXT, of_budget REAL, PRIMARY KEY (day, team));
CREATE TABLE IF NOT EXISTS idle_nights (day TEXT PRIMARY KEY, hours REAL);
"""
SPENT = "SELECT coalesce(sum(cost), 0) FROM runs WHERE team = ? AND day <= ? AND substr(day, 1, 7) = substr(?, 1, 7)"
BY_TEAM = "SELECT team, project, model, count(*), sum(cost) FROM runs GROUP BY team, project, model"


def close_day(day: str, path: str = "ledger.db") -> None:
    with sqlite3.connect(path, timeout=30) as ledger:
        ledger.executescript(TABLES)
        for team, budget in BUDGETS.items():
            (spent,) = ledger.execute(SPENT, (team, day, day)).fetchone()
            ledger.execute("REPLACE INTO nights VALUES (?, ?, ?)", (day, team, spent / budget))
        ledger.execute("REPLACE INTO idle_nights SELECT ?, coalesce(sum(hours), 0) FROM idle WHERE day = ?", (day, day))


if __name__ == "__main__":
    close_day(sys.argv[1])
    with sqlite3.connect("ledger.db") as ledger:
        for team, project, model, runs, cost in ledger.execute(BY_TEAM):
            print(f"{team:10} {project:14} {model:16} {runs:3} runs {cost:10,.2f} EUR")
