/* tests/fuzz/fuzz_path.h - when is a path out of a torrent safe to open? */
#ifndef SHOAL_FUZZ_PATH_H
#define SHOAL_FUZZ_PATH_H

#include <string.h>

#include "fuzz.h"
#include "meta/metainfo.h"

static inline void fuzz_check_part(const char *s, size_t len)
{
	FUZZ_CHECK(len > 0 && len <= META_NAME_BYTES_MAX);
	FUZZ_CHECK(!(len == 1 && s[0] == '.'));
	FUZZ_CHECK(!(len == 2 && s[0] == '.' && s[1] == '.'));
}

static inline void fuzz_check_component(const char *s)
{
	FUZZ_CHECK(strchr(s, '/') == NULL);
	fuzz_check_part(s, strlen(s));
}

static inline void fuzz_check_path(const char *path)
{
	FUZZ_CHECK(strlen(path) <= META_PATH_BYTES_MAX);
	for (;;) {
		size_t len = strcspn(path, "/");

		fuzz_check_part(path, len);
		if (path[len] == '\0')
			return;
		path += len + 1;
	}
}

#endif
