/* net/local_impl.h - what local.c and local_talk.c share; private to them. */
#ifndef SHOAL_NET_LOCAL_IMPL_H
#define SHOAL_NET_LOCAL_IMPL_H

#include <stdbool.h>

#include "net/local.h"

#define LOCAL_SUFFIX ".sock"

/* A descriptor, or -1 with errno: ECONNREFUSED when a crash left the name. */
int local_connect(int folder, const char *file);
/* A question fits into the socket's buffer; one that does not is nobody's. */
bool local_put_question(int fd, struct bytes question);

#endif
