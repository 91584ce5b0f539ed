import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";

// The page's files are modules by the page's word; Node wants a package to say so.
const web = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../web");
const load = async (name) => import("data:text/javascript;base64," + fs.readFileSync(path.join(web, name)).toString("base64"));
const text = await load("text.js");
const list = await load("list_model.js");
const {bitsOf, PIECES_MAX, rangesOf, SwarmModel} = await load("swarm_model.js");

const ids = (rows) => rows.map((e) => e.id);
const rows = (...numbers) => numbers.map((id) => ({id}));

test("sizes and spans read as a person says them", () => {
	assert.equal(text.sizeText(0), "0 B");
	assert.equal(text.shortText("192.0.2.1:6881", 14), "192.0.2.1:6881");
	assert.equal(text.shortText("[2001:db8::1]:6881", 9), "[200…6881");
	assert.equal(text.shortText("[2001:db8::1]:6881", 10), "[2001…6881");
	assert.equal(text.sizeText(1023), "1023 B");
	assert.equal(text.sizeText(1024), "1.0 KiB");
	assert.equal(text.sizeText(1048575), "1.0 MiB");
	assert.equal(text.sizeText(40 * 2 ** 30), "40.0 GiB");
	assert.equal(text.sizeText(2 ** 60), "1.0 EiB");
	assert.equal(text.spanText(0), "0 s");
	assert.equal(text.spanText(59), "59 s");
	assert.equal(text.spanText(3600), "1 h");
	assert.equal(text.spanText(3661), "1 h 1 min");
	assert.equal(text.spanText(273600), "3 d 4 h");
	assert.equal(text.rttText(400), "0.4 ms");
	assert.equal(text.rateText(null), "");
});

test("characters that cannot be seen are named", () => {
	const named = text.runsOf("a\u202ebc\u200b").filter((r) => r.strange).map((r) => r.text);
	assert.deepEqual(named, ["U+202E", "U+200B"]);
	assert.deepEqual(text.runsOf("<b>é世"), [{text: "<b>é世", strange: false}]);
	assert.deepEqual(text.runsOf(""), []);
	const strange = (c) => text.runsOf(String.fromCodePoint(c)).some((r) => r.strange);
	// First and last of each range, as in tests/unit/test_text.c: neighbours are not named.
	for (const [from, to] of [[0, 0x1f], [0x7f, 0x9f], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160], [0x17b4, 0x17b5],
		[0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e], [0x2060, 0x206f], [0x3164, 0x3164], [0xfeff, 0xfeff], [0xffa0, 0xffa0],
		[0xfff0, 0xfffb], [0xfffe, 0xffff], [0xe0000, 0xe0fff]]) {
		assert.ok(strange(from) && strange(to), from.toString(16));
		assert.ok(from === 0 || !strange(from - 1), from.toString(16));
		assert.ok(!strange(to + 1), to.toString(16));
	}
	assert.ok(!strange(0xfe0f)); // emoji have it
});

test("commands are quoted for a shell, links are magnet links or nothing", () => {
	const entry = {owner: "a", name: "it's; rm", version: 2, magnet: "javascript:alert(1)"};
	assert.equal(text.commandOf(entry, "http://127.0.0.1:6969", null), "shoal get 'a/it'\\''s; rm@2'");
	assert.equal(text.commandOf({...entry, owner: "-o", name: "x"}, "http://h:1", null), "shoal get --index http://h:1 -- -o/x@2");
	assert.equal(text.commandOf({...entry, name: "x"}, "https://h:1", "sha256//Yf4/+w=="), "shoal get --index https://h:1 --pin sha256//Yf4/+w== a/x@2");
	assert.equal(text.commandOf({...entry, name: "x"}, "https://h/a;rm", null), "shoal get --index 'https://h/a;rm' a/x@2");
	assert.equal(text.commandOf({...entry, name: "x"}, "https://h:1", "; rm"), "shoal get --index https://h:1 --pin '; rm' a/x@2");
	assert.equal(text.magnetOf(entry, "http://h:1"), "magnet:?");
	assert.equal(text.magnetOf({magnet: "magnet:?xt=1"}, "http://h:1"), "magnet:?xt=1&tr=http%3A%2F%2Fh%3A1%2Fannounce");
	assert.equal(text.magnetOf({magnet: "magnet:?xt=1&tr=y"}, "http://h:1"), "magnet:?xt=1&tr=y");
});

