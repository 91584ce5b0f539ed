// The catalogue as far as it was fetched. Pure: no document, no network.

// Puts a page that was asked for at `first` into the rows known so far.
// `newest`: rows are in falling order of id, so a page covers a range of ids; with other orders it
// covers positions. `next`: where the page after it begins, null when nothing comes after it.
export function mergePage(rows, first, page, newest, next) {
	const fresh = new Set(page.map((e) => e.id));
	if (!newest) {
		const before = rows.slice(0, first).filter((e) => !fresh.has(e.id));
		const after = next === null ? [] : rows.slice(first + page.length).filter((e) => !fresh.has(e.id));
		return [...before, ...page, ...after];
	}
	// Of what is on line a page may be short, or empty, and yet cover ids down to its `next`.
	const above = first === 0 ? Infinity : rows[first - 1].id;
	return [...rows.filter((e) => e.id >= above), ...page, ...rows.filter((e) => e.id < (next ?? 0))];
}

// Where a question for the rows from position `at` on begins: the position, and what the index is asked by (null: from
// the top). Of what is on line an offset counts the others, too: what it is, is known of the pages that came, alone.
export function beginOf(view, rows, pages, at) {
	if (view.online && view.sort !== "newest")
		return pages.findLast((page) => page.first <= at);
	return {first: at, from: at === 0 ? null : view.sort === "newest" ? rows[at - 1].id : at};
}

// Whether the answer to a second look at rows that are known tells what comes after all of them. Otherwise how far the
// list was followed stays as it is, or a list of what is on line would be followed anew at each look.
export function isFarther(view, rows, next, first, limit, reply) {
	if (reply.next === null)
		return true;
	if (view.sort === "newest")
		return next !== null && reply.next < next;
	return reply.entries.length === limit && first + limit >= rows.length;
}

// Which rows of `n` a window shows, with some to spare on both ends.
export function windowOf(scrolled, height, rowHeight, n, spare) {
	const from = Math.max(0, Math.floor(scrolled / rowHeight) - spare);
	const to = Math.min(n, Math.ceil((scrolled + height) / rowHeight) + spare);
	return [Math.min(from, n), Math.max(to, 0)];
}

// The query of a list, as parameters of /api/v1/entries. `from`: the `next` of the page before it; null: from the top.
export function pageQuery(view, limit, from) {
	const p = new URLSearchParams({limit});
	if (view.query !== "")
		p.set("q", view.query);
	if (view.sort !== "newest")
		p.set("sort", view.sort);
	if (view.online)
		p.set("online", "1");
	if (from !== null)
		p.set(view.sort === "newest" ? "before" : "offset", from);
	return p.toString();
}
