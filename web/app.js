"use strict";

// Everything an entry holds was written by strangers: it goes into the page as text nodes alone.

const API = "/api/v1/";
const PAGE = 100;
const LIMIT = 500;
const REFRESH_MS = 3000;

const list = document.getElementById("entries");
const more = document.getElementById("more");
const search = document.getElementById("q");
const statusLine = document.getElementById("status");
const message = document.getElementById("message");

const rows = new Map(); // id -> {node, entry}
const state = {query: "", limit: PAGE, turn: 0, timer: 0};

// Characters that cannot be seen, or that turn the order of others around.
const STRANGE =
	/[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/u;

function hexOf(c) {
	return "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

// Puts text into an element with its strange characters named.
function putText(element, text) {
	if (element.dataset.text === text)
		return;
	element.dataset.text = text;
	const parts = [];
	let plain = "";
	for (const c of text) {
		if (!STRANGE.test(c)) {
			plain += c;
			continue;
		}
		const mark = document.createElement("span");
		mark.className = "strange";
		mark.textContent = hexOf(c);
		parts.push(plain, mark);
		plain = "";
	}
	parts.push(plain);
	element.replaceChildren(...parts);
}

function sizeText(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
	let n = bytes, unit = 0;
	while (n >= 1024 && unit < units.length - 1) {
		n /= 1024;
		unit++;
	}
	return (unit === 0 ? n : n.toFixed(1)) + " " + units[unit];
}

function putDate(element, seconds) {
	const date = new Date(seconds * 1000);
	const two = (n) => String(n).padStart(2, "0");
	if (Number.isNaN(date.getTime())) {
		element.textContent = "?";
		return;
	}
	element.dateTime = date.toISOString();
	element.textContent = date.getFullYear() + "-" + two(date.getMonth() + 1) + "-" + two(date.getDate()) +
		" " + two(date.getHours()) + ":" + two(date.getMinutes());
}

// ---- what a visitor can do with an entry ----

function quoted(text) {
	return /^[A-Za-z0-9_.,:\/@+=-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
}

function command(entry) {
	const ref = entry.owner + "/" + entry.name + "@" + entry.version;
	const here = location.origin === "http://127.0.0.1:6969" ? "" : " --index " + location.origin;
	return "shoal get" + here + (ref.startsWith("-") ? " -- " : " ") + quoted(ref);
}

function magnet(entry) {
	const tracker = "&tr=" + encodeURIComponent(location.origin + "/announce");
	return entry.magnet.startsWith("magnet:?") ? entry.magnet + tracker : "magnet:?";
}

// The clipboard interface is there on https and loopback only.
async function copy(text) {
	if (navigator.clipboard)
		return navigator.clipboard.writeText(text);
	const field = document.createElement("textarea");
	field.value = text;
	document.body.append(field);
	field.select();
	const done = document.execCommand("copy");
	field.remove();
	if (!done)
		throw new Error("not copied");
}

async function onCopy(row) {
	const button = row.node.querySelector(".copy");
	try {
		await copy(command(row.entry));
		button.textContent = "Copied";
	} catch {
		button.textContent = "Select it by hand";
	}
	button.focus();
	setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// ---- holders ----

function holderNode(peer) {
	const node = document.getElementById("holder").content.cloneNode(true);
	putText(node.querySelector(".addr"), peer.addr);
	putText(node.querySelector(".client"), peer.client);
	node.querySelector(".percent").textContent = peer.percent.toFixed(1) + " %";
	putDate(node.querySelector(".since"), peer.since);
	return node;
}

function holderTable(peers) {
	const table = document.createElement("table");
	const head = table.createTHead().insertRow();
	for (const title of ["Address", "Client", "Has", "Since"]) {
		const cell = document.createElement("th");
		cell.scope = "col";
		cell.textContent = title;
		head.append(cell);
	}
	table.createTBody().append(...peers.map(holderNode));
	return table;
}

async function showHolders(row) {
	const box = row.node.querySelector(".holders");
	if (box.hidden)
		return;
	try {
		const reply = await ask("entries/" + row.entry.id + "/holders");
		if (reply.peers.length === 0)
			box.textContent = "Nobody who has it is on line now.";
		else
			box.replaceChildren(holderTable(reply.peers));
	} catch (error) {
		box.textContent = error.message;
	}
}

function onToggle(row) {
	const box = row.node.querySelector(".holders");
	box.hidden = !box.hidden;
	row.node.querySelector(".online").setAttribute("aria-expanded", String(!box.hidden));
	showHolders(row);
}

// ---- the list ----

function newRow(entry) {
	const node = document.getElementById("entry").content.firstElementChild.cloneNode(true);
	const row = {node, entry};
	node.querySelector(".copy").addEventListener("click", () => onCopy(row));
	node.querySelector(".online").addEventListener("click", () => onToggle(row));
	return row;
}

function fill(row, entry) {
	const part = (name) => row.node.querySelector("." + name);
	const online = part("online");
	row.entry = entry;
	putText(part("name"), entry.name);
	putText(part("owner"), entry.owner);
	part("version").textContent = entry.version;
	part("size").textContent = sizeText(entry.bytes) + (entry.n_files === 1 ? "" : ", " + entry.n_files + " files");
	putDate(part("date"), entry.published_at);
	online.textContent = entry.holders + (entry.holders === 1 ? " holder" : " holders");
	online.title = entry.seeds + " complete, " + entry.online + " peers in all";
	online.classList.toggle("live", entry.holders > 0);
	putText(part("command"), command(entry));
	part("magnet").href = magnet(entry);
	part("torrent").href = API + "entries/" + entry.id + "/torrent";
	showHolders(row);
}

function render(reply) {
	const seen = new Set();
	let before = list.firstElementChild;
	for (const entry of reply.entries) {
		const row = rows.get(entry.id) || newRow(entry);
		rows.set(entry.id, row);
		seen.add(entry.id);
		fill(row, entry);
		if (row.node === before)
			before = before.nextElementSibling;
		else
			list.insertBefore(row.node, before);
	}
	for (const [id, row] of rows) {
		if (!seen.has(id)) {
			row.node.remove();
			rows.delete(id);
		}
	}
	more.hidden = reply.next === null || state.limit >= LIMIT;
	list.setAttribute("aria-busy", "false");
}

async function ask(path) {
	const reply = await fetch(API + path, {headers: {Accept: "application/json"}, credentials: "omit"})
		.catch(() => { throw new Error("The index does not answer."); });
	const json = await reply.json().catch(() => ({}));
	if (!reply.ok)
		throw new Error(json.error ? json.error.message : "The index answers with status " + reply.status + ".");
	return json;
}

function countText(n, one, many) {
	return n.toLocaleString() + " " + (n === 1 ? one : many);
}

function noteOn(reply) {
	if (reply.entries.length === 0 && state.query !== "")
		return "; nothing matches";
	return reply.next !== null && state.limit >= LIMIT ? "; the newest " + LIMIT + " are shown, search for others" : "";
}

async function refresh() {
	const turn = ++state.turn;
	const query = state.query === "" ? "" : "&q=" + encodeURIComponent(state.query);
	clearTimeout(state.timer);
	try {
		const [reply, about] = await Promise.all([ask("entries?limit=" + state.limit + query), ask("status")]);
		if (turn !== state.turn)
			return; // a newer question is under way
		render(reply);
		const text = countText(about.entries, "entry", "entries") + ", " + sizeText(about.bytes) + " in all" +
			noteOn(reply);
		if (statusLine.textContent !== text)
			statusLine.textContent = text;
		message.hidden = true;
	} catch (error) {
		if (turn !== state.turn)
			return;
		putText(message, error.message);
		message.hidden = false;
	}
	state.timer = setTimeout(refresh, REFRESH_MS);
}

// ---- input ----

let typing = 0;

function onSearch() {
	const query = search.value.trim();
	if (query === state.query)
		return;
	state.query = query;
	state.limit = PAGE;
	history.replaceState(null, "", query === "" ? "/" : "/?q=" + encodeURIComponent(query));
	refresh();
}

search.addEventListener("input", () => {
	clearTimeout(typing);
	typing = setTimeout(onSearch, 150);
});
document.getElementById("search").addEventListener("submit", (event) => {
	event.preventDefault();
	onSearch();
});
more.addEventListener("click", () => {
	state.limit = Math.min(state.limit + PAGE, LIMIT);
	refresh();
});
document.addEventListener("keydown", (event) => {
	if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && document.activeElement !== search) {
		event.preventDefault();
		search.focus();
		search.select();
	}
});
document.addEventListener("visibilitychange", () => {
	clearTimeout(state.timer);
	if (!document.hidden)
		refresh();
});

search.value = new URLSearchParams(location.search).get("q") || "";
state.query = search.value.trim();
refresh();