test("holders carry flags of their health", () => {
	assert.deepEqual(text.healthOf({percent: 100, session: true, rtt_us: 300}, false), ["seed", "near"]);
	assert.deepEqual(text.healthOf({percent: 40, session: true, rtt_us: 100000}, true), ["stalled", "far"]);
	assert.deepEqual(text.healthOf({percent: 40, session: false, rtt_us: null}, false), ["partial", "map unknown"]);
	assert.deepEqual(text.healthOf({percent: 0}, false), ["starting"]);
});

test("a newest-first page takes the place of the ids that it covers", () => {
	assert.deepEqual(ids(list.mergePage([], 0, rows(9, 8, 7), true, 7)), [9, 8, 7]);
	assert.deepEqual(ids(list.mergePage(rows(9, 8, 7), 3, rows(6, 5), true, null)), [9, 8, 7, 6, 5]);
	// 10 is new, 8 is gone
	assert.deepEqual(ids(list.mergePage(rows(9, 8, 7, 6, 5), 0, rows(10, 9, 7), true, 7)), [10, 9, 7, 6, 5]);
	// 5 is gone, seen from the middle
	assert.deepEqual(ids(list.mergePage(rows(9, 8, 5, 4, 3), 2, rows(4), true, 4)), [9, 8, 4, 3]);
	assert.deepEqual(ids(list.mergePage(rows(9, 8), 0, [], true, null)), []);
});

test("a page in another order takes its places, and nothing is there twice", () => {
	assert.deepEqual(ids(list.mergePage(rows(1, 2, 3, 4), 0, rows(3, 1), false, 2)), [3, 1, 4]);
	assert.deepEqual(ids(list.mergePage(rows(1, 2), 2, rows(2, 5), false, null)), [1, 2, 5]);
});

test("a page of what is on line that ends early covers ids down to its end", () => {
	assert.deepEqual(ids(list.mergePage(rows(9, 5, 2), 0, rows(9), true, 4)), [9, 2]);
	assert.deepEqual(ids(list.mergePage(rows(9, 5, 2), 0, [], true, 4)), [2]);
	assert.deepEqual(ids(list.mergePage(rows(9, 5), 2, [], true, 3)), [9, 5]);
});

test("a second look begins where the index can be asked for what is in sight", () => {
	const pages = [{first: 0, from: null}, {first: 2, from: 40000}];
	const of = (sort, online, at) => list.beginOf({sort, online}, rows(9, 8, 7), pages, at);
	assert.deepEqual(of("newest", true, 0), {first: 0, from: null});
	assert.deepEqual(of("newest", true, 2), {first: 2, from: 8});
	assert.deepEqual(of("name", false, 2), {first: 2, from: 2});
	assert.deepEqual(of("holders", true, 2), {first: 2, from: 40000});
	assert.deepEqual(of("holders", false, 2), {first: 2, from: 2});
	assert.deepEqual(of("name", true, 1), {first: 0, from: null});
	assert.deepEqual(of("size", true, 3), {first: 2, from: 40000});
});

test("a second look does not undo how far a list was followed", () => {
	const farther = (sort, known, next, page, said) =>
		list.isFarther({sort}, rows(...known), next, 0, 2, {entries: rows(...page), next: said});
	assert.equal(farther("newest", [9], null, [9], 4), false); // the rest was looked at
	assert.equal(farther("newest", [9], 3, [9], 4), false);
	assert.equal(farther("newest", [9], 5, [9], 4), true);
	assert.equal(farther("newest", [9], 5, [9], null), true);
	assert.equal(farther("name", [9], null, [9], 20000), false);
	assert.equal(farther("name", [9], null, [9, 8], 2), true);
	assert.equal(farther("name", [9, 8, 7], null, [9, 8], 2), false);
});

test("the window holds what is in sight and some to spare", () => {
	assert.deepEqual(list.windowOf(0, 500, 50, 1000, 5), [0, 15]);
	assert.deepEqual(list.windowOf(5000, 500, 50, 1000, 5), [95, 115]);
	assert.deepEqual(list.windowOf(0, 500, 50, 3, 5), [0, 3]);
	assert.deepEqual(list.windowOf(90000, 500, 50, 100, 5), [100, 100]);
});

test("questions name only what differs from the usual", () => {
	const view = {query: "", sort: "newest", online: false};
	assert.equal(list.pageQuery(view, 100, null), "limit=100");
	assert.equal(list.pageQuery(view, 100, 7), "limit=100&before=7");
	assert.equal(list.pageQuery({query: "a b", sort: "size", online: true}, 9, 18), "limit=9&q=a+b&sort=size&online=1&offset=18");
});

