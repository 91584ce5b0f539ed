#include "cli/index_sites.h"

#include <stdio.h>

#include "base/text.h"
#include "cli/lines.h"

static int refuse(struct err_info *info, struct bytes text)
{
	char safe[128];

	return err_set(info, ERR_INVALID,
		       "site '%s': give PREFIX/BITS=LABEL, for instance 10.1.0.0/16=berlin",
		       text_escape(safe, sizeof(safe), text));
}

static struct bytes cut_at(struct bytes *text, char c)
{
	const uint8_t *at = text->len == 0 ? NULL : memchr(text->ptr, c, text->len);
	size_t n = at == NULL ? text->len : (size_t)(at - text->ptr);
	struct bytes head = bytes_sub(*text, 0, n);

	*text = at == NULL ? bytes_of(NULL, 0) : bytes_sub(*text, n + 1, text->len - n - 1);
	return head;
}

/* The number of this label, a new one if need be. There are never more labels than prefixes. */
static uint8_t number_of(struct index_sites *s, struct bytes label)
{
	uint32_t i = 0;

	while (i < s->n_labels && !bytes_eq(label, bytes_str(s->labels[i])))
		i++;
	if (i == s->n_labels) {
		memcpy(s->labels[i], label.ptr, label.len);
		s->labels[i][label.len] = '\0';
		s->n_labels++;
	}
	return (uint8_t)(i + 1);
}

static int add(struct index_sites *s, struct bytes text, struct err_info *info)
{
	struct bytes label = text, prefix = cut_at(&label, '=');
	struct addr_net net;

	if (label.len == 0 || label.len >= INDEX_SITE_LABEL_MAX || !text_is_plain(label) ||
	    addr_net_parse(prefix, &net) != 0)
		return refuse(info, text);
	if (s->n == TRACKER_SITES_MAX)
		return err_set(info, ERR_TOO_BIG, "more than %u sites", TRACKER_SITES_MAX);
	s->list[s->n++] =
	    (struct tracker_site){.prefix = net.net, .bits = net.bits, .site = number_of(s, label)};
	return 0;
}

int index_sites_load(struct index_sites *s, const char *const *given, const char *file,
		     struct err_info *info)
{
	struct lines l;
	int rc = 0;

	*s = (struct index_sites){.n = 0};
	for (; rc == 0 && given != NULL && *given != NULL; given++)
		rc = add(s, bytes_str(*given), info);
	if (rc != 0)
		return rc;
	rc = lines_read(&l, file, info);
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = add(s, bytes_str(l.list[i]), info);
	lines_fini(&l);
	return rc;
}
