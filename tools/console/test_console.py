"""The console in a real Chromium, on a facestream of its own with drawn people. Screenshots go to FACESTREAM_SHOTS, to be looked at."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Callable, Iterator, List

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PROGRAM = os.environ["FACESTREAM_BIN"]
PEOPLE = pathlib.Path(os.environ["FACESTREAM_PEOPLE"])
SHOTS = pathlib.Path(os.environ["FACESTREAM_SHOTS"])
CHROMIUM = os.environ["FACESTREAM_CHROMIUM"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
VIEWS = ["live", "try", "people", "groups", "collections", "letters", "health"]
PATIENCE = 30_000  # milliseconds for what the stream has to do, also on a busy machine
expect.set_options(timeout=PATIENCE)

# Drawn people are not alive, and an upload says nothing of its configuration.
SETTINGS = """
ingest:
  defaults:
  - collections: [uploads]
    config: {anti_spoofing_mode: 0, face_validations_off: true}
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Facestream:
    """`facestream up`, which can be stopped and started again in its folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("embedded-kafka-addr", "embedded-s3-addr", "gateway-listen")}
        self.address = f"http://127.0.0.1:{self.ports['gateway-listen']}"
        self.link = ""
        (folder / "facestream.yaml").write_text(SETTINGS)
        self.start()

    def start(self) -> None:
        command = [PROGRAM, "up", "--config", str(self.folder / "facestream.yaml"), "--data-dir", str(self.folder / "data"), "--telemetry-listen="]
        command += [f"--{name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        with open(self.folder / "out", "wb") as out, open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, cwd=self.folder)
        until = time.monotonic() + 120
        while True:
            said = (self.folder / "log").read_text(errors="replace")[-3000:]
            assert self.process.poll() is None and time.monotonic() < until, f"facestream is not ready: {said}"
            try:
                found = re.search(r"^  console +(\S+)$", (self.folder / "out").read_text(), re.M)
                if found and self.ready(found[1]):
                    self.link = found[1]
                    return
            except OSError:
                pass
            time.sleep(0.2)

    def ready(self, link: str) -> bool:
        """Whether all services consume: the gateway alone answers before."""
        token = link.split("#token=")[1]
        return bool(self.call("/v1/services", token)["processes"][0]["ready"])

    def call(self, path: str, token: str, body: object = None) -> dict:
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def run(self, *arguments: str) -> str:
        environment = {**os.environ, "FACESTREAM_KAFKA": f"127.0.0.1:{self.ports['embedded-kafka-addr']}", "FACESTREAM_S3_ENDPOINT": f"127.0.0.1:{self.ports['embedded-s3-addr']}"}
        return subprocess.run([PROGRAM, *arguments], check=True, capture_output=True, text=True, env=environment, cwd=self.folder).stdout

    def token(self, *grant: str) -> str:
        return self.run("token", "issue", "--data-dir", str(self.folder / "data"), "--subject", "somebody", "--ttl", "10m", *grant).strip()


@pytest.fixture(scope="session")
def facestream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facestream]:
    f = Facestream(tmp_path_factory.mktemp("facestream"))
    yield f
    f.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield b
        b.close()


class Watch:
    """What the pages of a test said and asked for. forgiven are patterns of messages that the test provokes."""

    def __init__(self) -> None:
        self.said: List[str] = []
        self.asked: List[str] = []
        self.forgiven: List[str] = []

    def page(self, page: Page) -> None:
        page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.said.append(f"exception: {e}"))
        page.on("request", lambda r: self.asked.append(r.url))


Opens = Callable[..., Page]


@pytest.fixture
def watch(facestream: Facestream) -> Iterator[Watch]:
    """At the end of each test, nothing went wrong that nobody saw, and no other host was asked for anything."""
    w = Watch()
    yield w
    assert [s for s in w.said if not any(re.search(f, s) for f in w.forgiven)] == []
    assert w.asked and [u for u in w.asked if not u.startswith((facestream.address + "/", f"blob:{facestream.address}/"))] == []
    assert [u for u in w.asked if "token=" in u.split("#")[0]] == []


@pytest.fixture
def opened(browser: Browser, facestream: Facestream, watch: Watch) -> Iterator[Opens]:
    """Opens the console in a browser of its own, by the link that facestream printed, or with a token."""
    contexts: List[BrowserContext] = []

    def open_(token: str = "", **settings: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **settings})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        watch.page(page)
        page.goto(f"{facestream.address}/#token={token}" if token else facestream.link)
        expect(page.get_by_role("navigation")).to_be_visible(timeout=PATIENCE)
        return page

    yield open_
    for context in contexts:
        context.close()


def show(page: Page, view: str) -> None:
    page.evaluate("view => { location.hash = view }", f"#/{view}")
    expect(page.locator("main h1")).to_be_visible()


def shot(page: Page, name: str, whole: bool = False) -> None:
    page.screenshot(path=SHOTS / f"{name}.png", full_page=whole)


def attempt(page: Page, operation: str, *files: str, collection: str = "", name: str = "", press: str = "") -> None:
    """Tries an operation. Drawn people are not alive, so that is not asked of them."""
    show(page, "try")
    page.get_by_label("Operation").select_option(operation)
    if collection:
        page.get_by_label("Collection").fill(collection)
    if name:
        page.get_by_label(re.compile("external id")).fill(name)
    page.get_by_label("Skip liveness").check()
    page.get_by_label("Choose a file").set_input_files([PEOPLE / f for f in files])
    if press:
        page.get_by_role("button", name=press, exact=True).click()


def verdict(page: Page, text: str) -> None:
    expect(page.locator(".verdict-title")).to_have_text(text)


def settled(page: Page) -> None:
    """Waits until every picture is drawn or said to be missing."""
    expect(page.locator(".loading")).to_have_count(0)


def test_first_paint_and_size(opened: Opens, facestream: Facestream, watch: Watch) -> None:
    """What is asked of the console: seen within a second, and at most 300 kB in all."""
    page = opened()
    sizes = page.evaluate("Object.fromEntries(performance.getEntriesByType('resource').filter(r => r.name.includes('/console/')).map(r => [r.name, r.decodedBodySize]))")
    best = 10_000.0
    for _ in range(3):
        page.reload()
        expect(page.get_by_role("navigation")).to_be_visible()
        best = min(best, page.evaluate("""() => new Promise(done => new PerformanceObserver(list => {
            for (const e of list.getEntriesByName('first-contentful-paint')) done(e.startTime);
        }).observe({ type: 'paint', buffered: true }))"""))
    total = sum(sizes.values())
    print(f"first contentful paint after {best:.0f} ms, {len(sizes)} files of {total} bytes beside the page")
    assert best < 1000 and len(sizes) > 10 and 50_000 < total < 300_000


def test_entering(browser: Browser, opened: Opens, facestream: Facestream, watch: Watch) -> None:
    """A token is asked for; a wrong one is refused plainly; a link brings one and leaves none in the address; leaving forgets it."""
    watch.forgiven = [r"status of 401"]
    page = opened()
    assert page.url == f"{facestream.address}/console#/live"
    page.reload()  # the tab keeps it
    expect(page.get_by_role("navigation")).to_be_visible()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0
    shot(page, "gate")
    page.get_by_label("Token").fill("eyJ.not.one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The token is not taken")
    page.get_by_label("Token").fill(facestream.link.split("#token=")[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation")).to_be_visible()


def test_enrol_find_watch_edit_erase(opened: Opens, watch: Watch) -> None:
    """The way of a person: enrolled from a file, found by another picture, seen by somebody who watches, changed, erased."""
    watch.forgiven = [r"status of (404|422)"]  # the group that does not exist
    watching = opened()
    expect(watching.locator(".stream-state")).to_have_text("Live")
    page = opened()
    for i, name in enumerate(["anna", "boris", "chen", "dora"]):
        attempt(page, "enroll", f"person-{i}-0.jpg", collection="staff", name=name, press="Enrol")
        verdict(page, f"Enrolled {name}")
    attempt(page, "predict", "person-1-1.jpg", collection="staff")
    verdict(page, "Found boris")
    candidate = page.locator(".candidate").first
    expect(candidate).to_contain_text("boris")
    settled(page)
    expect(candidate.locator("canvas")).to_be_visible()  # the enrolled picture
    expect(page.locator(".pictures .mark .corners")).to_have_count(1)
    shot(page, "predict")

    card = watching.locator(".live-card").first
    expect(card).to_contain_text("Found boris")
    expect(watching.locator("#spoken")).to_have_text(re.compile("Predict: Found boris|Enroll: Enrolled"))
    settled(watching)
    expect(card.locator(".mark .corners")).to_have_count(1)
    shot(watching, "live")
    card.click()
    verdict(watching, "Found boris")
    settled(watching)
    shot(watching, "result", whole=True)

    candidate.click()
    expect(page.get_by_role("heading", name="boris")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Name", exact=True).fill("Boris <b>Testov</b>")
    page.get_by_label("Metadata").fill('{"team": "night"}')
    page.get_by_label("Groups").fill("none-such")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("group")  # it stays open, and says why
    page.get_by_label("Groups").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Boris <b>Testov</b>")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("night")
    settled(page)
    shot(page, "person")

    show(page, "people/staff")
    expect(page.locator(".person")).to_have_count(4)
    shot(page, "people")
    page.get_by_label("Search").fill("team=night")
    page.keyboard.press("Enter")
    expect(page.locator(".person")).to_have_count(1)
    page.locator(".person").click()
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_role("dialog")).to_contain_text("nobody can bring them back")
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    shot(page, "erase")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Boris <b>Testov</b>")).to_be_visible()
    page.get_by_role("button", name="Erase").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    expect(page.locator(".person")).to_have_count(3)
    attempt(page, "predict", "person-1-1.jpg", collection="staff")
    verdict(page, "No match")


def test_other_operations(opened: Opens, watch: Watch) -> None:
    """Two pictures, a document, a portrait, a face that is not there, a file that is no picture, the camera."""
    watch.forgiven = [r"status of 422"]  # the file that is no picture
    page = opened()
    attempt(page, "compare", "person-4-0.jpg", "person-4-1.jpg")
    verdict(page, "The same person")
    settled(page)
    shot(page, "compare", whole=True)
    attempt(page, "doc_scan_face", "card.jpg")
    expect(page.locator(".verdict-title")).to_have_text(re.compile("Document"))
    expect(page.locator(".pictures .outline")).to_have_count(1)
    attempt(page, "face_iso", "person-5-0.jpg")
    verdict(page, "Portrait made")
    settled(page)
    expect(page.locator(".made canvas")).to_be_visible()
    show(page, "try")
    page.get_by_label("Choose a file").set_input_files({"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture <script>alert(1)</script>"})
    verdict(page, "Image unreadable")
    page.get_by_label("Operation").select_option("validate")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("video")).to_be_visible()
    page.locator("video").evaluate("v => v.videoWidth > 0 || new Promise(done => v.addEventListener('loadeddata', done))")
    page.get_by_role("button", name="Take the picture").click()
    verdict(page, "No face")  # the camera shows a test pattern
    page.get_by_role("button", name="Close").click()
    expect(page.locator("video")).to_have_count(0)


def test_first_drop(opened: Opens) -> None:
    """The first picture that is dropped anywhere on the page is answered."""
    page = opened()
    expect(page.get_by_text("Drop a picture anywhere")).to_be_visible()
    page.locator("body").evaluate("""(body, bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'somebody.jpg', { type: 'image/jpeg' }));
        for (const kind of ['dragenter', 'dragover', 'drop']) body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }""", list((PEOPLE / "person-2-1.jpg").read_bytes()))
    verdict(page, "One face")
    settled(page)
    expect(page.locator(".pictures .mark .corners")).to_have_count(1)
    shot(page, "first-drop")


def test_groups_and_collections(opened: Opens) -> None:
    """A group is made, filled, used as a filter, and deleted; a collection shows how many people it has, and its model."""
    page = opened()
    attempt(page, "enroll", "person-6-0.jpg", collection="visitors", name="erik", press="Enrol")
    verdict(page, "Enrolled erik")
    page.get_by_role("link", name="erik").click()
    puid = page.url.rsplit("/", 1)[1]
    show(page, "groups/visitors")
    page.get_by_role("button", name="New group").click()
    page.get_by_label("Id").fill("friends")
    page.get_by_label("Name", exact=True).fill("Friends of the house")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("link", name="Friends of the house")).to_be_visible()
    show(page, f"people/visitors/{puid}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Groups").fill("friends")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="friends", exact=True).click()
    expect(page.locator(".person")).to_have_count(1)
    show(page, "groups/visitors")
    shot(page, "groups")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no groups")).to_be_visible()
    show(page, "collections")
    expect(page.locator(".collection", has_text="visitors")).to_contain_text("1 person")
    expect(page.locator(".collection", has_text="visitors")).to_contain_text(re.compile("@[0-9a-f]{8}"))
    shot(page, "collections")


def test_uploaded_picture(opened: Opens, facestream: Facestream) -> None:
    """Somebody who was enrolled by an upload to the store is shown with the picture, and beside it in a search."""
    facestream.run("upload", str(PEOPLE / "person-6-0.jpg"), "--key", "enroll/uploads/gürsel/portrait 1.jpg", "--wait")
    page = opened()
    attempt(page, "predict", "person-6-1.jpg", collection="uploads")
    verdict(page, "Found gürsel")
    settled(page)
    expect(page.locator(".candidate canvas")).to_have_count(1)
    page.locator(".candidate").click()
    expect(page.locator(".enrolled canvas")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(opened: Opens, watch: Watch, scheme: str) -> None:
    """axe finds nothing wrong in any view: names, roles, contrast, order of headings. It is put into the page past the policy."""
    page = opened(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    found = []

    def check(where: str) -> None:
        settled(page)
        results = Axe().run(page).response["violations"]
        found.extend(f"{where}: {v['id']}, {v['help']}: {n['html'][:120]}" for v in results for n in v["nodes"])

    attempt(page, "enroll", "person-3-1.jpg", collection="staff", name="dora", press="Enrol")
    verdict(page, "Enrolled dora")
    check("enrolled")
    attempt(page, "predict", "person-3-0.jpg", collection="staff")
    verdict(page, "Found dora")
    check("found")
    for view in VIEWS + ["people/staff"]:
        show(page, view)
        expect(page.get_by_text("Asking…")).to_have_count(0)
        check(view)
    page.locator(".person", has_text="dora").click()
    expect(page.locator(".person-head")).to_be_visible()
    check("a person")
    page.get_by_role("button", name="Edit").click()
    check("editing")
    assert found == []


def test_dead_letter(opened: Opens, facestream: Facestream) -> None:
    """A request whose id was used for another becomes a dead letter, which an operator sees and replays."""
    facestream.run("submit", "-o", "validate", "--id", "twice", "--wait", str(PEOPLE / "person-0-0.jpg"))
    facestream.run("submit", "-o", "validate", "--id", "twice", str(PEOPLE / "person-1-0.jpg"))
    page = opened()
    show(page, "letters")
    row = page.get_by_role("row", name=re.compile("Request id reused"))
    for _ in range(100):  # until the record was handled
        if row.count() > 0:
            break
        page.get_by_role("button", name="Read again").click()
        page.wait_for_timeout(200)
    shot(page, "letters")
    row.get_by_role("link").click()
    expect(page.locator("pre")).to_contain_text('"id": "twice"')
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.locator(".toast")).to_have_text("The record was written again")


def test_health(opened: Opens) -> None:
    """Operators see the processes, the stages, the networks with their devices, and rates after two looks."""
    page = opened()
    show(page, "health")
    expect(page.locator(".processes")).to_contain_text("ready")
    expect(page.locator(".processes")).to_contain_text("gallery")
    expect(page.get_by_role("region", name="Networks")).to_contain_text("cpu")
    expect(page.get_by_role("region", name="Time per stage")).to_contain_text("detect")
    expect(page.locator(".tile", has_text="Results a second").locator("polyline")).to_have_attribute("points", re.compile(","))
    shot(page, "health", whole=True)


def test_scopes(opened: Opens, facestream: Facestream, watch: Watch) -> None:
    """What the token does not allow is not shown, is refused by name, and the gateway's own refusal is shown plainly."""
    watch.forgiven = [r"status of 403"]
    page = opened(facestream.token("--operations", "predict", "--collections", "staff"))
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Live", "Try", "Collections", "Health"]
    for view in ("people", "groups", "letters"):
        show(page, view)
        expect(page.get_by_role("alert")).to_have_text("The token does not allow this.")
    show(page, "health")
    expect(page.get_by_text("The health of the services is for operators.")).to_be_visible()
    show(page, "try")
    assert page.get_by_label("Operation").locator("option").all_inner_texts() == ["Find a person"]
    attempt(page, "predict", "person-0-1.jpg", collection="visitors")
    expect(page.locator(".answer").get_by_role("alert")).to_contain_text("The token does not allow this")


