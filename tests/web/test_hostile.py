#!/usr/bin/python3
"""Text of strangers in the page stays text (O-35, G-26): 30 payloads in every field, in a real Chromium."""

import json

import chrome
import fake_index as fake
from chrome import h
from harness import check, check_eq, test

# Each calls hit() if it comes to life anywhere.
PAYLOADS = [
    "<script>hit()</script>", "<img src=x onerror=hit()>", "<svg onload=hit()>", "<svg><script>hit()</script></svg>",
    "\"><script>hit()</script>", "'><img src=x onerror=hit()>", "</title><script>hit()</script>",
    "</textarea><script>hit()</script>", "</style><script>hit()</script>", "</script><script>hit()</script>",
    "<iframe srcdoc='<script>parent.hit()</script>'></iframe>", "<iframe src=javascript:hit()>", "javascript:hit()",
    "<a href=javascript:hit()>x</a>", "<body onload=hit()>", "<input autofocus onfocus=hit()>",
    "<details open ontoggle=hit()>",
    "<video><source onerror=hit()></video>", "<math><mtext><img src=x onerror=hit()></mtext></math>",
    "<object data=javascript:hit()></object>", "<embed src=javascript:hit()>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:hit()'>", "<base href=//evil.example/>",
    "<!--<img src=--><img src=x onerror=hit()>",
    "{{constructor.constructor('hit()')()}}", "${hit()}", "<template><script>hit()</script></template>",
    "\" onmouseover=hit() x=\"", "<style>@import '//evil.example/x.css';*{background:url(//evil.example/y)}</style>",
]
INVISIBLE = "a\u202eb\u200bc\u0007d"
# Nothing but what the page's own files put there.
SOUND = """(() => {
    const bad = document.querySelectorAll(
        "iframe, object, embed, base, video, math, svg, main script, main style, main link, main meta");
    const own = ["/icon.svg", "/api/v1/"];
    const images = [...document.images].map((i) => new URL(i.src || "/icon.svg", location).pathname)
        .filter((path) => !own.some((o) => path.startsWith(o)));
    const links = [...document.links].filter((a) => !/^(http:\\/\\/127\\.0\\.0\\.1:|magnet:\\?)/.test(a.href));
    const handlers = [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some(
        (a) => /^on|^style$/.test(a.name) && !(a.name === "style" && (e.matches(".row, .entries, canvas")))));
    return [bad.length, images.length, links.length, handlers.length].join();
})()"""


TRAP = "window.hits = 0; window.hit = () => { window.hits++; };"


def check_inert(p, where):
    # Time for what would come to life: two frames and an empty queue.
    p.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
    check_eq(p.eval("window.hits"), 0, f"payloads that ran in {where}")
    check_eq(p.eval(SOUND), "0,0,0,0", f"elements of strangers in {where}")


