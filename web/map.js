// The map of pieces x holders. A picture of one pixel a cell lies behind it; rows of that are stretched onto the
// canvas, and only what changed.
import {css, mixed, onNewLook, palette, sized} from "./paint.js";
import {shortText} from "./text.js";

const ALL_HEIGHT = 14; // the row of all holders together
const ALL_SPACE = 8;
const NAMED_ROWS = 24; // so many rows are high enough for a name beside them
const NAMES_WIDTH = 168;
const NAME_MOST = 24;  // letters of a name
const ROOMY = 560;     // below this width names have no place
const HEIGHT_MOST = 420;
const SHADES = 32;       // between nothing and all
const COPIES_SHADES = 4; // so many copies are as good as more
const HINT = "Point at a piece to see who has it.";

// A colour as it lies in the memory of a picture, on the little-endian machines that browsers run on.
function pixelOf(rgb) {
	return (255 << 24 | rgb[2] << 16 | rgb[1] << 8 | rgb[0]) >>> 0;
}

function isWide(px) {
	return px >= 4;
}

export class SwarmMap {
	constructor(box, tip, model) {
		this.box = box;
		this.tip = tip;
		this.model = model;
		this.canvas = document.createElement("canvas");
		this.canvas.setAttribute("role", "img");
		this.behind = document.createElement("canvas");
		box.replaceChildren(this.canvas);
		this.canvas.addEventListener("pointermove", (event) => this.tell(event));
		this.canvas.addEventListener("pointerleave", () => { tip.textContent = HINT; });
		tip.textContent = HINT;
		this.stop = onNewLook(this.canvas, () => this.layout());
	}

	close() {
		this.stop();
	}

	// New size, new rows or new colours.
	layout() {
		const model = this.model, n = model.rows.length, width = this.box.clientWidth;
		if (model.pieces === 0 || width === 0)
			return;
		this.left = n <= NAMED_ROWS && width >= ROOMY ? NAMES_WIDTH : 0;
		this.plot = width - this.left;
		this.rowHeight = n <= NAMED_ROWS ? 16 : Math.max(2, Math.floor(HEIGHT_MOST / n));
		this.top = ALL_HEIGHT + ALL_SPACE;
		this.colours = palette();
		this.lost = pixelOf(this.colours.bad);
		this.shades = Array.from({length: SHADES + 1}, (_, i) =>
			pixelOf(mixed(this.colours.cell, this.colours.accent, i === 0 ? 0 : 0.25 + 0.75 * i / SHADES)));
		model.fit(Math.floor(this.plot));
		this.g = sized(this.canvas, width, this.top + n * this.rowHeight);
		this.g.imageSmoothingEnabled = false;
		this.behind.width = model.columns;
		this.behind.height = n + 1;
		this.back = this.behind.getContext("2d");
		this.image = this.back.createImageData(model.columns, n + 1);
		this.pixels = new Uint32Array(this.image.data.buffer);
		this.draw();
	}

	// Draws what changed since the last time.
	draw() {
		const model = this.model;
		if (!this.image)
			return;
		const dirty = model.takeDirty();
		if (dirty.whole) {
			this.paintAll();
			return;
		}
		const lines = [...dirty.rows].map(([row, columns]) => [row + 1, columns]);
		if (dirty.columns.size > 0)
			lines.push([0, dirty.columns]);
		// All lines of the picture before the first is stretched: each change to a picture that was just
		// drawn from makes the browser copy the whole of it.
		for (const [line, from, to] of lines.map(([line, columns]) => this.paint(line, columns)))
			this.stretch(line, from, to);
	}

	paintAll() {
		const n = this.model.rows.length;
		this.g.clearRect(0, 0, this.left + this.plot, this.top + n * this.rowHeight);
		for (let line = 0; line <= n; line++) {
			for (let c = 0; c < this.model.columns; c++)
				this.colour(line, c);
		}
		this.back.putImageData(this.image, 0, 0);
		for (let line = 0; line <= n; line++)
			this.stretch(line, 0, this.model.columns);
		this.names();
	}

	// Into the picture. Returns the line and the columns from..to-1 that it is to be stretched for.
	paint(line, columns) {
		let from = Infinity, to = 0;
		for (const c of columns) {
			this.colour(line, c);
			from = Math.min(from, c);
			to = Math.max(to, c + 1);
		}
		this.back.putImageData(this.image, 0, 0, from, line, to - from, 1);
		return [line, from, to];
	}

	colour(line, column) {
		const share = line === 0 ? this.model.rarest(column) / COPIES_SHADES : this.model.level(line - 1, column);
		this.pixels[line * this.model.columns + column] = line === 0 && share === 0 ? this.lost :
			this.shades[Math.ceil(Math.min(1, share) * (this.shades.length - 1))];
	}

	// Columns from..to-1 of a line, onto the canvas.
	stretch(line, from, to) {
		const {g, model} = this;
		const each = this.plot / model.columns;
		const y = line === 0 ? 0 : this.top + (line - 1) * this.rowHeight;
		const height = line === 0 ? ALL_HEIGHT : this.rowHeight - (isWide(this.rowHeight) ? 1 : 0);
		g.drawImage(this.behind, from, line, to - from, 1, this.left + from * each, y, (to - from) * each, height);
		if (!isWide(each))
			return;
		for (let c = from; c < to; c++)
			g.clearRect(this.left + (c + 1) * each - 1, y, 1, height);
	}

	names() {
		if (this.left === 0)
			return;
		this.g.fillStyle = css(this.colours.quiet);
		this.g.textBaseline = "middle";
		this.g.fillText("all together", 0, ALL_HEIGHT / 2 + 1);
		this.model.rows.forEach((row, i) => {
			this.g.fillText(shortText(row.addr, NAME_MOST), 0, this.top + i * this.rowHeight + this.rowHeight / 2, NAMES_WIDTH - 12);
		});
	}

	// What lies under the pointer.
	tell(event) {
		const model = this.model;
		if (!this.image || model.columns === 0)
			return;
		const at = this.canvas.getBoundingClientRect();
		const x = event.clientX - at.left - this.left, y = event.clientY - at.top - this.top;
		const column = Math.floor(x * model.columns / this.plot);
		const row = Math.floor(y / this.rowHeight);
		if (column < 0 || column >= model.columns) {
			this.tip.textContent = HINT;
			return;
		}
		const [from, to] = model.span(column);
		const copies = model.rarest(column);
		let text = (to - from === 1 ? "Piece " + from : "Pieces " + from + "–" + (to - 1)) + ": " +
			(to - from === 1 ? "" : "at least ") + copies + (copies === 1 ? " copy" : " copies");
		if (row >= 0 && row < model.rows.length)
			text += "; " + model.rows[row].addr + " has " + model.rows[row].cells[column] + " of " + (to - from);
		this.tip.textContent = text;
	}
}
