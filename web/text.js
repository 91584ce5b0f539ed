// Words, numbers and dates as a person reads them. Pure: no document, no network.

// Characters that cannot be seen, or that turn the order of others around: those that src/base/text.c escapes.
const STRANGE =
	/[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{e0000}-\u{e0fff}]/u;

function hexOf(c) {
	return "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

// A text in runs of {text, strange}: strange characters stand alone and are named.
export function runsOf(text) {
	if (text !== "" && !STRANGE.test(text))
		return [{text, strange: false}];
	const runs = [];
	let plain = "";
	for (const c of text) {
		if (!STRANGE.test(c)) {
			plain += c;
			continue;
		}
		if (plain !== "")
			runs.push({text: plain, strange: false});
		runs.push({text: hexOf(c), strange: true});
		plain = "";
	}
	if (plain !== "")
		runs.push({text: plain, strange: false});
	return runs;
}

export function sizeText(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let n = bytes, unit = 0;
	// From 1023.95 on one decimal would say 1024.0.
	while (n >= 1023.95 && unit < units.length - 1) {
		n /= 1024;
		unit++;
	}
	return (unit === 0 ? Math.round(n) : n.toFixed(1)) + " " + units[unit];
}

// An address of at most `most` characters: of a long one the middle says least.
export function shortText(text, most) {
	const head = Math.ceil((most - 1) / 2);
	return text.length <= most ? text : text.slice(0, head) + "…" + text.slice(text.length - (most - 1 - head));
}

export function rateText(bps) {
	return bps === null || bps === undefined ? "" : sizeText(bps) + "/s";
}

export function countText(n, one, many) {
	return n.toLocaleString("en") + " " + (n === 1 ? one : many);
}

export function percentText(percent) {
	return percent >= 100 ? "100 %" : percent.toFixed(1) + " %";
}

export function rttText(us) {
	if (us === null || us === undefined)
		return "";
	return us < 10000 ? (us / 1000).toFixed(1) + " ms" : Math.round(us / 1000) + " ms";
}

// The two largest units of a time span: "3 d 4 h", "12 min 5 s".
export function spanText(seconds) {
	const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	let left = Math.max(0, Math.floor(seconds));
	const out = [];
	for (const [size, name] of units) {
		const n = Math.floor(left / size);
		left -= n * size;
		if (n > 0)
			out.push(n + " " + name);
		else if (out.length > 0)
			break;
		if (out.length === 2)
			break;
	}
	return out.length === 0 ? "0 s" : out.join(" ");
}

// {iso, text} in the visitor's own time zone, or null when the number is no time.
export function dateText(seconds) {
	const date = new Date(seconds * 1000);
	const two = (n) => String(n).padStart(2, "0");
	if (Number.isNaN(date.getTime()))
		return null;
	return {
		iso: date.toISOString(),
		text: date.getFullYear() + "-" + two(date.getMonth() + 1) + "-" + two(date.getDate()) + " " +
			two(date.getHours()) + ":" + two(date.getMinutes()),
	};
}

// ---- what a visitor can do with an entry ----

function quoted(text) {
	return /^[A-Za-z0-9_.,:\/@+=-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
}

// `pin`: of an index whose certificate nobody else vouches for; else null.
export function commandOf(entry, index, pin) {
	const ref = entry.owner + "/" + entry.name + "@" + entry.version;
	const here = index === "http://127.0.0.1:6969" ? "" : " --index " + quoted(index);
	const known = pin === null ? "" : " --pin " + quoted(pin);
	return "shoal get" + here + known + (ref.startsWith("-") ? " -- " : " ") + quoted(ref);
}

// Never anything but a magnet link, whatever the index says: it becomes a link's target.
export function magnetOf(entry, index) {
	if (!entry.magnet.startsWith("magnet:?"))
		return "magnet:?";
	return entry.magnet.includes("&tr=") ? entry.magnet :
		entry.magnet + "&tr=" + encodeURIComponent(index + "/announce");
}

// ---- what a holder is like ----

export const NEAR_US = 5000;
export const FAR_US = 100000;

// `stalled`: nothing came for a while, says who watched it.
export function healthOf(peer, stalled) {
	const flags = [];
	if (peer.percent >= 100)
		flags.push("seed");
	else if (stalled)
		flags.push("stalled");
	else
		flags.push(peer.percent > 0 ? "partial" : "starting");
	if (peer.session === false && peer.percent < 100)
		flags.push("map unknown");
	if (typeof peer.rtt_us === "number" && peer.rtt_us < NEAR_US)
		flags.push("near");
	else if (typeof peer.rtt_us === "number" && peer.rtt_us >= FAR_US)
		flags.push("far");
	return flags;
}
