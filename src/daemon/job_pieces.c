/* daemon/job_pieces.c - which parts of a transfer are there, in few enough cells for a line. */
#include "base/text.h"
#include "daemon/jobs_json.h"

/* Only what is whole is all, and only what is empty is nothing. */
static uint8_t cell(const struct bitfield *have, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < to; i++)
		n += bitfield_has(have, i);
	if (n == 0 || n == to - from)
		return n == 0 ? 0 : 255;
	return (uint8_t)(1 + (uint64_t)n * 253 / (to - from));
}

json_t *job_pieces_json(const struct job *j)
{
	const struct transfer *t = job_transfer(j);
	const struct bitfield *have = t == NULL ? NULL : transfer_have(t);
	uint32_t n = have == NULL ? 0 : have->n, cells = n < JOB_CELLS_MAX ? n : JOB_CELLS_MAX;
	uint8_t levels[JOB_CELLS_MAX];
	char hex[2 * JOB_CELLS_MAX + 1];

	for (uint32_t i = 0; i < cells; i++)
		levels[i] = cell(have, (uint32_t)((uint64_t)i * n / cells),
				 (uint32_t)((uint64_t)(i + 1) * n / cells));
	text_hex(hex, bytes_of(levels, cells));
	return json_pack("{s:i, s:i, s:s}", "pieces", (int)n, "have",
			 (int)(have == NULL ? 0 : have->count), "cells", hex);
}
