/* daemon/named.h - is a transfer called what somebody typed? Pure. */
#ifndef SHOAL_DAEMON_NAMED_H
#define SHOAL_DAEMON_NAMED_H

#include <stdbool.h>

/* `typed` is the title "OWNER/NAME@VERSION", with or without owner or version, or the name of the
 * content. */
bool named_as(const char *title, const char *content, const char *typed);

#endif