def test_keyboard_only(opened: Opens) -> None:
    """Everything that the commonest path needs can be reached by keys, and the focus is seen."""
    page = opened()
    attempt(page, "enroll", "person-7-0.jpg", collection="keys", name="fay", press="Enrol")
    verdict(page, "Enrolled fay")
    page.on("filechooser", lambda chooser: chooser.set_files(PEOPLE / "person-7-1.jpg"))
    show(page, "live")
    page.reload()
    expect(page.get_by_role("navigation")).to_be_visible()

    def tab_to(name: str, key: str = "Tab") -> None:
        for _ in range(60):
            page.keyboard.press(key)
            focused = page.locator(":focus")
            said = focused.evaluate("e => (e.labels && e.labels[0] ? e.labels[0].innerText : e.getAttribute('aria-label') || e.innerText || '').trim()")
            if said.startswith(name):
                assert focused.evaluate("e => { const s = getComputedStyle(e.classList.contains('unseen') ? e.nextElementSibling : e); return parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== 'none' }"), f"nobody sees the focus on {name}"
                return
        raise AssertionError(f"{name} is not reached by the Tab key")

    tab_to("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to("Try", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_be_focused()
    tab_to("Operation")
    page.keyboard.type("Find a person")
    expect(page.get_by_label("Operation")).to_have_value("predict")
    tab_to("Collection")
    page.keyboard.type("keys")
    tab_to("Choose a file")
    page.keyboard.press("Enter")
    verdict(page, "Found fay")
    expect(page.locator(".answer[aria-live=polite]")).to_be_visible()
    shot(page, "keyboard")


@pytest.mark.parametrize("name,width,dark", [("phone", 390, False), ("phone-dark", 360, True), ("dark", 1360, True)])
def test_dark_and_phone(opened: Opens, name: str, width: int, dark: bool) -> None:
    """Dark and light follow the browser; on a phone nothing is wider than the screen, and what is touched is large enough."""
    phone = width < 700
    page = opened(viewport={"width": width, "height": 800 if phone else 900}, color_scheme="dark" if dark else "light", has_touch=phone, device_scale_factor=2 if phone else 1)
    attempt(page, "predict", "person-0-1.jpg", collection="staff")
    verdict(page, "Found anna")
    settled(page)
    shot(page, f"{name}-predict", whole=phone)
    attempt(page, "compare", "person-2-0.jpg", "person-3-0.jpg")
    verdict(page, "Different people")
    for view in VIEWS + ["people/staff"]:
        show(page, view)
        expect(page.get_by_text("Asking…")).to_have_count(0)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{view} is wider than the screen"
        brightness = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert brightness < 60 if dark else brightness > 200
        shot(page, f"{name}-{view.replace('/', '-')}")
    if phone:
        small = page.locator("nav a").evaluate_all("links => links.filter(a => a.getBoundingClientRect().height < 40 || a.getBoundingClientRect().width < 36).length")
        assert small == 0


def test_stream_resumes(opened: Opens, facestream: Facestream, watch: Watch) -> None:
    """A page that lost its gateway goes on behind the last result that it saw: what was published meanwhile arrives."""
    watch.forgiven = [r"ERR_CONNECTION_REFUSED", r"ERR_INCOMPLETE_CHUNKED_ENCODING", r"ERR_CONNECTION_RESET", r"ERR_EMPTY_RESPONSE", r"status of 503"]
    page = opened()
    token = facestream.link.split("#token=")[1]
    facestream.call("/v1/user_list", token, {"collection": "staff", "operation_tag": "before"})
    page.get_by_label("Lists of people and groups").check()
    expect(page.locator(".live-card")).to_have_count(1)
    facestream.stop()
    expect(page.locator(".stream-state")).to_have_text("Reconnecting")
    facestream.start()
    facestream.call("/v1/group_list", token, {"collection": "staff"})  # most likely before the page is back
    expect(page.locator(".stream-state")).to_have_text("Live")
    expect(page.locator(".live-card").first).to_contain_text("0 groups listed")
    expect(page.locator(".live-card")).to_have_count(2)