test("ranges outside the map, and what is none, are left out", () => {
	assert.deepEqual(rangesOf("3-7,12", 13), [[3, 7], [12, 12]]);
	assert.deepEqual(rangesOf("12", 12), []);
	assert.deepEqual(rangesOf("7-3,a,-1,1e3,,99999999999999999999,0-0", 5), [[0, 0]]);
});

test("bitfields are read from the most significant bit, short ones end in zeros", () => {
	assert.deepEqual([...bitsOf("gQ==", 10)], [1, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
	assert.deepEqual([...bitsOf("!", 3)], [0, 0, 0]);
});

function model(pieces, columns, ...maps) {
	const m = new SwarmModel();
	m.load({pieces, holders: maps.map((map, i) => ({addr: "h" + i, map}))}, columns);
	return m;
}

test("columns stand for several pieces where there are more pieces than columns", () => {
	const m = model(10, 4, "gAA=", "//8=");
	assert.deepEqual([0, 1, 2, 3].map((c) => m.span(c)), [[0, 3], [3, 5], [5, 8], [8, 10]]);
	for (let p = 0; p < 10; p++) {
		const [from, to] = m.span(m.columnOf(p));
		assert.ok(from <= p && p < to);
	}
	assert.equal(m.level(0, 0), 1 / 3);
	assert.equal(m.level(1, 3), 1);
	assert.equal(m.rarest(0), 1);
	assert.deepEqual([...m.copies], [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
});

test("an event touches the cells of what was gained and no other", () => {
	const m = model(100, 10, "", "");
	assert.equal(m.takeDirty().whole, true);
	const said = {pieces: 100, known: 2};
	assert.equal(m.apply({...said, holders: [{addr: "h1", have: 3, changed: "0-1,55"}]}), true);
	const dirty = m.takeDirty();
	assert.equal(dirty.whole, false);
	assert.deepEqual([...dirty.rows.keys()], [1]);
	assert.deepEqual([...dirty.rows.get(1)], [0, 5]);
	assert.deepEqual([...dirty.columns], [0, 5]);
	assert.equal(m.takeDirty().rows.size, 0);
	// told twice: nothing new
	assert.equal(m.apply({...said, holders: [{addr: "h1", have: 3, changed: "0-1"}]}), true);
	assert.equal(m.takeDirty().rows.size, 0);
});

test("events that do not go on from what is known ask for the whole map", () => {
	const m = model(100, 10, "");
	assert.equal(m.apply({pieces: 100, known: 1, holders: [{addr: "h0", have: 9, changed: null}]}), false);
	assert.equal(m.apply({pieces: 100, known: 2, holders: [{addr: "new", have: 0, changed: ""}]}), false);
	assert.equal(m.apply({pieces: 100, known: 0, holders: []}), false);
	assert.equal(m.apply({pieces: 99, known: 1, holders: []}), false);
});

test("a map without end is cut", () => {
	const maps = new Array(201).fill("");
	assert.equal(model(1e9, 100, ...maps).pieces, PIECES_MAX);
	assert.equal(model(1e9, 100, ...maps).rows.length, 32);
	assert.equal(model(100, 100, ...maps).rows.length, 200);
});

test("random gains leave the model as a fresh load would have it", () => {
	let seed = 7;
	const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
	for (let round = 0; round < 50; round++) {
		const pieces = 1 + random(300), columns = 1 + random(120), bits = new Uint8Array(pieces);
		const m = model(pieces, columns, "");
		for (let i = 0; i < 20; i++) {
			const from = random(pieces), to = Math.min(pieces - 1, from + random(9));
			bits.fill(1, from, to + 1);
			const have = bits.reduce((a, b) => a + b, 0);
			assert.ok(m.apply({pieces, known: 1, holders: [{addr: "h0", have, changed: from + "-" + to}]}));
		}
		const packed = new Uint8Array((pieces + 7) >> 3);
		bits.forEach((b, p) => { packed[p >> 3] |= b << (7 - (p & 7)); });
		const fresh = model(pieces, columns, Buffer.from(packed).toString("base64"));
		assert.deepEqual(m.rows[0].cells, fresh.rows[0].cells);
		assert.deepEqual(m.copies, fresh.copies);
	}
});

test("what the page's modules ask for is asked for at once, not one after the other", () => {
	const page = fs.readFileSync(path.join(web, "index.html"), "utf8");
	const first = [...page.matchAll(/<link rel="modulepreload" href="([^"]*)">/g)].map((m) => m[1]);
	const modules = fs.readdirSync(web).filter((name) => name.endsWith(".js") && name !== "app.js");
	assert.deepEqual(first.toSorted(), modules.toSorted());
});
