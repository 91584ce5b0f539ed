/* State files: of an unfinished download, of a job, of all totals, of a share's hashes, of what
 * was verified. The first byte chooses; the checksum at the end is put right, else nothing behind
 * it would be looked at. */
#include <string.h>

#include "daemon/job_record.h"
#include "fuzz.h"
#include "store/hash_record.h"
#include "store/resume.h"
#include "store/verified.h"

#define OUT_MAX (1u << 24)

/* Its form is the only one of what it says. */
static void check_resume(struct bytes in)
{
	struct resume r;
	struct buf out;
	int err = resume_decode(in, &r);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err != OK)
		return;
	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(resume_encode(&r, &out) == OK && bytes_eq(buf_bytes(&out), in));
	FUZZ_SEEDED(r.placed && r.have.n == 9 && r.have.count > 2);
	buf_fini(&out);
	bitfield_fini(&r.have);
}

static void check_job(struct bytes in)
{
	struct job_record r, back;
	struct buf out, again;
	int err = job_record_decode(in, &r);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err == OK) {
		FUZZ_CHECK(r.id != 0 && r.path[0] == '/' && (r.has_v1 || r.has_v2));
		buf_init(&out, OUT_MAX);
		buf_init(&again, OUT_MAX);
		FUZZ_CHECK(job_record_encode(&r, &out) == OK);
		FUZZ_CHECK(job_record_decode(buf_bytes(&out), &back) == OK);
		FUZZ_CHECK(job_record_encode(&back, &again) == OK);
		FUZZ_CHECK(bytes_eq(buf_bytes(&out), buf_bytes(&again)));
		job_record_fini(&back);
		buf_fini(&out);
		buf_fini(&again);
	}
	job_record_fini(&r);
}

static void check_totals(struct bytes in)
{
	struct job_total *list;
	struct buf out;
	size_t n;
	int err = job_totals_decode(in, &list, &n);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err != OK)
		return;
	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(job_totals_encode(list, n, &out) == OK && bytes_eq(buf_bytes(&out), in));
	buf_fini(&out);
	free(list);
}

static void check_hashes(struct bytes in)
{
	struct hash_record r, back;
	struct buf out;
	int err = hash_record_decode(in, &r);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	FUZZ_CHECK(err == OK || r.n == 0);
	if (err != OK)
		return;
	for (size_t i = 0; i < r.n; i++) {
		const struct hash_entry *e = &r.list[i];
		uint64_t covered = (uint64_t)hash_entry_pieces(&r, e) * r.piece_length;

		FUZZ_CHECK(covered >= e->length && covered - e->length < r.piece_length);
		FUZZ_CHECK(i == 0 || strcmp(r.list[i - 1].path, e->path) <= 0);
	}
	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(hash_record_encode(&r, &out) == OK);
	FUZZ_CHECK(hash_record_decode(buf_bytes(&out), &back) == OK && back.n == r.n);
	hash_record_fini(&back);
	hash_record_fini(&r);
	buf_fini(&out);
}

static void check_verified(struct bytes in)
{
	struct verified v;
	struct buf out;
	int err = verified_decode(in, &v);

	FUZZ_CHECK(err == OK || err == ERR_PROTO);
	if (err != OK)
		return;
	buf_init(&out, OUT_MAX);
	FUZZ_CHECK(verified_encode(&v, &out) == OK && bytes_eq(buf_bytes(&out), in));
	buf_fini(&out);
	verified_fini(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(struct bytes) = {check_resume, check_job, check_totals,
						       check_hashes, check_verified};
	uint8_t sum[SHA256_LEN];
	struct buf whole;

	if (size == 0)
		return 0;
	buf_init(&whole, size + sizeof(sum));
	(void)buf_put(&whole, bytes_of(data + 1, size - 1));
	sha256_of(buf_bytes(&whole), sum);
	FUZZ_CHECK(buf_put(&whole, bytes_of(sum, sizeof(sum))) == OK);
	checks[data[0] % 5](buf_bytes(&whole));
	/* As it is, too: cut short, and with a checksum that is none. */
	checks[data[0] % 5](bytes_of(data + 1, size - 1));
	buf_fini(&whole);
	return 0;
}
