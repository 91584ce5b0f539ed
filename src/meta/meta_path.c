/* meta/meta_path.c - paths inside a torrent: which are safe, their order, clashes.
 *
 * A path is refused only when it cannot be one name beneath our folder. Odd but
 * harmless names (backslash, newline, leading dash, bytes that are not UTF-8) stay
 * as they are: refusing or rewriting them loses users' files. */
#include "meta/metainfo_impl.h"

#include <stdlib.h>

enum meta_fault meta_component_check(struct bytes c)
{
	if (c.len == 0)
		return META_PATH_EMPTY;
	if (c.len > META_NAME_BYTES_MAX)
		return META_PATH_LONG;
	if (c.ptr[0] == '.' && (c.len == 1 || (c.len == 2 && c.ptr[1] == '.')))
		return META_PATH_BAD;
	if (memchr(c.ptr, '/', c.len) != NULL || memchr(c.ptr, '\0', c.len) != NULL)
		return META_PATH_BAD;
	return META_OK;
}

/* The end of a path comes before '/', and '/' before every other byte: that is the
 * order of component lists, where "a" stands before "a-b" and so does "a/b". */
static int rank(unsigned char c)
{
	if (c == '\0')
		return 0;
	return c == '/' ? 1 : c + 2;
}

int meta_path_order(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] == b[i] && a[i] != '\0')
		i++;
	return rank((unsigned char)a[i]) - rank((unsigned char)b[i]);
}

static int order_pointers(const void *a, const void *b)
{
	return meta_path_order(*(const char *const *)a, *(const char *const *)b);
}

enum meta_fault meta_paths_check(const char **paths, size_t n)
{
	qsort(paths, n, sizeof(*paths), order_pointers);
	/* In this order all that lies in a folder follows the folder's name at once. */
	for (size_t i = 1; i < n; i++) {
		size_t len = strlen(paths[i - 1]);

		if (strncmp(paths[i - 1], paths[i], len) != 0)
			continue;
		if (paths[i][len] == '\0' || paths[i][len] == '/')
			return META_PATH_CLASH;
	}
	return META_OK;
}
