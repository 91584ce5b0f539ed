// Who is on line.
import {ask} from "./api.js";
import {fromTemplate, putText, reconcile} from "./dom.js";
import {countText, spanText} from "./text.js";

export class PeersView {
	constructor(page) {
		this.page = page;
		this.parts = fromTemplate("peers-view");
		this.kept = new Map();
	}

	show() {
		document.title = "Peers · shoal";
		this.page.main.replaceChildren(this.parts.node);
		window.scrollTo(0, 0);
		this.poll();
	}

	hide() {}

	async poll() {
		let reply;
		try {
			reply = await ask("peers?limit=500");
		} catch (error) {
			this.page.complain(error);
			if (this.kept.size === 0)
				putText(this.parts.note, "–");
			return;
		}
		this.page.complain(null);
		const now = this.page.now();
		reconcile(this.parts.rows, this.kept, reply.peers, (p) => p.addr, () => fromTemplate("peer-row"), (row, peer) => {
			putText(row.addr, peer.addr);
			putText(row.client, peer.client || "");
			row.client.title = peer.client || "";
			putText(row.swarms, String(peer.swarms));
			putText(row.seeding, String(peer.seeding));
			putText(row.since, spanText(now - peer.since));
			putText(row.seen, spanText(now - peer.seen) + " ago");
		});
		putText(this.parts.note, reply.peers.length === 0 ? "Nobody is on line." :
			countText(reply.peers.length + reply.left_out, "peer", "peers") +
			(reply.left_out > 0 ? ", of whom the " + reply.peers.length + " heard last are shown" : "") + ".");
	}

	hear(name) {
		if (name === "presence")
			this.page.soon("peers", () => this.poll(), 500);
	}
}
