"""Quiet hours, slowly: reads cases as NDJSON, answers each by walking forward in steps of 15 minutes.

Independent of the product's code: clocks are Python's zoneinfo, places and rules are read from the data files, and
there is no arithmetic of days. Holidays are given with the cases, for no library of them is here.
"""

import json
import sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

RULES = json.load(open(sys.argv[1] + "/quiet-hours.json"))["rules"]
NANP = json.load(open(sys.argv[1] + "/nanp-timezones.json"))
COUNTRIES = json.load(open(sys.argv[1] + "/country-zones.json"))["countries"]
HOLIDAYS = {name: set(days) for name, days in json.load(open(sys.argv[2])).items()}
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def where(case):
    """Zones, country and regions of a case."""
    if "areaCode" in case:
        area = NANP["areaCodes"][case["areaCode"]]
        return area["zones"], area["country"], area["regions"]
    return COUNTRIES[case["country"]], case["country"], []


def applies(rule, case, country, regions):
    if not rule["enabled"] or case["channel"] not in rule["channels"] or case["purpose"] not in rule["purposes"]:
        return False
    if rule.get("automatedOnly") and case["channel"] != "voice":
        return False
    if rule["country"] is not None and rule["country"] != country:
        return False
    return rule["region"] is None or rule["region"] in regions


def inside(intervals, local):
    clock = f"{local.hour:02d}:{local.minute:02d}"
    return any(start <= clock < end for start, end in intervals)


def in_force(rule, channel, day):
    effective = rule.get("effective", {})
    return all(day >= date.fromisoformat(effective[key]) for key in ("from", channel) if key in effective)


def rule_allows(rule, channel, local):
    if not in_force(rule, channel, local.date()):
        return True
    hours = [rule["allowed"][DAYS[local.weekday()]]]
    holidays = rule.get("holidays")
    if holidays:
        days = HOLIDAYS[rule["id"]]
        if local.date().isoformat() in days:
            hours.append(holidays["allowed"])
        elif "eve" in holidays and (local.date() + timedelta(days=1)).isoformat() in days:
            hours.append(rule["allowed"][holidays["eve"]])
    return all(inside(intervals, local) for intervals in hours)


def allowed(case, at):
    zones, country, regions = where(case)
    for rule in RULES:
        if applies(rule, case, country, regions):
            for zone in rule.get("zones", zones):
                if not rule_allows(rule, case["channel"], at.astimezone(ZoneInfo(zone))):
                    return False
    return True


def answer(case):
    at = datetime.fromisoformat(case["at"].replace("Z", "+00:00"))
    zones = where(case)[0]
    offsets = {zone: int(at.astimezone(ZoneInfo(zone)).utcoffset().total_seconds()) for zone in zones}
    if allowed(case, at):
        return {"verdict": "approved", "offsets": offsets}
    step = timedelta(minutes=15)
    later = datetime.fromtimestamp(at.timestamp() // 900 * 900, timezone.utc) + step
    while not allowed(case, later):
        later += step
        if later - at > timedelta(days=62):
            return {"verdict": "blocked", "offsets": offsets}
    until = later.isoformat().replace("+00:00", "Z")
    return {"verdict": "deferred", "until": until, "offsets": offsets}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
