// The catalogue: search, order, and a list of which only the rows in sight are in the document.
import {ask} from "./api.js";
import {fromTemplate, putDate, putText} from "./dom.js";
import {beginOf, isFarther, mergePage, pageQuery, windowOf} from "./list_model.js";
import {countText, sizeText} from "./text.js";

const FIRST = 50; // rows asked for at first, and again and again
const PAGE = 100;
const SPARE = 12;      // rows kept above and below those in sight
const TYPING_MS = 120; // how long a pause in typing is
const SORTS = ["newest", "name", "size", "holders"];

export class ListView {
	constructor(page) {
		this.page = page;
		this.parts = fromTemplate("list-view");
		this.view = {query: "", sort: "newest", online: false};
		this.rows = [];
		this.next = null;
		this.pages = [];       // {first, from} of those that brought rows: position of the first one, and what it was asked by
		this.kept = new Map(); // position in the list -> parts of its row
		this.turn = 0;
		this.reached = null;   // `next` when more rows were asked for
		this.loading = false;
		this.stale = false;    // something changed while an answer was under way
		this.missed = false;   // a new question was refused, or not answered
		this.scrolled = 0;
		this.left = null;      // id of the entry from whose row the visitor went on
		this.typing = 0;
		this.listen();
	}

	listen() {
		const {search, form, sorts, online, entries} = this.parts;
		search.addEventListener("input", () => {
			clearTimeout(this.typing);
			this.typing = setTimeout(() => this.changed(), TYPING_MS);
		});
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			this.changed();
			this.focusRow(0);
		});
		sorts.addEventListener("click", (event) => {
			if (event.target.dataset.sort)
				this.changed({sort: event.target.dataset.sort});
		});
		online.addEventListener("change", () => this.changed({online: online.checked}));
		entries.addEventListener("keydown", (event) => this.onRowKey(event));
		window.addEventListener("scroll", () => this.draw(), {passive: true});
		window.addEventListener("resize", () => this.draw());
	}

	// ---- what is asked for ----

	hash() {
		const p = new URLSearchParams();
		if (this.view.query !== "")
			p.set("q", this.view.query);
		if (this.view.sort !== "newest")
			p.set("sort", this.view.sort);
		if (this.view.online)
			p.set("online", "1");
		return "#/" + (p.size > 0 ? "?" + p : "");
	}

	changed(what = {}) {
		clearTimeout(this.typing);
		const old = this.hash();
		Object.assign(this.view, what, {query: this.parts.search.value.trim()});
		if (this.hash() === old)
			return;
		history.replaceState(null, "", this.hash());
		this.start();
	}

	show(params) {
		const sort = params.get("sort");
		const old = this.hash();
		this.view = {
			query: (params.get("q") || "").trim(),
			sort: SORTS.includes(sort) ? sort : "newest",
			online: params.get("online") === "1",
		};
		this.page.main.replaceChildren(this.parts.node);
		if (document.activeElement !== this.parts.search)
			this.parts.search.value = this.view.query;
		document.title = "shoal";
		if (this.rows.length === 0 || this.hash() !== old) {
			this.start();
			return;
		}
		this.draw();
		window.scrollTo(0, this.scrolled);
		const at = this.rows.findIndex((entry) => entry.id === this.left);
		if (at >= 0 && document.activeElement === document.body)
			this.focusRow(at);
		this.refresh();
	}

	hide() {
		this.scrolled = window.scrollY;
		this.left = this.rows[document.activeElement.dataset.at]?.id ?? null;
		clearTimeout(this.typing);
	}

	// A new question: from the top.
	start() {
		for (const button of this.parts.sorts.children)
			button.setAttribute("aria-pressed", String(button.dataset.sort === this.view.sort));
		this.parts.online.checked = this.view.online;
		this.reached = null;
		window.scrollTo(0, 0);
		this.load(0, FIRST, null, true);
	}

	// `first`, `from`: as beginOf() says.
	async load(first, limit, from, anew) {
		const turn = ++this.turn;
		const query = pageQuery(this.view, limit, from);
		this.loading = true;
		try {
			const reply = await ask("entries?" + query);
			if (turn !== this.turn)
				return; // a newer question is under way
			const rows = anew ? [] : this.rows;
			const goesOn = from !== null && from === this.next;
			if (anew)
				this.pages = [{first, from}];
			else if (goesOn && reply.entries.length > 0)
				this.pages.push({first, from});
			if (anew || goesOn || isFarther(this.view, rows, this.next, first, limit, reply))
				this.next = reply.next;
			this.rows = mergePage(rows, first, reply.entries, this.view.sort === "newest", reply.next);
			this.missed = false;
			this.page.complain(null);
			this.loading = false;
			this.draw();
			this.say();
		} catch (error) {
			if (turn === this.turn) {
				this.page.complain(error);
				if (anew)
					this.miss();
			}
		} finally {
			if (turn === this.turn) {
				this.loading = false;
				if (this.stale)
					this.refresh();
			}
		}
	}

	// Rows that are there are an answer to the question before this one.
	miss() {
		this.missed = true;
		this.rows = [];
		this.pages = [];
		this.next = null;
		this.draw();
		this.say();
	}

	// The rows in sight once more, since counts and entries change.
	refresh() {
		this.stale = this.loading;
		if (this.loading)
			return; // an answer that is under way may be older than what is asked for
		if (this.missed) {
			this.load(0, FIRST, null, true);
			return;
		}
		const [at, to] = this.inSight();
		const {first, from} = beginOf(this.view, this.rows, this.pages, at);
		this.reached = null;
		this.load(first, Math.max(FIRST, to - first), from, false);
	}

	// ---- drawing ----

	rowHeight() {
		return parseFloat(getComputedStyle(this.parts.entries).getPropertyValue("--row"));
	}

	inSight() {
		const top = this.parts.entries.getBoundingClientRect().top;
		return windowOf(Math.max(0, -top), window.innerHeight, this.rowHeight(), this.rows.length, SPARE);
	}

	draw() {
		if (!this.parts.node.isConnected)
			return;
		const height = this.rowHeight();
		const [from, to] = this.inSight();
		this.parts.entries.style.height = this.rows.length * height + "px";
		for (const [at, row] of this.kept) {
			if (at < from || at >= to) {
				row.node.remove();
				this.kept.delete(at);
			}
		}
		for (let at = from; at < to; at++)
			this.drawRow(at, height);
		// A page that led nowhere is not asked for again before the next look at the list.
		if (this.next !== null && !this.loading && to + SPARE >= this.rows.length && this.reached !== this.next) {
			this.reached = this.next;
			this.load(this.rows.length, PAGE, this.next, false);
		}
	}

	drawRow(at, height) {
		let row = this.kept.get(at);
		if (row === undefined) {
			row = fromTemplate("list-row");
			row.node.style.top = at * height + "px";
			row.link.dataset.at = at;
			this.kept.set(at, row);
			this.parts.entries.insertBefore(row.node, this.kept.get(at + 1)?.node ?? null);
		} else if (row.entry === this.rows[at] && row.height === height && row.of === this.rows.length) {
			return;
		}
		row.height = height;
		row.of = this.rows.length;
		row.node.style.top = at * height + "px";
		row.node.setAttribute("aria-posinset", at + 1);
		row.node.setAttribute("aria-setsize", this.next === null ? this.rows.length : -1);
		if (row.entry !== this.rows[at])
			this.fill(row, this.rows[at]);
	}

	fill(row, entry) {
		const about = [entry.description, ...(entry.tags || [])].filter((t) => t !== "").join(" · ");
		row.entry = entry;
		row.link.href = "#/entry/" + entry.id;
		putText(row.name, entry.name);
		putText(row.owner, entry.owner);
		row.version.textContent = entry.version;
		putText(row.about, about);
		row.dot.hidden = about === "";
		row.size.textContent = sizeText(entry.bytes);
		putDate(row.date, entry.published_at);
		row.holders.textContent = entry.holders === 0 ? "nobody" : countText(entry.holders, "holder", "holders");
		row.held.title = entry.seeds + " complete, " + entry.online + " peers in all";
		row.node.classList.toggle("on", entry.holders > 0);
	}

	say() {
		const {rows, next, view} = this;
		if (this.missed) {
			this.parts.entries.setAttribute("aria-busy", "false");
			this.parts.empty.hidden = true;
			putText(this.parts.count, "–");
			return;
		}
		const plain = view.query === "" && !view.online;
		const entries = countText(rows.length, "entry", "entries");
		const searching = rows.length === 0 && next !== null; // nobody was on line among those looked at so far
		const n = next === null ? entries : searching ? "no entry so far" : "more than " + entries;
		this.parts.entries.setAttribute("aria-busy", String(searching));
		this.parts.empty.hidden = rows.length > 0 || searching;
		putText(this.parts.empty, plain ? "Nothing is published here yet. On a machine with files: shoal share FILE" :
			"Nothing matches" + (view.online ? " among what is on line." : "."));
		if (!plain || this.page.status === null)
			putText(this.parts.count, n + (view.query === "" ? "" : " found"));
		else
			putText(this.parts.count, countText(this.page.status.entries, "entry", "entries") + ", " +
				sizeText(this.page.status.bytes));
	}

	// ---- keyboard ----

	focusSearch() {
		this.parts.search.focus();
		this.parts.search.select();
	}

	focusRow(at) {
		const to = Math.max(0, Math.min(at, this.rows.length - 1));
		if (this.rows.length === 0)
			return;
		const list = this.parts.entries.getBoundingClientRect().top + window.scrollY;
		const height = this.rowHeight();
		const top = list + to * height;
		if (top < window.scrollY + height)
			window.scrollTo(0, Math.max(0, top - height));
		else if (top + 2 * height > window.scrollY + window.innerHeight)
			window.scrollTo(0, top + 2 * height - window.innerHeight);
		this.draw();
		this.kept.get(to)?.link.focus({preventScroll: true});
	}

	onRowKey(event) {
		const at = Number(event.target.dataset.at);
		const inPage = Math.max(1, Math.floor(window.innerHeight / this.rowHeight()) - 2);
		const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.rows.length - 1, PageDown: at + inPage,
			PageUp: at - inPage}[event.key];
		if (to === undefined || Number.isNaN(at))
			return;
		event.preventDefault();
		event.stopPropagation();
		if (to < 0)
			this.focusSearch();
		else
			this.focusRow(to);
	}

	// Keys that no row took.
	onKey(event) {
		if (event.key === "ArrowDown") {
			const [from] = this.inSight();
			this.focusRow(from === 0 ? 0 : from + SPARE);
			return true;
		}
		if (event.key === "Escape") {
			this.parts.search.value = "";
			this.changed();
			this.parts.search.blur();
			return true;
		}
		return false;
	}

	hear(name) {
		if (name === "catalogue" || name === "presence")
			this.page.soon("list", () => this.refresh(), 500);
	}

	poll() {
		this.refresh();
	}
}
