"""The form page in a real browser: it is built from the schema, asks the endpoint, shows the answer and keeps it."""

import json
import re
import shlex
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from http_endpoint import HttpEndpoint
from playwright.sync_api import expect, sync_playwright
from support import mixed_frame, train_bundle

from orchestrator.serving.settings import EndpointSettings

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = {"desktop": 1280, "phone": 390}
MODELS = ("mixed", "hostile", "digits", "diabetes", "quantiles")
NOTHING = "\u2013"
TOKEN = "a-token-that-nobody-guesses"
TOUCH_TARGET = 44
# pages of the browser's own, which nobody sees here: two processes for each window
PRELOADED = "PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"

on_a_phone = pytest.mark.parametrize("page", [WIDTHS["phone"]], ids=["phone"], indirect=True)
# where the layout, or touching instead of clicking, can make a difference
everywhere = pytest.mark.parametrize("page", WIDTHS.values(), ids=WIDTHS.keys(), indirect=True)
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"there is no browser at {CHROMIUM}")


def odd_frame():
    """Names that could be taken for markup, for ids of the page or for properties of JavaScript objects."""
    frame = mixed_frame(400).rename(columns={"number": "<b>number</b>", "flag": "ask"})
    frame["__proto__"] = frame["<b>number</b>"] * 2
    frame["town"] = [f"town {row % 60}" for row in range(len(frame))]
    frame["born"] = pd.date_range("1950-01-05", periods=len(frame), freq="30D").strftime("%d.%m.%Y")
    return frame


def hostile_frame():
    """Markup that would run a script, as a column, a category, the target and a class."""
    attack = "<img src=x onerror=\"document.title='attacked'\">"
    frame = mixed_frame().rename(columns={"number": f"number {attack}", "label": f"label {attack}"})
    frame["color"] = frame["color"].replace({"red": f"red {attack}", "green": "</option><script>1</script>"})
    frame[f"label {attack}"] = frame[f"label {attack}"].replace({"high": f"high {attack}"})
    return frame, f"label {attack}"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sources = {
        "mixed": (odd_frame(), "label"),
        "hostile": hostile_frame(),
        "digits": ("sklearn:digits", None),
        "diabetes": ("sklearn:diabetes", None),
        "quantiles": ("sklearn:diabetes", None),
    }
    tasks = {"quantiles": {"kind": "quantile", "quantiles": [0.1, 0.5, 0.9]}}
    return {name: train_bundle(*sources[name], folder / name, task=tasks.get(name)) for name in MODELS}, folder


@pytest.fixture(scope="module")
def url(bundles):
    """Model name -> address of its page, all on one endpoint."""
    _, folder = bundles
    with HttpEndpoint(folder, {name: folder / name for name in MODELS}) as server:
        yield lambda name: f"{server.url}/models/{name}/"


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            headless=True,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                f"--disable-features={PRELOADED}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request):
    """On a desktop, unless a test says otherwise."""
    width = getattr(request, "param", WIDTHS["desktop"])
    is_phone = width == WIDTHS["phone"]
    # without animations, so that widths can be measured at once
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        has_touch=is_phone,
        is_mobile=is_phone,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    requested, problems = [], []
    page.on("request", lambda asked: requested.append(asked.url))
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.on("console", lambda said: problems.append(said.text) if "Security Policy" in said.text else None)
    yield page
    assert all(asked.startswith(("http://127.0.0.1:", "data:")) for asked in requested), requested
    assert problems == []
    context.close()


def ask(page):
    """Presses the button; the answer, as soon as it is there."""
    with page.expect_response("**/predict"):
        page.get_by_role("button", name="Predict").click()
    page.locator("#ask:not([aria-disabled])").wait_for()
    return page.locator("#result").inner_text()


def field(page, name):
    return page.get_by_label(name, exact=True)


def is_in_view(page, selector):
    box = page.locator(selector).bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"]


