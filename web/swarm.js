// The swarm of an entry, live: figures, map, charts and the table of holders.
import {ask} from "./api.js";
import {drawColumns, drawLine} from "./charts.js";
import {fromTemplate, putText, reconcile} from "./dom.js";
import {SwarmMap} from "./map.js";
import {onNewLook} from "./paint.js";
import {SwarmModel} from "./swarm_model.js";
import {countText, FAR_US, healthOf, percentText, rateText, rttText, spanText} from "./text.js";

const SAMPLES = 300;         // seconds that the throughput looks back
const SAMPLES_LEAST = 60;    // and at first
const STALLED_MS = 10000;    // nothing new for so long
const COPIES_MOST = 64;      // the index's longest histogram
const AGAIN_MS = 1000;       // least time between two questions for the same thing
const ROWS_MOST = 200;       // rows of holders in the table

export class SwarmPart {
	constructor(parts, page, entry) {
		this.parts = parts;
		this.page = page;
		this.entry = entry;
		this.closed = false;
		this.model = new SwarmModel();
		this.map = new SwarmMap(parts.map, parts.tip, this.model);
		this.pieces = null;    // the newest of /pieces or a `swarm` event
		this.peers = [];       // of /holders
		this.news = new Map(); // addr -> {down_bps, up_bps} of the newest event
		this.moved = new Map(); // addr -> {percent, at}: when it last got something
		this.kept = new Map();
		this.rates = [];
		this.crowd = 0;        // holders of the newest event
		this.stop = [onNewLook(parts.copies, () => this.drawCopies()), onNewLook(parts.rate, () => this.drawRate())];
		for (const box of ["map-box", "copies-box", "rate-box"])
			parts[box].hidden = true;
	}

	close() {
		this.closed = true;
		this.map.close();
		for (const stop of this.stop)
			stop();
	}

	// ---- what the index says ----

	// Events keep the map true, where there are any.
	async poll() {
		await Promise.all([this.askHolders(), this.model.pieces === 0 || !this.page.isLive() ? this.askPieces() : null]);
	}

	async askHolders() {
		const reply = await ask("entries/" + this.entry.id + "/holders").catch((error) => {
			if (!this.closed)
				this.page.complain(error);
		});
		if (reply === undefined || this.closed)
			return;
		this.page.complain(null);
		this.peers = reply.peers;
		const listed = new Set(this.peers.map((p) => p.addr));
		for (const addr of [...this.moved.keys()].filter((a) => !listed.has(a)))
			this.moved.delete(addr);
		this.counts = reply;
		this.show();
	}

	// An older index has no maps.
	async askPieces() {
		const reply = await ask("entries/" + this.entry.id + "/pieces").catch(() => null);
		if (this.closed || reply === null)
			return;
		this.pieces = reply;
		this.parts["map-box"].hidden = reply.holders.length === 0;
		this.model.load(reply, 1);
		this.map.layout();
		this.show();
	}

	hear(event) {
		this.pieces = {...this.pieces, ...event};
		const listed = new Set(this.peers.map((p) => p.addr));
		this.news = new Map(event.holders.map((h) => [h.addr, {down_bps: h.down_bps, up_bps: h.up_bps}]));
		if (this.isOther(event) || event.holders.some((h) => !listed.has(h.addr)))
			this.page.soon("holders", () => this.closed || this.askHolders(), AGAIN_MS);
		if (!this.model.apply(event))
			this.page.soon("pieces", () => this.closed || this.askPieces(), AGAIN_MS);
		this.map.draw();
		this.show();
	}

	// Whether somebody came or went since the last event.
	isOther(event) {
		const before = this.crowd;
		this.crowd = event.known + event.unknown;
		return this.crowd !== before;
	}

	// Once a second.
	tick() {
		// What events said grows old when no more of them come: /holders, which is asked then, knows better.
		if (!this.page.isLive())
			this.news.clear();
		const rates = this.peers.map((p) => this.rateOf(p, "down_bps")).filter((r) => r !== null);
		this.rates.push(rates.length === 0 ? null : rates.reduce((a, b) => a + b, 0));
		this.rates = this.rates.slice(-SAMPLES);
		this.drawRate();
		this.showFigures();
	}

	// ---- what is shown ----

	rateOf(peer, which) {
		const rate = (this.news.get(peer.addr) || peer)[which];
		return typeof rate === "number" ? rate : null;
	}

	percentOf(peer) {
		const at = this.model.byAddr.get(peer.addr);
		if (at === undefined || this.model.pieces === 0)
			return peer.percent;
		const percent = 100 * this.model.rows[at].have / this.model.pieces;
		return Math.floor(percent * 10) / 10;
	}

	isStalled(peer, percent, now) {
		const last = this.moved.get(peer.addr);
		if (last === undefined || last.percent !== percent || this.rateOf(peer, "down_bps") > 0) {
			this.moved.set(peer.addr, {percent, at: now});
			return false;
		}
		return peer.session === true && percent < 100 && now - last.at > STALLED_MS;
	}

	show() {
		this.showFigures();
		this.showHolders();
		this.drawCopies();
		this.describeMap();
	}

