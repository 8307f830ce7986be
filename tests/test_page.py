"""The drawing page in headless Chromium: python -m pytest -m browser

Needs Chromium and Playwright (pip install playwright).
"""

import math
import threading
import time

import numpy as np
import pytest
from conftest import MNIST, REAL_DATA, run_lesson

pytestmark = pytest.mark.browser


def arc(x, y, width, height, begin, end):
    """Return points on an ellipse between two angles in degrees; 0 is right, 90 is down."""
    angles = np.radians(np.linspace(begin, end, 24))
    return [(x + width * math.cos(a), y + height * math.sin(a)) for a in angles]


STROKES = {  # on 280x280 pixels
    0: [arc(140, 140, 55, 85, -90, 270)],
    1: [[(115, 85), (145, 55), (145, 225)]],
    2: [[*arc(140, 100, 52, 45, 190, 390), (90, 220), (200, 220)]],
    3: [[*arc(135, 98, 50, 42, 200, 440), *arc(135, 180, 55, 45, -80, 150)]],
    4: [[(120, 60), (85, 150), (195, 150)], [(165, 60), (165, 225)]],
    5: [[(190, 60), (105, 60), (100, 130), *arc(135, 170, 55, 50, -110, 140)]],
    6: [[(165, 50), (110, 120), *arc(140, 175, 45, 45, 200, 560)]],
    7: [[(85, 65), (195, 65), (120, 225)]],
    8: [[*arc(140, 98, 40, 40, 90, 450), *arc(140, 182, 48, 44, -90, 270)]],
    9: [[*arc(140, 105, 42, 42, 0, 360), (180, 110), (165, 225)]],
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a served conv_net_fast, trained on the real digits or on the sample."""
    from serving.app import create_app
    from serving.connections import make_server
    from serving.serve import listen
    from serving.served import ServedModel

    flags = (
        ["--data-dir", REAL_DATA, "--limit", "20000"]
        if REAL_DATA
        else ["--data", "sample", "--epochs", "40"]
    )
    trained = run_lesson(MNIST, tmp_path_factory.mktemp("out"), "-m", "conv_net_fast", *flags)
    digits = trained.names["test_images"][..., 0], trained.names["test_labels"]
    listener = listen("127.0.0.1", 0)
    app = create_app(ServedModel(trained.folder / "model.keras", "mnist"), digits)
    server = make_server(app)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.1)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True


@pytest.fixture
def page(browser, address):
    """The page, freshly opened; any console message or failed request fails the test."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(address)
    yield page
    page.close()
    assert not complaints


def draw(page, strokes):
    """Draw with the mouse and wait for the answer."""
    box = page.locator("#drawing").bounding_box()
    scale = box["width"] / 280
    for stroke in strokes:
        points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()
    wait_for_answer(page)


def wait_for_answer(page):
    """Wait until the page shows the answer to the last change."""
    wait_until(page, "document.body.dataset.answered === document.body.dataset.changed")


def wait_until(page, condition: str):
    """Wait for a condition. (Playwright's own method needs eval, which the page forbids.)"""
    end = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.02)


def answered(page) -> str:
    """Return the digit that the page shows as its answer."""
    return page.locator("#bars .best span").first.text_content()


def test_drawn_digits_are_recognized(page):
    right = {}
    for digit, strokes in STROKES.items():
        page.click("#clear")
        draw(page, strokes)
        right[digit] = answered(page)
        assert page.locator("#answer").text_content().startswith(f"This is a {right[digit]}")
    least = 9 if REAL_DATA else 7  # of 20,000 digits, or of the sample's 1,500
    assert sum(str(digit) == name for digit, name in right.items()) >= least, right


def test_model_input_and_importance_are_shown(page):
    draw(page, STROKES[7])
    for name in ("seen", "mattered"):
        brightest = page.evaluate(
            f"Math.max(...document.getElementById('{name}').getContext('2d')"
            ".getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 == 0))"
        )
        assert brightest > 200
    shares = page.locator("#bars output").all_text_contents()
    assert sum(float(share.removesuffix(" %")) for share in shares) == pytest.approx(100, abs=1)
    page.click("#clear")
    assert page.locator("#answer").text_content() == "Nothing drawn yet."
    assert page.locator("#bars output").first.text_content() == "0.0 %"


def test_page_works_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "drawing"
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    wait_for_answer(page)
    assert answered(page) == "1"
    page.keyboard.press("c")
    assert page.locator("#answer").text_content() == "Nothing drawn yet."
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_until(page, "document.getElementById('picked').textContent !== ''")
    wait_for_answer(page)
    assert "its label is" in page.locator("#picked").text_content()


def test_stopped_service_is_noticed(browser, address):
    page = browser.new_page()
    page.goto(address)
    draw(page, STROKES[1])
    page.route("**/*", lambda route: route.abort())  # as if the service had been stopped
    draw(page, [[(50, 50), (60, 60)]])
    assert "cannot be reached" in page.locator("#answer").text_content()
    assert set(page.locator("#bars output").all_text_contents()) == {"0.0 %"}
    page.click("#clear")
    page.click("#pick")
    wait_until(page, "document.getElementById('answer').textContent.includes('reached')")
    page.close()


@pytest.mark.parametrize("width", [375, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_layout_fits_and_has_contrast(browser, address, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=True
    )
    page = context.new_page()
    page.goto(address)
    draw(page, STROKES[3])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("#drawing", "#clear", "#pick", "#bars", "#seen", "#mattered"):
        box = page.locator(name).bounding_box()
        assert box["width"] > 40 and box["x"] >= 0 and box["x"] + box["width"] <= width
    paper, ink = page.evaluate(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
    )
    assert contrast(paper, ink) > 7
    context.close()


def contrast(*colors: str) -> float:
    """Return the contrast ratio of two CSS colors as defined in WCAG 2: 1 to 21."""
    lights = []
    for color in colors:
        parts = np.array([int(part) for part in color[4:-1].split(",")]) / 255
        parts = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        lights.append(float(parts @ [0.2126, 0.7152, 0.0722]))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_accessibility_tree(page):
    draw(page, STROKES[1])
    tree = page.locator("main").aria_snapshot()
    assert 'heading "Draw a digit"' in tree and "This is a 1" in tree
    for name in ("Clear", "A test digit"):
        assert f'button "{name}"' in tree
    assert "Drawing area" in tree and "28 by 28 pixels" in tree
