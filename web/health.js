// How the index is: figures of its own.
import {drawLine} from "./charts.js";
import {fromTemplate, putText} from "./dom.js";
import {onNewLook} from "./paint.js";
import {sizeText, spanText} from "./text.js";

const SAMPLES = 150; // of about two seconds each
const SAMPLES_LEAST = 30;

export class HealthView {
	constructor(page) {
		this.page = page;
		this.parts = fromTemplate("health-view");
		this.rates = [];
		this.last = null;
		onNewLook(this.parts.rate, () => this.draw());
	}

	show() {
		document.title = "Index · shoal";
		this.page.main.replaceChildren(this.parts.node);
		window.scrollTo(0, 0);
		this.poll();
	}

	hide() {}

	hear() {}

	async poll() {
		const [status, health] = await Promise.all([
			this.page.askStatus(),
			fetch("healthz").then((r) => r.text()).catch(() => "the index does not answer"),
		]);
		if (status === null && this.last === null)
			putText(this.parts.note, "–");
		if (status === null || !this.parts.node.isConnected)
			return;
		this.page.complain(null);
		const at = performance.now() / 1000;
		// The counters start anew with the index.
		const since = this.last !== null && status.announces >= this.last.announces ? at - this.last.at : 0;
		if (since > 0)
			this.rates = [...this.rates, (status.announces - this.last.announces) / since].slice(-SAMPLES);
		this.last = {at, announces: status.announces};
		this.fill(status, health.trim());
		this.draw();
	}

	fill(status, health) {
		const rate = this.rates.at(-1);
		const sessions = status.sessions ?? this.page.presence?.sessions;
		putText(this.parts.note, "shoal " + status.version + ", up for " + spanText(status.uptime));
		this.put(this.parts.figures, [
			["Health", health],
			["Entries", status.entries.toLocaleString("en")],
			["Published", sizeText(status.bytes)],
			["Places in swarms", status.peers.toLocaleString("en")],
			["Sessions", sessions === undefined ? null : sessions.toLocaleString("en")],
			["Announces", rate === undefined ? "…" : rate.toFixed(1) + " /s"],
		]);
		const udp = status.udp || {};
		this.put(this.parts.facts, [
			["Announces", status.announces],
			["of these refused", status.announces_refused],
			["of these over UDP", udp.announces],
			["Scrapes", status.scrapes],
			["HTTP requests", status.requests],
			["Swarms now", status.swarms],
			["UDP threads", udp.threads],
			["UDP without an answer", udp.ignored],
			["UDP answers not sent", udp.dropped],
		].map(([term, n]) => [term, typeof n === "number" ? n.toLocaleString("en") : null]));
	}

	put(list, facts) {
		const shown = facts.filter(([, value]) => value !== null);
		while (list.childElementCount > shown.length)
			list.lastElementChild.remove();
		while (list.childElementCount < shown.length)
			list.append(fromTemplate("fact").node);
		shown.forEach(([term, value], i) => {
			putText(list.children[i].querySelector("dt"), term);
			putText(list.children[i].querySelector("dd"), value);
		});
	}

	draw() {
		if (!this.parts.node.isConnected || this.rates.length === 0)
			return;
		const top = Math.max(...this.rates);
		const most = Math.max(SAMPLES_LEAST, this.rates.length);
		drawLine(this.parts.rate, this.rates, most, {top: top.toFixed(1) + " /s", from: spanText(2 * most) + " ago"});
		this.parts.rate.setAttribute("aria-label", "Announces a second over the last minutes: at most " + top.toFixed(1));
		putText(this.parts["rate-note"], this.rates.at(-1).toFixed(1) + " /s now");
	}
}
