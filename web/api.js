// Questions to the index, and the stream of what happens there.

// Below a path of another site's, too: whatever is asked for is told from where the page is.
export const API = "api/v1/";
// Where the index is, as programs are told it.
export const HERE = new URL(".", location.href).href.slice(0, -1);
const KEY = "shoal-token";
// An index without a stream of events (an older one, or one whose streams are all taken) is asked again after this.
const RETRY_MS = 30000;

export class Refusal extends Error {
	constructor(message, status) {
		super(message);
		this.status = status;
	}
}

// ---- the token, on an index that is not open to all; forgotten with the tab ----

let token = "";
try {
	token = sessionStorage.getItem(KEY) || "";
} catch {
	// A browser without storage: the token is asked for at each visit.
}

export function setToken(text) {
	token = text;
	try {
		sessionStorage.setItem(KEY, text);
	} catch {
		// see above
	}
}

// For what the browser fetches by itself: links, images, streams.
export function linkTo(path) {
	return token === "" ? path : path + (path.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
}

export async function ask(path) {
	const headers = {Accept: "application/json"}, shown = token;
	if (shown !== "")
		headers.Authorization = "Bearer " + shown;
	const reply = await fetch(API + path, {headers, credentials: "omit"})
		.catch(() => { throw new Refusal("The index does not answer.", 0); });
	const json = await reply.json().catch(() => ({}));
	// A token that is good for nothing is not shown again, unless the visitor has given another one meanwhile.
	if (reply.status === 401 && shown !== "" && shown === token)
		setToken("");
	if (!reply.ok)
		throw new Refusal(json.error ? json.error.message : "The index answers with status " + reply.status + ".",
			reply.status);
	return json;
}

// ---- events ----

// One stream at a time, about the catalogue and, when `entry` is given, one swarm. `hear(name, data)` gets
// "catalogue", "presence" and "swarm" with what they carry, and "state" with "live", "polling" (there is no
// stream: ask by yourself) or "lost".
export class Stream {
	constructor(hear) {
		this.hear = hear;
		this.source = null;
		this.timer = 0;
		this.entry = null;
		this.state = "";
	}

	open(entry) {
		this.close();
		this.entry = entry;
		const path = API + "events" + (entry === null ? "" : "?entry=" + entry);
		const source = new EventSource(linkTo(path));
		this.source = source;
		source.onopen = () => this.become("live");
		source.onerror = () => {
			if (source.readyState !== EventSource.CLOSED) {
				this.become("lost");
				return;
			}
			this.become("polling");
			this.timer = setTimeout(() => this.open(entry), RETRY_MS);
		};
		for (const name of ["catalogue", "presence", "swarm"]) {
			source.addEventListener(name, (event) => {
				let data;
				try {
					data = JSON.parse(event.data);
				} catch {
					return;
				}
				this.hear(name, data);
			});
		}
	}

	become(state) {
		this.state = state;
		this.hear("state", state);
	}

	close() {
		clearTimeout(this.timer);
		if (this.source !== null)
			this.source.close();
		this.source = null;
	}
}
