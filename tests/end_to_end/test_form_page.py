"""The form page in a real browser: it is built from the schema, asks the endpoint and shows the answer."""

import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import uvicorn
from support import free_port, mixed_frame, train_bundle

from orchestrator.serving.app import build_app

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = {"desktop": 1280, "phone": 390}

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"there is no browser at {CHROMIUM}")


def serve(bundle, name, version):
    """The application on a thread; the URL and a function that stops it."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(build_app(bundle, name, version), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)

    def stop():
        server.should_exit = True
        thread.join(timeout=10)

    return f"http://127.0.0.1:{port}/", stop


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    # names that could be taken for markup, for ids of the page or for properties of JavaScript objects
    frame = mixed_frame().rename(columns={"number": "<b>number</b>", "flag": "ask"})
    frame["__proto__"] = frame["<b>number</b>"] * 2
    return train_bundle(frame, "label", tmp_path_factory.mktemp("models") / "mixed")


@pytest.fixture(scope="module")
def url(bundle):
    url, stop = serve(bundle, "mixed", "3")
    yield url
    stop()


@pytest.fixture(scope="module")
def value_url(tmp_path_factory):
    bundle = train_bundle("sklearn:diabetes", None, tmp_path_factory.mktemp("models") / "diabetes")
    url, stop = serve(bundle, "diabetes", None)
    yield url
    stop()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS.values(), ids=WIDTHS.keys())
def page(browser, request):
    page = browser.new_page(viewport={"width": request.param, "height": 844})
    page.set_default_timeout(15_000)
    requested, problems = [], []
    page.on("request", lambda asked: requested.append(asked.url))
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    yield page
    assert all(asked.startswith(("http://127.0.0.1:", "data:")) for asked in requested), requested
    assert problems == []
    page.close()


def test_a_filled_in_form_has_the_models_answer(page, url, bundle):
    page.goto(url)
    page.get_by_label("<b>number</b>").fill("7.5")
    page.get_by_label("color").select_option("red")
    page.get_by_label("ask").select_option("false")
    page.get_by_label("day").fill("2020-02-01T13:00:00")
    page.get_by_label("__proto__").fill("15")
    with page.expect_request("**/predict") as asked:
        page.get_by_role("button", name="Predict").click()
    row = asked.value.post_data_json
    # browsers leave out seconds that are zero
    wanted = {"<b>number</b>": 7.5, "color": "red", "ask": False, "day": "2020-02-01T13:00", "__proto__": 15}
    assert row == wanted
    (expected,) = bundle.answer(pd.DataFrame([row], dtype=object)).records(bundle.schema)
    page.wait_for_function("document.getElementById('result').textContent !== '\u2013'")
    assert page.locator("#result").inner_text() == expected["label"]
    shown = page.locator("#shares").inner_text()
    for name, share in expected["probabilities"].items():
        assert name in shown
        assert f"{100 * share:.1f} %" in shown


def test_a_wrong_value_is_marked_and_the_old_answer_is_gone(page, url):
    page.goto(url)
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("document.getElementById('result').textContent !== '\u2013'")
    page.get_by_label("<b>number</b>").fill("a lot")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("document.getElementById('problem').textContent !== ''")
    assert "'a lot' is not a number" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("<b>number</b>").get_attribute("aria-invalid") == "true"
    assert page.locator("#result").inner_text() == "\u2013"
    page.get_by_label("<b>number</b>").fill("")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("document.getElementById('result').textContent !== '\u2013'")
    assert page.get_by_role("alert").inner_text() == ""


def test_a_regression_shows_its_value(page, value_url):
    page.goto(value_url)
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("!isNaN(parseFloat(document.getElementById('result').textContent))")


def test_the_page_is_not_wider_than_the_window(page, url):
    page.goto(url)
    page.get_by_label("color").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