@everywhere
def test_a_filled_in_form_has_the_models_answer(page, url, bundles):
    page.goto(url("mixed"))
    field(page, "<b>number</b>").fill("7.5")
    field(page, "color").select_option("red")
    field(page, "ask").select_option("false")
    field(page, "day").fill("2020-02-01T13:00:00")
    field(page, "__proto__").fill("15,25")
    field(page, "town").fill("a new town")
    field(page, "born").fill("1980-12-31")
    with page.expect_request("**/predict") as asked:
        ask(page)
    row = asked.value.post_data_json
    assert row == {
        "<b>number</b>": 7.5,
        "color": "red",
        "ask": False,
        "day": "2020-02-01T13:00:00",
        "__proto__": 15.25,
        "town": "a new town",
        "born": "31.12.1980",
    }
    expected = bundles[0]["mixed"].predict(pd.DataFrame([row], dtype=object)).iloc[0]
    assert page.locator("#result").inner_text() == expected["label"]
    shares = page.locator("#shares").inner_text()
    for name in ("high", "low"):
        assert name in shares
        assert f"{100 * expected[f'probability_{name}']:.1f} %" in shares


def test_fields_are_of_the_columns_kinds(page, url):
    page.goto(url("mixed"))
    assert field(page, "<b>number</b>").get_attribute("inputmode") == "decimal"
    assert field(page, "color").locator("option").all_inner_texts() == ["not known", "blue", "green", "red"]
    assert field(page, "ask").locator("option").all_inner_texts() == ["not known", "true", "false"]
    assert field(page, "day").get_attribute("type") == "datetime-local"
    assert field(page, "born").get_attribute("type") == "date"
    suggestions = page.locator(f"#{field(page, 'town').get_attribute('list')} option")
    assert suggestions.first.get_attribute("value") == "town 0"


def test_what_is_left_empty_is_not_known_and_the_enter_key_asks(page, url):
    page.goto(url("mixed"))
    field(page, "color").select_option("not known")
    field(page, "born").fill("")
    field(page, "<b>number</b>").fill("")
    with page.expect_request("**/predict") as asked:
        field(page, "<b>number</b>").press("Enter")
    row = asked.value.post_data_json
    assert (row["color"], row["born"], row["<b>number</b>"]) == (None, None, None)
    expect(page.locator("#result")).not_to_have_text(NOTHING)


@everywhere
def test_bars_are_as_long_as_the_shares_and_the_likeliest_come_first(page, url):
    page.goto(url("digits"))
    with page.expect_response("**/predict") as answered:
        ask(page)
    (prediction,) = answered.value.json()["predictions"]
    likeliest = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
    expect(page.locator(".share")).to_have_count(8)
    page.get_by_role("button", name="Show all 10 classes").click()
    expect(page.locator(".share")).to_have_count(10)
    assert page.locator(".share .name").all_inner_texts() == [name for name, _ in likeliest]
    assert page.locator(".winner .name").all_inner_texts() == [str(prediction["label"])]
    tracks, fills = (
        np.array([bar.bounding_box()["width"] for bar in page.locator(selector).all()])
        for selector in (".bar", ".bar > div")
    )
    assert np.allclose(fills / tracks, [share for _, share in likeliest], atol=0.005)
    page.get_by_role("button", name="Show only the first 8").click()
    expect(page.locator(".share")).to_have_count(8)


@everywhere
def test_the_answer_does_not_move_what_is_below_it(page, url):
    page.goto(url("digits"))
    expect(page.locator(".share").first).to_be_visible()
    before = page.locator(".history").evaluate("element => element.offsetTop")
    ask(page)
    assert page.locator(".history").evaluate("element => element.offsetTop") == before


@everywhere
def test_many_columns_can_be_searched_by_name(page, url):
    names = [column["name"] for column in httpx.get(url("digits") + "schema", trust_env=False).json()["columns"]]
    found = [name for name in names if "pixel_7_" in name]
    page.goto(url("digits"))
    expect(page.locator(".field:visible")).to_have_count(len(names))
    page.get_by_label("Find a column").fill("PIXEL_7_")
    expect(page.locator(".field:visible > label")).to_have_text(found)
    expect(page.locator("#matches")).to_have_text(f"{len(found)} of {len(names)}")
    assert ask(page) != NOTHING
    # a wrong value is shown even when its field was not
    page.get_by_label("Find a column").fill("")
    field(page, "pixel_0_1").fill("much")
    page.get_by_label("Find a column").fill("pixel_7_")
    ask(page)
    expect(field(page, "pixel_0_1")).to_be_focused()


