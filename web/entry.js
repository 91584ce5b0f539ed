// The page of one entry: how to get it, its swarm as it is now, its files and versions.
import {API, HERE, ask, linkTo} from "./api.js";
import {copyButton, fromTemplate, putDate, putText, reconcile} from "./dom.js";
import {mergePage} from "./list_model.js";
import {SwarmPart} from "./swarm.js";
import {commandOf, countText, magnetOf, runsOf, sizeText} from "./text.js";

const FILES_AT_ONCE = 200;
const VERSIONS_AT_ONCE = 100;

// Is it this entry that was taken out, or all versions of its name?
function isGone(entry, change) {
	if (change.change !== "unpublish")
		return false;
	return change.id === null ? change.owner === entry.owner && change.name === entry.name : change.id === entry.id;
}

export class EntryView {
	constructor(page) {
		this.page = page;
		this.parts = null;
		this.entry = null;
		this.command = "";
		this.swarm = null;
		this.missed = null; // id of the entry that could not be had, and may be later
	}

	// Fresh parts for each entry: nothing of the last one can be left over.
	async show(id) {
		this.parts = fromTemplate("entry-view");
		this.entry = null;
		this.swarm = null;
		this.missed = null;
		this.versions = [];      // as far as they were asked for
		this.older = undefined;  // id that the next older one is below, null: there is none, undefined: not known
		this.keptVersions = new Map();
		const parts = this.parts;
		try {
			const entry = await ask("entries/" + id);
			if (parts !== this.parts)
				return; // somebody went on to another page
			this.entry = entry;
		} catch (error) {
			if (parts === this.parts) {
				this.page.main.replaceChildren();
				this.page.complain(error);
				if (error.status === 404)
					this.page.hearOfAll();
				else
					this.missed = id;
			}
			return;
		}
		this.page.complain(null);
		this.fill();
		this.page.main.replaceChildren(parts.node);
		window.scrollTo(0, 0);
		parts.name.focus({preventScroll: true});
		this.swarm = new SwarmPart(parts, this.page, this.entry);
		this.swarm.poll();
		this.showVersions();
	}

	hide() {
		this.parts = null;
		this.swarm?.close();
	}

	fill() {
		const {parts, entry} = this;
		document.title = runsOf(entry.name).map((run) => run.text).join("") + " · shoal";
		putText(parts.name, entry.name);
		putText(parts.owner, entry.owner);
		parts.version.textContent = entry.version;
		putDate(parts.date, entry.published_at);
		parts.size.textContent = sizeText(entry.bytes);
		putText(parts.description, entry.description || "");
		parts.description.hidden = !entry.description;
		parts.tags.replaceChildren(...(entry.tags || []).map((tag) => {
			const item = document.createElement("li"), link = document.createElement("a");
			link.href = "#/?" + new URLSearchParams({q: '"' + tag + '"'});
			putText(link, tag);
			item.append(link);
			return item;
		}));
		parts.tags.hidden = parts.tags.childElementCount === 0;
		this.fillWays();
		this.fillFiles(FILES_AT_ONCE);
		this.fillFacts();
	}

	// Again when the index has said what its pin is.
	fillCommand() {
		if (!this.parts || this.entry === null)
			return;
		this.command = commandOf(this.entry, HERE, this.page.status?.pin ?? null);
		putText(this.parts.command, this.command);
	}

	fillWays() {
		const {parts, entry} = this;
		const magnet = magnetOf(entry, HERE);
		const torrent = API + "entries/" + entry.id + "/torrent";
		this.fillCommand();
		putText(parts["magnet-text"], magnet);
		parts.magnet.href = magnet;
		putText(parts["torrent-text"], HERE + "/" + torrent);
		// The visitor's token goes to the index, not into what is passed on.
		parts.torrent.href = linkTo(torrent);
		parts.torrent.download = "";
		copyButton(parts["copy-command"], () => this.command);
		copyButton(parts["copy-magnet"], () => magnet);
		copyButton(parts["copy-torrent"], () => HERE + "/" + torrent);
		parts["qr-box"].addEventListener("toggle", () => {
			if (!parts.qr.hasAttribute("src"))
				parts.qr.src = linkTo(API + "entries/" + entry.id + "/qr.svg");
		});
	}

	fillFiles(most) {
		const {parts, entry} = this;
		const files = entry.files.slice(0, most), more = parts["more-files"];
		parts["files-count"].textContent = entry.n_files.toLocaleString("en");
		for (const file of files.slice(parts.files.childElementCount)) {
			const row = fromTemplate("file-row");
			putText(row.path, file.path);
			row.size.textContent = sizeText(file.bytes);
			if (file.sha256)
				row.node.title = "SHA-256 " + file.sha256;
			parts.files.append(row.node);
		}
		more.hidden = most >= entry.files.length;
		more.onclick = () => this.fillFiles(most + 5 * FILES_AT_ONCE);
		if (most >= entry.files.length && entry.files_left_out > 0) {
			const rest = document.createElement("li");
			rest.textContent = "and " + countText(entry.files_left_out, "more file", "more files");
			parts.files.append(rest);
		}
	}

	fillFacts() {
		const {entry} = this;
		const facts = [["Info-hash v1", entry.hash_v1], ["Info-hash v2", entry.hash_v2], ["SHA-256", entry.sha256],
			["Owner's key", entry.key], ...Object.entries(entry.meta || {})];
		this.parts.facts.replaceChildren(...facts.filter(([, value]) => value).map(([term, value]) => {
			const fact = fromTemplate("fact");
			putText(fact.term, term);
			putText(fact.value, value);
			return fact.node;
		}));
	}

	// The newest ones; those that are older than `before` join those that are there.
	async showVersions(before = null) {
		const {parts, entry} = this;
		const query = new URLSearchParams({owner: entry.owner, name: entry.name, limit: VERSIONS_AT_ONCE});
		if (before !== null)
			query.set("before", before);
		const reply = await ask("entries?" + query).catch(() => null);
		if (parts !== this.parts || reply === null)
			return;
		this.versions = mergePage(this.versions, before === null ? 0 : this.versions.length, reply.entries, true, reply.next);
		if (before !== null || this.older === undefined || reply.next === null)
			this.older = reply.next;
		reconcile(parts.versions, this.keptVersions, this.versions, (other) => other.id, () => fromTemplate("version-row"),
			(row, other) => this.fillVersion(row, other));
		parts["more-versions"].hidden = this.older === null;
		parts["more-versions"].onclick = () => this.showVersions(this.older);
	}

	fillVersion(row, other) {
		putText(row.link, "Version " + other.version);
		row.link.href = "#/entry/" + other.id;
		if (other.id === this.entry.id)
			row.link.setAttribute("aria-current", "page");
		putDate(row.date, other.published_at);
		putText(row.size, sizeText(other.bytes));
	}

	hear(name, data) {
		if (this.entry === null)
			return;
		if (name === "swarm")
			this.swarm?.hear(data);
		else if (name === "catalogue" && isGone(this.entry, data))
			this.page.complain(new Error("This entry was just taken out of the catalogue."));
		else if (name === "catalogue")
			this.page.soon("versions", () => { if (this.parts !== null) this.showVersions(); }, 1000);
	}

	poll() {
		if (this.missed !== null)
			this.show(this.missed);
		else
			this.swarm?.poll();
	}

	tick() {
		this.swarm?.tick();
	}

	onKey(event) {
		if (event.key === "Escape") {
			location.hash = this.page.listHash();
			return true;
		}
		if (event.key === "c") {
			this.parts?.["copy-command"].click();
			return true;
		}
		return false;
	}
}
