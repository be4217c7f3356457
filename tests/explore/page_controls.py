"""What a visitor does with the controls of the page, in a browser."""

from __future__ import annotations

import json


def forget_refusals(browser):
    """Drops what the browser's log says of refusals, which are answers of status 400."""

    def is_refusal(event):
        entry = event["params"].get("entry", {}) if event.get("method") == "Log.entryAdded" else {}
        return "status of 400" in entry.get("text", "")

    browser.events = [event for event in browser.events if not is_refusal(event)]


def set_value(browser, name, value, event="input"):
    browser.evaluate(
        f"(() => {{ const e = document.getElementById({name!r}); e.value = {json.dumps(value)};"
        f" e.dispatchEvent(new Event({event!r}, {{bubbles: true}})); }})()"
    )


def click(browser, name):
    browser.evaluate(f"document.getElementById({name!r}).click()")


def source(browser, name="held-picture"):
    return browser.evaluate(f"document.getElementById({name!r}).src")


def text(browser, name):
    return browser.evaluate(f"document.getElementById({name!r}).textContent")


def until_other(browser, before, name="held-picture"):
    browser.until(f"document.getElementById({name!r}).src !== {json.dumps(before)}")
