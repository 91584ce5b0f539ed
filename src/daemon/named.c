#include "daemon/named.h"

#include <string.h>

bool named_as(const char *title, const char *content, const char *typed)
{
	const char *at = strrchr(title, '@'), *slash = strchr(title, '/');
	const char *leaf = slash == NULL ? title : slash + 1;
	size_t n = strlen(typed);

	if (strcmp(typed, title) == 0 || strcmp(typed, leaf) == 0 || strcmp(typed, content) == 0)
		return true;
	if (at == NULL)
		return false;
	return (n == (size_t)(at - title) && strncmp(typed, title, n) == 0) ||
	       (at > leaf && n == (size_t)(at - leaf) && strncmp(typed, leaf, n) == 0);
}