@everywhere
def test_a_wrong_value_is_explained_beside_its_field_and_the_old_answer_is_gone(page, url):
    page.goto(url("mixed"))
    assert ask(page) != NOTHING
    field(page, "<b>number</b>").fill("a lot")
    assert ask(page) == NOTHING
    number = field(page, "<b>number</b>")
    expect(number).to_be_focused()
    expect(number).to_have_accessible_description("'a lot' is not a number")
    assert number.get_attribute("aria-invalid") == "true"
    assert "<b>number</b>" in page.get_by_role("alert").inner_text()
    sentence, box = page.locator(".error:visible").first.bounding_box(), number.bounding_box()
    assert 0 <= sentence["y"] - box["y"] - box["height"] < 20
    assert is_in_view(page, ".field .error:visible")
    number.fill("")
    expect(page.locator(".field .error:visible")).to_have_count(0)
    assert ask(page) != NOTHING
    expect(page.locator("#problem")).to_have_text("")


def test_half_a_date_is_not_taken_for_a_missing_one(page, url):
    page.goto(url("mixed"))
    field(page, "born").fill("")
    field(page, "born").press_sequentially("12")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Predict").click()
    expect(field(page, "born")).to_have_accessible_description(re.compile("not complete"))
    assert asked == []


def test_a_regression_shows_its_value_and_the_change(page, url):
    page.goto(url("diabetes"))
    first = float(ask(page).replace(",", ""))
    expect(page.locator("#change")).to_have_text("")
    field(page, "bmi").fill("0.1")
    second = float(ask(page).replace(",", ""))
    change = page.locator("#change").inner_text()
    found = re.fullmatch(r"[▲▼] ([\d.,]+) (more|less) than before \(([\d.,]+)\)", change)
    assert found, change
    signed = float(found[1]) if found[2] == "more" else -float(found[1])
    assert signed == pytest.approx(second - first, abs=1e-6)
    assert float(found[3]) == first


def test_quantiles_are_listed_below_the_median(page, url):
    page.goto(url("quantiles"))
    # this endpoint explains nothing
    expect(page.locator("#why")).to_be_hidden()
    value = ask(page)
    lines = page.locator("#shares li").all_inner_texts()
    found = dict(line.split("\n") for line in lines)
    assert list(found) == ["quantile 0.1", "quantile 0.5", "quantile 0.9"]
    assert found["quantile 0.5"] == value
    low, middle, high = (float(figure.replace(",", "")) for figure in found.values())
    assert low <= middle <= high
    expect(page.locator("#every")).to_be_hidden()


@everywhere
def test_earlier_answers_come_back_with_their_values(page, url):
    page.goto(url("mixed"))
    example = field(page, "<b>number</b>").input_value()
    ask(page)
    field(page, "<b>number</b>").fill("-20")
    field(page, "color").select_option("not known")
    second = ask(page)
    shares = page.locator("#shares").inner_text()
    entries = page.locator("#entries button")
    expect(entries).to_have_count(2)
    assert entries.first.locator(".chip").all_inner_texts() == ["<b>number</b> -20", "color not known"]
    assert "the example" in entries.last.inner_text()
    entries.last.click()
    assert field(page, "<b>number</b>").input_value() == example
    expect(entries.last).to_have_attribute("aria-current", "true")
    # after a reload, too, and what is asked then differs from the newest
    page.reload()
    expect(entries).to_have_count(2)
    entries.first.click()
    assert (field(page, "<b>number</b>").input_value(), field(page, "color").input_value()) == ("-20", "")
    assert page.locator("#result").inner_text() == second
    assert page.locator("#shares").inner_text() == shares
    field(page, "<b>number</b>").fill("-21")
    expect(page.locator("#note")).to_have_text("The values have changed since this answer")
    ask(page)
    assert entries.first.locator(".chip").all_inner_texts() == ["<b>number</b> -21"]
    page.get_by_role("button", name="Clear").click()
    expect(entries).to_have_count(0)
    page.reload()
    expect(page.locator("#none-yet")).to_be_visible()


def test_twenty_answers_are_kept_for_each_model(page, url):
    page.goto(url("diabetes"))
    for number in range(22):
        field(page, "bmi").fill(str(number / 100))
        ask(page)
    entries = page.locator("#entries button")
    expect(entries).to_have_count(5)
    page.get_by_role("button", name="Show all 20").click()
    expect(entries).to_have_count(20)
    assert entries.last.locator(".chip").all_inner_texts() == ["bmi 0.02"]
    page.goto(url("mixed"))
    expect(page.locator("#none-yet")).to_be_visible()


