#include "meta/selection.h"

#include <stdlib.h>

#include <fnmatch.h>
#include <string.h>

static const char *const words[] = {
    [WANT_NOT] = "skip", [WANT_LOW] = "low", [WANT_NORMAL] = "normal", [WANT_HIGH] = "high"};

const char *want_word(enum want w)
{
	return words[w];
}

bool want_from_word(const char *word, enum want *out)
{
	for (int w = WANT_NOT; w <= WANT_HIGH; w++) {
		if (strcmp(words[w], word) == 0) {
			*out = (enum want)w;
			return true;
		}
	}
	return false;
}

static bool matches(const struct meta_file *f, const char *glob)
{
	return fnmatch(glob, f->path, 0) == 0;
}

static bool is_chosen(const struct meta_file *f, const char *const *globs)
{
	bool chosen = globs[0] == NULL || globs[0][0] == '!';

	for (uint32_t i = 0; i < SELECTION_PATTERNS_MAX && globs[i] != NULL; i++) {
		bool out = globs[i][0] == '!';

		if (matches(f, globs[i] + out))
			chosen = !out;
	}
	return chosen;
}

uint32_t selection_by_globs(const struct metainfo *m, const char *const *globs, uint8_t *files)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];
		bool chosen = selection_is_real(f) && is_chosen(f, globs);

		files[i] = chosen ? WANT_NORMAL : WANT_NOT;
		n += chosen;
	}
	return n;
}

static bool excludes(const char *glob, const char *path, bool is_folder)
{
	const char *name = strrchr(path, '/');
	char plain[META_PATH_BYTES_MAX + 1];
	size_t len = strlen(glob);

	if (len > 0 && glob[len - 1] == '/') {
		if (!is_folder || --len >= sizeof(plain))
			return false;
		memcpy(plain, glob, len);
		plain[len] = '\0';
		glob = plain;
	}
	if (name == NULL || strchr(glob, '/') != NULL)
		return fnmatch(glob, path, 0) == 0;
	return fnmatch(glob, name + 1, 0) == 0;
}

bool selection_excludes(const char *const *globs, const char *path, bool is_folder)
{
	for (uint32_t i = 0; globs != NULL && i < SELECTION_PATTERNS_MAX && globs[i] != NULL; i++)
		if (excludes(globs[i], path, is_folder))
			return true;
	return false;
}

uint32_t selection_by_ranges(const struct metainfo *m, const struct magnet_range *ranges,
			     uint32_t n, uint8_t *files)
{
	memset(files, WANT_NOT, m->n_files);
	for (uint32_t r = 0; r < n; r++) {
		for (uint32_t i = ranges[r].first; i < m->n_files && i <= ranges[r].last; i++)
			files[i] = selection_is_real(&m->files[i]) ? WANT_NORMAL : WANT_NOT;
	}
	return selection_count(m, files, NULL);
}

int selection_choose(const struct metainfo *m, const char *const *globs,
		     const struct magnet_range *ranges, uint32_t n, uint8_t **files)
{
	uint32_t chosen;

	*files = NULL;
	if (globs == NULL && n == 0)
		return OK;
	*files = malloc((size_t)m->n_files + 1);
	if (*files == NULL)
		return ERR_NOMEM;
	chosen = globs != NULL ? selection_by_globs(m, globs, *files)
			       : selection_by_ranges(m, ranges, n, *files);
	if (chosen > 0 && chosen < selection_count(m, NULL, NULL))
		return OK;
	free(*files);
	*files = NULL;
	return chosen == 0 ? ERR_NOENT : OK;
}

void selection_pieces(const struct metainfo *m, const uint8_t *files, uint8_t *pieces)
{
	memset(pieces, files == NULL ? WANT_NORMAL : WANT_NOT, m->n_pieces);
	for (uint32_t i = 0; files != NULL && i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		if (!selection_is_real(f))
			continue;
		for (uint32_t k = 0; k < f->n_pieces; k++) {
			uint8_t *piece = &pieces[f->first_piece + k];

			if (files[i] > *piece)
				*piece = files[i];
		}
	}
}

uint32_t selection_count(const struct metainfo *m, const uint8_t *files, uint64_t *bytes)
{
	uint64_t sum = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n_files; i++) {
		const struct meta_file *f = &m->files[i];

		if (!selection_is_real(f) || (files != NULL && files[i] == WANT_NOT))
			continue;
		sum += f->length;
		n++;
	}
	if (bytes != NULL)
		*bytes = sum;
	return n;
}
