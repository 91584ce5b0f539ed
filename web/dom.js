// Putting text into the page. Everything an entry holds was written by strangers: it becomes text nodes, and
// nothing else.
import {dateText, runsOf} from "./text.js";

const shown = new WeakMap(); // element -> the text it shows

// Puts text into an element with its strange characters named. Does nothing when it is there already.
export function putText(element, text) {
	if (shown.get(element) === text)
		return;
	shown.set(element, text);
	element.replaceChildren(...runsOf(text).map((run) => {
		if (!run.strange)
			return run.text;
		const mark = document.createElement("span");
		mark.className = "strange";
		mark.textContent = run.text;
		return mark;
	}));
}

export function putDate(element, seconds) {
	const date = dateText(seconds);
	if (date === null) {
		putText(element, "?");
		return;
	}
	if (element.dateTime !== date.iso)
		element.dateTime = date.iso;
	putText(element, date.text);
}

// A copy of a template; `parts` are its elements by their data-part.
export function fromTemplate(id) {
	const node = document.getElementById(id).content.firstElementChild.cloneNode(true);
	const parts = {node};
	for (const element of node.querySelectorAll("[data-part]"))
		parts[element.dataset.part] = element;
	return parts;
}

// The clipboard interface is there on https and loopback only.
async function copy(text) {
	if (navigator.clipboard)
		return navigator.clipboard.writeText(text);
	const field = document.createElement("textarea");
	field.value = text;
	document.body.append(field);
	field.select();
	const done = document.execCommand("copy");
	field.remove();
	if (!done)
		throw new Error("not copied");
}

// A button that copies what `text()` gives, and says so.
export function copyButton(button, text) {
	const label = button.textContent;
	let timer = 0;
	button.addEventListener("click", async () => {
		clearTimeout(timer);
		try {
			await copy(text());
			button.textContent = "Copied";
		} catch {
			button.textContent = "Select it by hand";
		}
		button.focus();
		timer = setTimeout(() => { button.textContent = label; }, 2000);
	});
}

// Makes the children of `parent` those of `items`, in their order: nodes are kept by key, made by `make(item)` and
// filled by `fill(parts, item)`.
export function reconcile(parent, kept, items, keyOf, make, fill) {
	const seen = new Set();
	let before = parent.firstElementChild;
	for (const item of items) {
		const key = keyOf(item);
		let parts = kept.get(key);
		if (parts === undefined) {
			parts = make(item);
			kept.set(key, parts);
		}
		seen.add(key);
		fill(parts, item);
		if (parts.node === before)
			before = before.nextElementSibling;
		else
			parent.insertBefore(parts.node, before);
	}
	for (const [key, parts] of kept) {
		if (!seen.has(key)) {
			parts.node.remove();
			kept.delete(key);
		}
	}
}
