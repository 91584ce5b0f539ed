// Who holds which piece, as cells of a grid that fits the screen. Pure: no document, no network.
//
// A column stands for one piece, or for several where there are more pieces than columns. Only cells that
// changed are named to who draws: 200 holders x 2,000 pieces are drawn once and then touched up.

// What an index may make a page hold: pieces, rows, and both multiplied, a byte each.
export const PIECES_MAX = 1 << 20;
const HOLDERS_MAX = 200;
const CELLS_MAX = 1 << 25;

// "3-7,12" as [[3, 7], [12, 12]]; what is no range within 0..n-1 is left out.
export function rangesOf(text, n) {
	const out = [];
	for (const part of text.split(",")) {
		const m = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
		if (m === null)
			continue;
		const from = Number(m[1]), to = m[2] === undefined ? from : Number(m[2]);
		if (from <= to && to < n)
			out.push([from, to]);
	}
	return out;
}

// Base64 of a bitfield, most significant bit first, as one byte per piece; short maps end in zeros.
export function bitsOf(base64, n) {
	const bits = new Uint8Array(n);
	let raw;
	try {
		raw = atob(base64);
	} catch {
		return bits;
	}
	for (let i = 0; i < n && i >> 3 < raw.length; i++)
		bits[i] = (raw.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
	return bits;
}

export class SwarmModel {
	constructor() {
		this.pieces = 0;
		this.columns = 0;
		this.most = HOLDERS_MAX;  // rows
		this.rows = [];           // {addr, bits, have, cells: pieces held per column}
		this.byAddr = new Map();
		this.copies = new Uint16Array(0); // per piece, among the rows
		this.dirtyRows = new Map(); // row number -> Set of columns
		this.dirtyColumns = new Set();
		this.whole = true;        // everything is to be drawn
	}

	// The answer of /pieces.
	load(reply, most) {
		this.pieces = Math.min(reply.pieces, PIECES_MAX);
		this.most = Math.min(HOLDERS_MAX, Math.floor(CELLS_MAX / Math.max(1, this.pieces)));
		this.rows = reply.holders.slice(0, this.most).map((h) => {
			const bits = bitsOf(h.map, this.pieces);
			return {addr: h.addr, bits, have: bits.reduce((a, b) => a + b, 0), cells: null};
		});
		this.byAddr = new Map(this.rows.map((row, i) => [row.addr, i]));
		this.copies = new Uint16Array(this.pieces);
		for (const row of this.rows)
			for (let p = 0; p < this.pieces; p++)
				this.copies[p] += row.bits[p];
		this.fit(most);
	}

	// At most `most` columns from now on.
	fit(most) {
		this.columns = Math.max(1, Math.min(this.pieces, most));
		for (const row of this.rows) {
			row.cells = new Uint32Array(this.columns);
			for (let p = 0; p < this.pieces; p++)
				row.cells[this.columnOf(p)] += row.bits[p];
		}
		this.dirtyRows.clear();
		this.dirtyColumns.clear();
		this.whole = true;
	}

	columnOf(piece) {
		return Math.floor(piece * this.columns / this.pieces);
	}

	// First piece of a column, and the first of the next one.
	span(column) {
		return [Math.ceil(column * this.pieces / this.columns), Math.ceil((column + 1) * this.pieces / this.columns)];
	}

	// How full a cell is, 0 to 1.
	level(row, column) {
		const [from, to] = this.span(column);
		return this.rows[row].cells[column] / (to - from);
	}

	// Copies of the rarest piece of a column.
	rarest(column) {
		const [from, to] = this.span(column);
		let least = Infinity;
		for (let p = from; p < to; p++)
			least = Math.min(least, this.copies[p]);
		return least;
	}

	// Data of a `swarm` event. Returns false when it does not go on from what is known: ask /pieces again.
	apply(event) {
		let whole = event.pieces === this.pieces && Math.min(event.known, this.most) === this.rows.length;
		for (const h of event.holders) {
			const at = this.byAddr.get(h.addr);
			if (at === undefined) {
				whole = this.rows.length >= this.most && whole;
				continue;
			}
			for (const [from, to] of rangesOf(h.changed || "", this.pieces))
				this.gain(at, from, to);
			if (this.rows[at].have !== h.have)
				whole = false;
		}
		return whole;
	}

	gain(at, from, to) {
		const row = this.rows[at];
		for (let p = from; p <= to; p++) {
			if (row.bits[p])
				continue;
			const column = this.columnOf(p);
			row.bits[p] = 1;
			row.have++;
			row.cells[column]++;
			this.copies[p]++;
			this.dirtyColumns.add(column);
			if (!this.dirtyRows.has(at))
				this.dirtyRows.set(at, new Set());
			this.dirtyRows.get(at).add(column);
		}
	}

	// What is to be drawn again, once.
	takeDirty() {
		const dirty = {whole: this.whole, rows: this.dirtyRows, columns: this.dirtyColumns};
		this.whole = false;
		this.dirtyRows = new Map();
		this.dirtyColumns = new Set();
		return dirty;
	}
}
