/* meta/selection.h - which files of a torrent are wanted, and how much. Pure.
 *
 * One byte a file of `metainfo.files` (pads and links included, theirs is not looked at), and,
 * worked out from it, one byte a piece: the most that any file in it is wanted. */
#ifndef SHOAL_META_SELECTION_H
#define SHOAL_META_SELECTION_H

#include "meta/magnet.h"
#include "meta/metainfo.h"

enum want {
	WANT_NOT,
	WANT_LOW,
	WANT_NORMAL,
	WANT_HIGH,
};
/* "skip", "low", "normal", "high" */
const char *want_word(enum want w);
bool want_from_word(const char *word, enum want *out); /* false: it is none */

/* Patterns of one selection (attack: a list file that costs patterns x files). */
#define SELECTION_PATTERNS_MAX 1000u

/* Files by patterns, each against the path within the folder (the bare name when there is no
 * folder): `*` and `?` also match '/', so "*.txt" is every text file and "doc/ *" (without the
 * space) all beneath doc. "!GLOB" takes out what it matches; the last pattern that matches a file
 * decides. When the first one takes out, all others are wanted. `files`: meta->n_files bytes.
 * Returns how many real files are wanted. */
uint32_t selection_by_globs(const struct metainfo *m, const char *const *globs, uint8_t *files);
/* Is what lies at `path` beneath a folder left out of a share? Only by the first
 * SELECTION_PATTERNS_MAX of `globs` (NULL: none): one with a '/' inside is compared with the whole
 * path, any other with the name alone; with a '/' at its end it is meant for folders alone. */
bool selection_excludes(const char *const *globs, const char *path, bool is_folder);

/* By index as in BEP 53: of the files as the info dictionary lists them, pads included. */
uint32_t selection_by_ranges(const struct metainfo *m, const struct magnet_range *ranges,
			     uint32_t n, uint8_t *files);

/* By patterns or, without any (NULL), by ranges; without those all.
 * Returns 0; ERR_NOENT: none is chosen; ERR_NOMEM. *files: as above, NULL: all; the caller's. */
int selection_choose(const struct metainfo *m, const char *const *globs,
		     const struct magnet_range *ranges, uint32_t n, uint8_t **files);

/* What of each piece is wanted: `pieces` has meta->n_pieces bytes. `files` NULL: all, normally. */
void selection_pieces(const struct metainfo *m, const uint8_t *files, uint8_t *pieces);

/* Real files that are wanted, and their bytes. `files` NULL: all. */
uint32_t selection_count(const struct metainfo *m, const uint8_t *files, uint64_t *bytes);

/* Can this file be wanted or not: neither pad nor link. */
static inline bool selection_is_real(const struct meta_file *f)
{
	return (f->flags & (META_FILE_PAD | META_FILE_SYMLINK)) == 0;
}

#endif
