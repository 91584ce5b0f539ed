// The two small charts: columns, and a line over time.
import {css, palette, sized} from "./paint.js";

const HEIGHT = 120;
const FOOT = 18;
const HEAD = 16;

function frame(canvas) {
	const width = canvas.clientWidth || 300;
	return {g: sized(canvas, width, HEIGHT), width, colours: palette(), room: HEIGHT - FOOT - HEAD};
}

// One column for each of `values`; the last stands for "so many or more" when `open`.
export function drawColumns(canvas, values, open) {
	const {g, width, colours, room} = frame(canvas);
	const most = Math.max(1, ...values);
	const step = Math.min(48, width / Math.max(values.length, 1));
	const every = Math.ceil(26 / step), last = values.length - 1;
	g.textAlign = "center";
	values.forEach((value, i) => {
		const height = value === 0 ? 0 : Math.max(2, room * value / most);
		const middle = i * step + step / 2;
		g.fillStyle = css(i === 0 ? colours.bad : colours.accent);
		g.fillRect(i * step + 1, HEAD + room - height, Math.max(1, step - Math.min(6, step / 4)), height);
		g.fillStyle = css(colours.quiet);
		if (i === last || i % every === 0 && last - i >= every)
			g.fillText(i + (open && i === last ? "+" : ""), middle, HEIGHT - 4);
		if (value > 0 && step >= 30)
			g.fillText(value.toLocaleString("en"), middle, HEAD + room - height - 4);
	});
	g.fillStyle = css(colours.line);
	g.fillRect(0, HEAD + room, width, 1);
}

// `samples`: the newest last, null where nothing is known; `most` fit into the width.
export function drawLine(canvas, samples, most, texts) {
	const {g, width, colours, room} = frame(canvas);
	const top = Math.max(1, ...samples.map((v) => v || 0));
	const x = (i) => width - (samples.length - 1 - i) * width / (most - 1);
	const y = (v) => HEAD + room - room * v / top;
	g.fillStyle = css(colours.line);
	g.fillRect(0, HEAD + room, width, 1);
	for (let from = 0; from < samples.length; from++) {
		let to = from;
		if (samples[from] === null)
			continue;
		while (to + 1 < samples.length && samples[to + 1] !== null)
			to++;
		g.beginPath();
		g.moveTo(x(from), y(samples[from]));
		for (let i = from + 1; i <= to; i++)
			g.lineTo(x(i), y(samples[i]));
		g.strokeStyle = css(colours.accent);
		g.lineWidth = 1.5;
		g.lineJoin = "round";
		g.stroke();
		g.lineTo(x(to), HEAD + room);
		g.lineTo(x(from), HEAD + room);
		g.fillStyle = css(colours.accent, 0.14);
		g.fill();
		from = to;
	}
	g.fillStyle = css(colours.quiet);
	g.textAlign = "left";
	g.fillText(texts.top, 0, 11);
	g.fillText(texts.from, 0, HEIGHT - 4);
	g.textAlign = "right";
	g.fillText("now", width, HEIGHT - 4);
}