@test("O-35: 30 payloads in each field of entries, files, holders and errors are inert", seconds=120)
def _(w):
    entries = [fake.entry(i, name=x, owner=x, description=x, tags=[x, x + "2"], meta={x: x}, key=x, sha256=x, hash_v1=x,
                          hash_v2=x,
                          magnet=x if i % 2 else "magnet:?xt=" + x,
                          files=[{"path": x + "/" + x, "bytes": 1, "sha256": x}], holders=1)
               for i, x in enumerate(PAYLOADS, 1)]
    index = fake.FakeIndex(w, entries)
    for i, x in enumerate(PAYLOADS, 1):
        swarm = fake.Swarm(20, [])
        swarm.bits = {x + ":1": bytearray(20)}
        swarm.facts = {x + ":1": {"client": x, "percent": 1.0}}
        swarm.unknown = [{"addr": x + ":2", "client": x, "percent": 3.0}]
        index.swarms[i] = swarm
    b = chrome.Browser(w)
    p = b.page(index.url, height=3000, before=TRAP)
    p.wait("document.querySelectorAll('.row').length === 30")
    names = p.eval("[...document.querySelectorAll('.row .name')].map((e) => e.textContent)")
    check_eq(sorted(names), sorted(PAYLOADS), "names are shown as they are")
    check_inert(p, "the list")
    for i, x in enumerate(PAYLOADS, 1):
        p.eval(f"location.hash = '#/entry/{i}'")
        p.wait(f"document.querySelector('h1')?.textContent === {json.dumps(x)}")
        p.wait("document.querySelectorAll('.holders tbody tr').length === 2")
        p.wait("document.querySelector('.map canvas').height > 30")
        check(p.eval(f"document.querySelector('.holders').textContent.includes({json.dumps(x)})"),
              "the client's name is shown", x)
        check(p.text(".path") == x + "/" + x, "the path is shown", x)
        href = p.eval("document.querySelector('[data-part=magnet]').href")
        check(href.startswith("magnet:?"), "the magnet link is one", href)
        check_inert(p, f"the entry {x}")
    index.tell("catalogue", {"change": PAYLOADS[0], "id": PAYLOADS[1]})
    index.tell("swarm", {"pieces": 20, "known": 1, "unknown": 0, "copies": [20],
                         "rarest": {"copies": 0, "ranges": PAYLOADS[0]},
                         "distributed_milli": 0, "can_complete": False,
                         "holders": [{"addr": PAYLOADS[-1] + ":1", "have": 0, "down_bps": None, "up_bps": None,
                                      "changed": PAYLOADS[0]}]}, 30)
    check_inert(p, "events")
    p.eval("location.hash = '#/peers'")
    p.wait("document.querySelectorAll('tbody tr').length === 60")
    check_inert(p, "the peers")
    for x in PAYLOADS:
        p.eval(f"location.hash = '#/?q=' + encodeURIComponent({json.dumps(x)})")
        found = json.dumps(sorted(y for y in PAYLOADS if x in y))
        p.wait(f"JSON.stringify([...document.querySelectorAll('.row .name')].map((e) => e.textContent).sort()) === "
               f"JSON.stringify({found}.sort())", what=f"{x} is found")
    check_inert(p, "searches")
    p.check_quiet()


@test("O-35: what an index refuses is shown as text, whatever it says")
def _(w):
    index = fake.FakeIndex(w)
    index.say = ""
    send = index.send
    index.send = lambda r, status, kind, body: send(
        r, 400, kind, json.dumps({"error": {"code": index.say, "message": index.say}}).encode()) \
        if "q=" in r.path else send(r, status, kind, body)
    p = chrome.Browser(w).page(index.url, before=TRAP, allowed=("400",))
    p.wait_text(".empty", "Nothing is published")
    for n, x in enumerate(PAYLOADS):
        index.say = x
        p.eval(f"location.hash = '#/?q={n}'")
        p.wait(f"document.querySelector('#message').textContent === {json.dumps(x)}")
        check_inert(p, "an error")
    p.check_quiet()


@test("O-35: payloads published with a real index are inert, invisible characters are named", seconds=120)
def _(w):
    index = w.index()
    a = w.peer("alice")
    sane = [x for x in PAYLOADS if "/" not in x]
    for i, x in enumerate(sane[:6]):
        a.share(h.make_file(a.path(f"f{i}"), 100, seed=i), "--description", x, "--meta", f"note={x}", name=x).stop()
    folder = h.make_tree(a.path("folder"), {x: 10 for x in sane})
    a.share(folder)
    p = chrome.Browser(w).page(index.url, before=TRAP)
    p.wait("document.querySelectorAll('.row').length === 7")
    check_inert(p, "the list")
    for i in range(1, 8):
        p.eval(f"location.hash = '#/entry/{i}'")
        p.wait(f"document.querySelector('[data-part=torrent]')?.href.endsWith('/{i}/torrent')")
        check_inert(p, f"entry {i}")
    p.wait(f"document.querySelectorAll('.path').length === {len(sane)}")
    p.check_quiet()


@test("characters that cannot be seen are named in names, paths and titles")
def _(w):
    index = fake.FakeIndex(w, [fake.entry(1, name=INVISIBLE)])
    p = chrome.Browser(w).page(index.url + "/#/entry/1")
    p.wait("document.querySelector('h1')?.textContent === 'aU+202EbU+200BcU+0007d'")
    check_eq(p.eval("document.title"), "aU+202EbU+200BcU+0007d · shoal", "the title")
    p.check_quiet()


if __name__ == "__main__":
    raise SystemExit(h.main())
