#include "store/stamp.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/root.h"

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Path beneath the top, kind, and of a file its size and time. */
static void add(struct digest *d, const FTSENT *e, size_t top)
{
	const struct stat *st = e->fts_statp;
	bool file = S_ISREG(st->st_mode);
	char line[80];
	int n = snprintf(line, sizeof(line), "%o %" PRIu64 " %" PRId64 ".%09ld",
			 (unsigned)(st->st_mode & S_IFMT), file ? (uint64_t)st->st_size : 0,
			 file ? (int64_t)st->st_mtim.tv_sec : 0, file ? st->st_mtim.tv_nsec : 0);

	digest_add(d, bytes_of(e->fts_path + top, e->fts_pathlen - top + 1));
	digest_add(d, bytes_of(line, (size_t)n + 1));
}

static int walk(FTS *tree, struct digest *d, struct err_info *info)
{
	uint32_t n = 0;
	size_t top = 0;
	FTSENT *e;

	while ((errno = 0, e = fts_read(tree)) != NULL) {
		if (e->fts_info == FTS_DP)
			continue;
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
			return root_errno(info, e->fts_path, e->fts_errno);
		if (e->fts_level == 0 && e->fts_info != FTS_F && e->fts_info != FTS_D)
			return err_set(info, ERR_INVALID, "neither a file nor a folder");
		if (e->fts_level == 0)
			top = e->fts_pathlen;
		if (n++ == STAMP_ENTRIES_MAX)
			return err_set(info, ERR_TOO_BIG, "too many files");
		add(d, e, top);
	}
	return errno == 0 ? OK : root_errno(info, tree->fts_path, errno);
}

int stamp_take(const char *path, struct stamp *out, struct err_info *info)
{
	char *copy = strdup(path);
	char *const paths[] = {copy, NULL};
	struct digest *d = digest_new(DIGEST_SHA256);
	FTS *tree =
	    copy == NULL || d == NULL ? NULL : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	int err;

	if (tree == NULL) {
		err = err_set(info, ERR_NOMEM, "out of memory");
	} else {
		digest_begin(d);
		err = walk(tree, d, info);
		digest_end(d, out->sum);
		(void)fts_close(tree);
	}
	digest_free(d);
	free(copy);
	return err;
}

bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	return memcmp(a->sum, b->sum, sizeof(a->sum)) == 0;
}