def test_answers_are_kept_without_storage(page, url):
    page.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('denied'); } })")
    page.goto(url("mixed"))
    ask(page)
    ask(page)
    expect(page.locator("#entries button")).to_have_count(2)


def test_markup_in_the_data_is_only_text(page, url):
    page.goto(url("hostile"))
    ask(page)
    page.get_by_text("As curl").click()
    (number,) = page.get_by_label("number <img").all()
    number.fill("<img src=x onerror=\"document.title='attacked'\">")
    ask(page)
    number.fill("-20")
    field(page, "color").select_option(index=2)
    ask(page)
    page.reload()
    page.locator("#entries button").first.click()
    page.wait_for_timeout(200)
    assert page.title() == "hostile"
    assert page.locator("img, form script, aside script, details script").count() == 0
    assert "<img src=x onerror=" in page.locator("#shares").inner_text()
    assert "<img src=x onerror=" in page.locator("#target").inner_text()


def answer_with(route, version):
    """The endpoint's own answer, as another version would have given it."""
    response = route.fetch()
    content = response.json()
    content["model"]["version"] = version
    route.fulfill(response=response, json=content)


def test_each_answer_names_the_version_that_gave_it(page, url):
    page.route("**/schema", lambda route: answer_with(route, "3"))
    page.route("**/predict", lambda route: answer_with(route, "3"))
    page.goto(url("mixed"))
    expect(page.locator("#version")).to_have_text("version 3")
    ask(page)
    expect(page.locator("#answered-by")).to_have_text("version 3")
    page.route("**/predict", lambda route: answer_with(route, "4"))
    ask(page)
    expect(page.locator("#answered-by")).to_have_text("version 4")
    expect(page.locator("#answered-by")).to_have_class(re.compile("other"))
    described = page.locator("#entries button").all_inner_texts()
    assert ["version 4" in described[0], "version 3" in described[1]] == [True, True]
    assert "version 4" in page.get_by_role("status").filter(has_text="label").text_content()


@everywhere
def test_a_token_is_asked_for_and_used_and_not_stored(page, url):
    valid = {"token": TOKEN}

    def guard(route):
        if route.request.headers.get("authorization") == f"Bearer {valid['token']}":
            route.fallback()
        else:
            message = "a valid token is needed: Authorization: Bearer TOKEN"
            route.fulfill(status=401, json={"error": {"message": message, "row": None, "column": None}})

    page.route(re.compile("/(schema|predict)$"), guard)
    page.goto(url("mixed"))
    entry = page.get_by_label("Access token").and_(page.locator("input"))
    expect(entry).to_be_focused()
    expect(page.locator("#form")).to_be_hidden()
    entry.fill("no good")
    entry.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("without spaces")
    entry.fill("a-wrong-token")
    entry.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    entry.fill(TOKEN)
    entry.press("Enter")
    expect(page.get_by_role("button", name="Predict")).to_be_focused()
    expect(entry).to_be_hidden()
    assert ask(page) != NOTHING
    # it was replaced on the endpoint: what was asked is asked again with the new one
    valid["token"] = "another-token-of-today"
    assert ask(page) == NOTHING
    expect(entry).to_be_focused()
    entry.fill(valid["token"])
    entry.press("Enter")
    expect(page.locator("#result")).not_to_have_text(NOTHING)
    stored = page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie, location.href])")
    assert TOKEN not in stored
    assert valid["token"] not in stored
    page.get_by_text("As curl").click()
    assert "Bearer $TOKEN" in page.locator("#command").inner_text()
    assert valid["token"] not in page.content()