	showFigures() {
		const {parts, pieces, counts} = this;
		const last = this.rates.length > 0 ? this.rates[this.rates.length - 1] : null;
		const can = pieces?.can_complete || counts?.seeds > 0;
		// Where somebody's map is not known, nobody can say that it is hopeless.
		const hopeless = !can && pieces !== null && pieces.unknown === 0 && counts !== undefined;
		putText(parts.can, can ? "yes" : hopeless ? "no" : "not known");
		parts.can.classList.toggle("bad", hopeless);
		if (pieces !== null && pieces.known > 0) {
			putText(parts.distributed, (pieces.distributed_milli / 1000).toFixed(2));
			putText(parts.rarest, pieces.rarest.ranges === "" ? "–" :
				countText(pieces.rarest.copies, "copy", "copies"));
			parts.rarest.title = pieces.rarest.ranges === "" ? "" : "pieces " + pieces.rarest.ranges;
		} else {
			putText(parts.distributed, "not known");
			putText(parts.rarest, "not known");
		}
		if (counts)
			putText(parts.holders, counts.holders + (counts.seeds > 0 ? ", " + counts.seeds + " complete" : ""));
		putText(parts.moving, last === null ? "–" : rateText(last));
	}

	showHolders() {
		const now = performance.now(), {parts} = this;
		const rows = this.peers.slice(0, ROWS_MOST);
		parts.peers.hidden = rows.length === 0;
		reconcile(parts["peer-rows"], this.kept, rows, (p) => p.addr, () => fromTemplate("holder-row"),
			(row, peer) => this.fillHolder(row, peer, now));
		putText(parts["peers-note"], rows.length === 0 ? "Nobody who has it is on line now." :
			this.peers.length > rows.length ? "and " + (this.peers.length - rows.length) + " more" : "");
	}

	fillHolder(row, peer, now) {
		const percent = this.percentOf(peer);
		const flags = healthOf({...peer, percent}, this.isStalled(peer, percent, now));
		putText(row.addr, peer.addr);
		putText(row.client, peer.client || "");
		row.client.title = peer.client || "";
		if (row.bar.value !== percent)
			row.bar.value = percent;
		row.bar.setAttribute("aria-label", peer.addr);
		putText(row.percent, percentText(percent));
		putText(row.down, rateText(this.rateOf(peer, "down_bps")));
		putText(row.up, rateText(this.rateOf(peer, "up_bps")));
		putText(row.rtt, rttText(peer.rtt_us));
		row.rtt.classList.toggle("bad", peer.rtt_us >= FAR_US);
		putText(row.since, spanText(this.page.now() - peer.since));
		if (row.flagged === flags.join())
			return;
		row.flagged = flags.join();
		row.flags.replaceChildren(...flags.map((flag) => {
			const mark = document.createElement("span");
			mark.className = "flag " + flag.replace(" ", "-");
			mark.textContent = flag;
			return mark;
		}));
	}

	describeMap() {
		const {parts, pieces, model} = this;
		if (pieces === null)
			return;
		putText(parts["map-note"], countText(model.pieces, "piece", "pieces") + " × " +
			countText(model.rows.length, "holder", "holders") +
			(pieces.unknown > 0 ? ", " + countText(pieces.unknown, "map", "maps") + " not known" : "") +
			(pieces.known > model.rows.length ? ", " + (pieces.known - model.rows.length) + " more not drawn" : ""));
		this.map.canvas.setAttribute("aria-label", "Map of " + parts["map-note"].textContent + "; the rarest piece has " +
			countText(pieces.rarest.copies, "copy", "copies") + ". The table of holders below says the same in words.");
	}

	drawCopies() {
		const {parts, pieces} = this;
		parts["copies-box"].hidden = pieces === null || pieces.known === 0;
		if (parts["copies-box"].hidden)
			return;
		const dark = matchMedia("(prefers-color-scheme: dark)").matches;
		const key = [pieces.copies.join(), parts.copies.clientWidth, dark].join(" ");
		if (this.copiesDrawn === key)
			return;
		this.copiesDrawn = key;
		drawColumns(parts.copies, pieces.copies, pieces.copies.length === COPIES_MOST);
		const said = pieces.copies.map((n, k) => [k, n]).filter(([, n]) => n > 0)
			.map(([k, n]) => countText(n, "piece has", "pieces have") + " " + countText(k, "copy", "copies")).slice(0, 12);
		parts.copies.setAttribute("aria-label", said.join(", "));
		putText(parts["copies-note"], "columns: copies; height: pieces");
	}

	drawRate() {
		const {parts, rates} = this;
		const known = rates.filter((r) => r !== null);
		parts["rate-box"].hidden = known.length === 0;
		if (known.length === 0)
			return;
		const most = Math.max(...known);
		const seconds = Math.max(SAMPLES_LEAST, rates.length);
		drawLine(parts.rate, rates, seconds, {top: rateText(most), from: spanText(seconds) + " ago"});
		putText(parts["rate-note"], rateText(known[known.length - 1]) + " now");
		parts.rate.setAttribute("aria-label", "Throughput over the last minutes: " + rateText(known[known.length - 1]) +
			" now, at most " + rateText(most));
	}
}
