// The catalogue as far as it was fetched. Pure: no document, no network.

// Puts a page that was asked for at `first` into the rows known so far.
// `newest`: rows are in falling order of id, so a page covers a range of ids; with other orders it
// covers positions. `last`: nothing comes after this page.
export function mergePage(rows, first, page, newest, last) {
	const fresh = new Set(page.map((e) => e.id));
	if (!newest) {
		const before = rows.slice(0, first).filter((e) => !fresh.has(e.id));
		const after = last ? [] : rows.slice(first + page.length).filter((e) => !fresh.has(e.id));
		return [...before, ...page, ...after];
	}
	const above = first === 0 ? Infinity : rows[first - 1].id;
	const below = last || page.length === 0 ? 0 : page[page.length - 1].id;
	return [...rows.filter((e) => e.id >= above), ...page, ...(last ? [] : rows.filter((e) => e.id < below))];
}

// Which rows of `n` a window shows, with some to spare on both ends.
export function windowOf(scrolled, height, rowHeight, n, spare) {
	const from = Math.max(0, Math.floor(scrolled / rowHeight) - spare);
	const to = Math.min(n, Math.ceil((scrolled + height) / rowHeight) + spare);
	return [Math.min(from, n), Math.max(to, 0)];
}

// The query of a list, as parameters of /api/v1/entries. `at`: rows before this page; `last`: the row before it.
export function pageQuery(view, limit, at, last) {
	const p = new URLSearchParams({limit});
	if (view.query !== "")
		p.set("q", view.query);
	if (view.sort !== "newest")
		p.set("sort", view.sort);
	if (view.online)
		p.set("online", "1");
	if (at > 0 && view.sort === "newest")
		p.set("before", last.id);
	else if (at > 0)
		p.set("offset", at);
	return p.toString();
}
