// Canvases: sharp on every screen, in the page's colours.

const NAMES = ["text", "quiet", "line", "card", "cell", "accent", "bad"];

// The page's colours as [r, g, b]; other ones in the dark.
export function palette() {
	const style = getComputedStyle(document.documentElement);
	const out = {};
	for (const name of NAMES) {
		const n = parseInt(style.getPropertyValue("--" + name).trim().slice(1), 16);
		out[name] = [n >> 16, (n >> 8) & 255, n & 255];
	}
	return out;
}

export function css(rgb, alpha = 1) {
	return "rgb(" + rgb.join(" ") + " / " + alpha + ")";
}

export function mixed(a, b, share) {
	return a.map((x, i) => Math.round(x + (b[i] - x) * share));
}

function ratioNow() {
	return window.devicePixelRatio || 1;
}

function dots(length) {
	return Math.round(length * ratioNow());
}

// Gives a canvas its size in CSS pixels; drawing then counts in those. Empties it.
export function sized(canvas, width, height) {
	const ratio = ratioNow();
	canvas.width = dots(width);
	canvas.height = dots(height);
	canvas.style.height = height + "px";
	const g = canvas.getContext("2d");
	g.setTransform(ratio, 0, 0, ratio, 0, 0);
	g.font = "11px system-ui, sans-serif";
	return g;
}

// Calls `redraw` when the colours change, or the page shows the canvas wider or narrower than it was drawn: its height
// is what drawing gave it. Returns what ends that.
export function onNewLook(canvas, redraw) {
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const sizes = new ResizeObserver(() => {
		if (canvas.clientWidth > 0 && canvas.width !== dots(canvas.clientWidth))
			redraw();
	});
	sizes.observe(canvas);
	dark.addEventListener("change", redraw);
	return () => {
		sizes.disconnect();
		dark.removeEventListener("change", redraw);
	};
}
