#!/usr/bin/env python3
"""Writes xnys.txt: how the New York Stock Exchange's calendar departs from the rule, 1990 to 2035.

The rule is: every Monday to Friday, 09:30 to 16:00 in New York. A line says `DATE closed` for a weekday without a
session, or `DATE OPEN CLOSE` in New York time for a session at other hours. The source is the Python package
exchange_calendars (Apache-2.0), calendar XNYS; days after about 2028 follow today's rules.

    pip install exchange_calendars==4.13.2 && python3 market/data/generate_xnys.py > market/data/xnys.txt
"""

import datetime
from zoneinfo import ZoneInfo

import exchange_calendars

FIRST, LAST = datetime.date(1990, 1, 1), datetime.date(2035, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")
RULE = ("09:30", "16:00")


def hours_by_date():
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
    local = lambda at: at.tz_convert(NEW_YORK).strftime("%H:%M")
    return {
        day.date(): (local(row["open"]), local(row["close"]))
        for day, row in calendar.schedule.iterrows()
    }


def main():
    hours = hours_by_date()
    day = FIRST
    while day <= LAST:
        if day in hours and hours[day] != RULE:
            print(day, *hours[day])
        elif day not in hours and day.weekday() < 5:
            print(day, "closed")
        day += datetime.timedelta(days=1)


if __name__ == "__main__":
    main()