def test_a_busy_and_a_silent_endpoint_are_told_apart(page, url):
    page.goto(url("mixed"))
    page.route("**/predict", lambda route: route.fulfill(status=503, headers={"Retry-After": "2"}, body="busy"))
    ask(page)
    expect(page.get_by_role("alert")).to_have_text("The endpoint is busy; try again in 2 seconds.")
    page.route("**/predict", lambda route: route.fulfill(status=502, body="<html>"))
    ask(page)
    expect(page.get_by_role("alert")).to_have_text("The endpoint answered with status 502")
    page.route("**/predict", lambda route: route.abort())
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/predict")
    assert ask(page) != NOTHING
    page.route("**/schema", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/schema")
    page.get_by_role("button", name="Try again").click()
    assert ask(page) != NOTHING


def test_the_curl_command_asks_the_same(page, url):
    page.goto(url("mixed"))
    page.get_by_text("As curl").click()
    field(page, "town").fill('it\'s "here" $HOME \\n')
    words = shlex.split(page.locator("#command").inner_text().replace("\\\n", ""))
    assert words[:2] == ["curl", url("mixed") + "predict"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    with page.expect_request("**/predict") as asked:
        label = ask(page)
    assert json.loads(options["-d"]) == asked.value.post_data_json
    name, _, kind = options["-H"].partition(": ")
    answer = httpx.post(words[1], content=options["-d"], headers={name: kind}, trust_env=False)
    assert answer.json()["predictions"][0]["label"] == label
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#command").text_content()


@on_a_phone
@pytest.mark.parametrize("name", MODELS)
def test_the_page_is_not_wider_than_the_window(page, url, name):
    page.goto(url(name))
    ask(page)
    page.get_by_text("As curl").click()
    for width in (*WIDTHS.values(), 320):
        page.set_viewport_size({"width": width, "height": 600})
        # not `innerWidth`: a phone makes its window as wide as what is in it
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@on_a_phone
def test_on_a_phone_the_answer_is_in_view_and_everything_is_large_enough_to_touch(page, url):
    page.goto(url("digits"))
    ask(page)
    assert is_in_view(page, "#brief")
    assert page.locator("#brief").inner_text().startswith(page.locator("#result").text_content())
    small = "elements => elements.map(element => element.offsetHeight).filter(height => height < %d)"
    assert page.locator("button:visible, input:visible, select:visible").evaluate_all(small % TOUCH_TARGET) == []
    left = page.locator(".field").evaluate_all("boxes => [...new Set(boxes.map(box => box.offsetLeft))]")
    assert len(left) == 1
    page.locator("#brief").click()
    assert is_in_view(page, "#result")
    assert is_in_view(page, "#shares")


def test_on_a_desktop_the_answer_stays_in_view(page, url):
    page.goto(url("digits"))
    field(page, "pixel_7_7").fill("3")
    assert page.evaluate("window.scrollY") > 0
    ask(page)
    assert is_in_view(page, "#result")
    assert is_in_view(page, "#ask")


def test_bars_say_what_adds_up_to_the_answer_and_move_with_the_values(page, bundles, tmp_path):
    model = bundles[0]["diabetes"]
    models = {name: bundles[1] / name for name in ("diabetes", "mixed")}
    with HttpEndpoint(tmp_path, models, EndpointSettings(explain=True)) as server:
        page.goto(f"{server.url}/models/mixed/")
        ask(page)
        # a difference of two probabilities is no share of anything
        expect(page.locator("#why-note")).to_contain_text("in percentage points")
        expect(page.locator("#parts li:visible .figure").first).to_have_text(re.compile(r"^[+\u2212]\d+\.\d points$"))
        page.goto(f"{server.url}/models/diabetes/")
        field(page, "bmi").fill("0.01")
        # no reason stands beside an answer that is not there
        assert not page.locator("#why").is_visible()
        with page.expect_response("**/explain"):
            ask(page)
        expect(page.locator("#why")).to_be_visible()
        for text in ("0.05", "-0.08"):
            with page.expect_response("**/explain") as answered:
                field(page, "bmi").fill(text)
            (found,) = answered.value.json()["explanations"]
            row = pd.DataFrame([model.example["rows"][0] | {"bmi": float(text)}])
            assert found["prediction"] == pytest.approx(model.predict(row)["value"][0], rel=1e-4)
            names = [part["column"] for part in found["contributions"]]
            expect(page.locator("#parts .name b")).to_have_text(names)
            expect(page.locator("#parts li", has_text="bmi")).to_contain_text(text)
        signs = ["\u2212" if part["contribution"] < 0 else "+" for part in found["contributions"][:8]]
        assert [figure[0] for figure in page.locator("#parts li:visible .figure").all_inner_texts()] == signs
        fills = [box.bounding_box() for box in page.locator("#parts li:visible .sides div").all()]
        middle = page.locator(".sides").first.bounding_box()
        assert [fill["x"] + 1 < middle["x"] + middle["width"] / 2 for fill in fills] == [sign != "+" for sign in signs]
        assert fills[0]["width"] == pytest.approx(middle["width"] / 2, abs=1)
        page.get_by_role("button", name="Show all 10 columns").click()
        expect(page.locator("#parts li:visible")).to_have_count(10)
