/* store/store_verified.c - what is known of a seed from before. */
#include "store/stamp.h"
#include "store/store_impl.h"
#include "store/verified.h"

/* Do all files that the piece reaches into lie there as they did? */
static bool is_untouched(const struct store *s, const struct verified *v, uint32_t piece)
{
	struct part_walk w =
	    part_walk(s, (uint64_t)piece * s->meta->piece_length, meta_piece_bytes(s->meta, piece));
	struct part part;

	while (part_next(&w, &part))
		if (part.file != NULL &&
		    stamp_ns(&part.file->stamp.mtime) != v->mtimes_ns[part.file - s->files])
			return false;
	return true;
}

void store_believe(struct store *s, const struct verified *v)
{
	bool fits = v->n_files == s->n_data && v->have.n == s->have.n;

	for (uint32_t i = 0; i < s->have.n; i++) {
		if (piece_has_changed_file(s, i))
			continue;
		if (fits && bitfield_has(&v->have, i) && is_untouched(s, v, i))
			bitfield_set(&s->have, i);
		else
			bitfield_set(&s->unsure, i);
	}
}

bool store_has_bad(const struct store *s)
{
	for (uint32_t i = 0; i < s->have.n; i++)
		if (!bitfield_has(&s->have, i) && !piece_has_changed_file(s, i))
			return true;
	return false;
}

int store_verified(const struct store *s, struct verified *out)
{
	int err = verified_init(out, s->n_data, s->have.n);

	if (err != OK)
		return err;
	for (uint32_t i = 0; i < s->n_data; i++) {
		const struct file_stamp *stamp = &s->files[i].stamp;

		if (stamp->known && !stamp->changed)
			out->mtimes_ns[i] = stamp_ns(&stamp->mtime);
	}
	(void)bitfield_load(&out->have, bytes_of(s->have.bits, bitfield_bytes(s->have.n)));
	return OK;
}
