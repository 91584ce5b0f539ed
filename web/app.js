// The page: which view is shown, keys, and the stream of events that keeps it true.
import {ask, setToken, Stream} from "./api.js";
import {putText} from "./dom.js";
import {EntryView} from "./entry.js";
import {HealthView} from "./health.js";
import {ListView} from "./list.js";
import {PeersView} from "./peers.js";

const TICK_MS = 1000;
// How often a view asks by itself: with events, which come at most once a second and do not tell of one who came and
// another who went in it; and without.
const POLL_MS = {list: [5000, 3000], entry: [5000, 2000], peers: [5000, 3000], health: [2000, 2000]};
const STATUS_MS = 5000;
const STATES = {live: "live", polling: "asking every few seconds", lost: "no connection"};

const byId = (id) => document.getElementById(id);

// What the views see of this.
const page = {
	main: byId("main"),
	status: null,
	presence: null,
	now: () => Date.now() / 1000 + skew, // by the index's clock
	complain,
	soon,
	askStatus,
	isLive: () => stream.state === "live",
	listHash: () => views.list.hash(),
	hearOfAll: () => stream.open(null), // there is no such entry to hear of
};
const views = {
	list: new ListView(page),
	entry: new EntryView(page),
	peers: new PeersView(page),
	health: new HealthView(page),
};
let shown = null; // name of the view
let polled = 0, asked = -Infinity;
let skew = 0; // seconds that the index's clock is ahead
let complaint = null; // the error that is shown
const waiting = new Map(); // key -> timer
const stream = new Stream(hear);

// ---- words to the visitor ----

function complain(error) {
	const message = byId("message");
	// Why the token was dropped says more than that there is none now.
	if (error?.status === 401 && complaint?.status === 401)
		return;
	complaint = error;
	message.hidden = error === null;
	if (error === null)
		return;
	putText(message, error.message);
	if ([401, 403].includes(error.status))
		askForToken();
}

function askForToken() {
	if (!byId("token-form").hidden)
		return;
	byId("token-form").hidden = false;
	// Whoever is at something else is not taken from it.
	if (document.activeElement === document.body)
		byId("token").focus();
}

function showState(state) {
	byId("live").dataset.state = state;
	putText(byId("live-text"), STATES[state] || "");
}

// ---- questions that several views ask ----

// Calls `what` within `ms`, once for all who ask until then.
function soon(key, what, ms) {
	if (waiting.has(key))
		return;
	waiting.set(key, setTimeout(() => {
		waiting.delete(key);
		what();
	}, ms));
}

async function askStatus() {
	try {
		asked = performance.now();
		page.status = await ask("status");
		skew = page.status.now - Date.now() / 1000;
		if (shown === "list")
			views.list.say();
		else if (shown === "entry")
			views.entry.fillCommand();
		return page.status;
	} catch (error) {
		complain(error);
		return null;
	}
}

function hear(name, data) {
	if (name === "state") {
		showState(data);
		return;
	}
	if (name === "presence")
		page.presence = data;
	if (name === "catalogue")
		soon("status", askStatus, 500);
	views[shown].hear(name, data);
}

function tick() {
	if (document.hidden)
		return;
	const now = performance.now(), live = page.isLive();
	views[shown].tick?.();
	if (now - polled >= POLL_MS[shown][live ? 0 : 1]) {
		polled = now;
		views[shown].poll();
	}
	if (now - asked >= STATUS_MS && shown !== "health")
		askStatus();
}

// ---- which view ----

function routeOf(hash) {
	const [path, query] = hash.replace(/^#/, "").split("?", 2);
	const entry = /^\/entry\/(\d{1,18})$/.exec(path);
	if (entry !== null)
		return {name: "entry", argument: entry[1]};
	if (path === "/peers")
		return {name: "peers"};
	if (path === "/index")
		return {name: "health"};
	return {name: "list", argument: new URLSearchParams(query || "")};
}

function go() {
	const route = routeOf(location.hash);
	if (shown !== null)
		views[shown].hide();
	for (const timer of waiting.values())
		clearTimeout(timer);
	waiting.clear();
	complain(null);
	shown = route.name;
	polled = performance.now();
	for (const link of document.querySelectorAll("nav a")) {
		if (link.dataset.page === shown)
			link.setAttribute("aria-current", "page");
		else
			link.removeAttribute("aria-current");
	}
	views[shown].show(route.argument);
	listen();
}

function listen() {
	const entry = shown === "entry" ? routeOf(location.hash).argument : null;
	if (stream.source === null || stream.entry !== entry)
		stream.open(entry);
}

// ---- keys ----

function isTyping() {
	return document.activeElement instanceof HTMLInputElement && document.activeElement.type !== "checkbox";
}

function onKey(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open)
		return;
	const typing = isTyping();
	let taken = false;
	if (event.key === "/" && !typing) {
		if (shown !== "list") {
			location.hash = views.list.hash();
			// The view changes with the hash's event, which comes after this one.
			window.addEventListener("hashchange", () => views.list.focusSearch(), {once: true});
		} else {
			views.list.focusSearch();
		}
		taken = true;
	} else if (event.key === "?" && !typing) {
		byId("help").showModal();
		taken = true;
	} else if (!typing || ["ArrowDown", "Escape"].includes(event.key)) {
		taken = views[shown].onKey?.(event) ?? false;
	}
	if (taken)
		event.preventDefault();
}

// ---- start ----

const searched = new URLSearchParams(location.search).get("q");
if (searched !== null)
	history.replaceState(null, "", "./#/?" + new URLSearchParams({q: searched}));

byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("token-form").addEventListener("submit", (event) => {
	event.preventDefault();
	setToken(byId("token").value.trim());
	byId("token").value = "";
	byId("token-form").hidden = true;
	stream.close();
	go();
	askStatus();
});
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
	if (document.hidden) {
		stream.close();
		return;
	}
	listen();
	views[shown].poll();
});
window.addEventListener("hashchange", go);
go();
askStatus();
setInterval(tick, TICK_MS);
