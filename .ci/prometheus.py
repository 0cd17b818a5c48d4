"""Asks a Prometheus that scrapes a healthy service: does it, do all rules work, does every graph of the dashboards show something?

Usage: prometheus.py URL DASHBOARD...
"""

import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

BASE, DASHBOARDS = sys.argv[1], sys.argv[2:]
LIMIT = 60
# There only with TLS, and with a key set; the service here has neither.
ABSENT = ("maintenance_tls_certificate_expiry_timestamp_seconds", "maintenance_auth_key_set_age_seconds")


def ask(path, **parameters):
    url = f"{BASE}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            document = json.load(answer)
    except urllib.error.HTTPError as error:
        document = json.load(error)
    if document["status"] != "success" or document.get("warnings"):
        raise SystemExit(f"prometheus: {path} {parameters}: {document}")
    return document["data"]


def within(what, condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"prometheus: waited {LIMIT} s for {what}")
        time.sleep(0.2)


def is_up():
    result = ask("query", query='up{job="themis-maintenance"}')["result"]
    return [series["value"][1] for series in result] == ["1"]


def rules():
    return [rule for group in ask("rules")["groups"] for rule in group["rules"]]


def are_judged():
    """Every rule has been judged, and more than once since the service is scraped."""
    bad = [rule for rule in rules() if rule["health"] == "err"]
    if bad:
        raise SystemExit("\n".join(f"prometheus: rule {rule['name']}: {rule['lastError']}" for rule in bad))
    return all(rule["health"] == "ok" and rule["lastEvaluation"] > begin for rule in rules())


def filled(text):
    """The text with what Grafana puts in for "All"."""
    for name, value in (("$__rate_interval", "1m"), ("$instance", ".+"), ("$target", ".+")):
        text = text.replace(name, value)
    if "$" in text:
        raise SystemExit(f"prometheus: a variable that is not known here: {text}")
    return text


def shows(expression):
    """Both ways to ask, because a panel may be switched from one to the other."""
    now = time.time()
    ask("query_range", query=expression, start=now - 60, end=now, step=5)
    return bool(ask("query", query=expression)["result"])


within("up == 1", is_up)
# Two scrapes, so that a rate has something to go by.
within("two scrapes", lambda: ask("query", query="min(count_over_time(maintenance_schedules[1m])) >= 2")["result"])
begin = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
within("all rules to be judged", are_judged)
alerts = [rule for rule in rules() if rule["type"] == "alerting"]
firing = [alert["name"] for alert in alerts if alert["state"] == "firing"]
if firing:
    raise SystemExit(f"prometheus: alerts of a healthy service: {firing}")
print(f"{len(rules())} rules judged without an error, {len(alerts)} of them alerts, none firing")

for path in DASHBOARDS:
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    panels = [inner for panel in dashboard["panels"] for inner in [panel, *panel.get("panels", [])]]
    empty, count = [], 0
    for panel in panels:
        for target in panel.get("targets", []):
            count += 1
            expression = filled(target["expr"])
            # A graph that leaves out what is 0 may show nothing.
            if not shows(expression) and " > 0" not in expression and not any(name in expression for name in ABSENT):
                empty.append(f"prometheus: '{panel['title']}' shows nothing: {expression}")
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", filled(variable["definition"])).groups()
            if not ask(f"label/{label}/values", **{"match[]": series}):
                empty.append(f"prometheus: the variable {variable['name']} has nothing to choose from")
    if empty:
        raise SystemExit("\n".join(empty))
    print(f"{count} expressions of '{dashboard['title']}' answered without an error")
