/* sys/sandbox_parts.h - the parts of a sandbox, each a file. */
#ifndef SHOAL_SYS_SANDBOX_PARTS_H
#define SHOAL_SYS_SANDBOX_PARTS_H

#include <stdbool.h>

#include "sys/sandbox.h"

/* Landlock: an empty ruleset, -1 without it; `handled` are the rights that are denied by it. */
int sandbox_files_new(uint64_t *handled);
/* Everyone's. */
void sandbox_files_allow_system(const struct sandbox *s);
/* False: there is no such file. */
bool sandbox_files_allow(const struct sandbox *s, const char *path, enum sandbox_access access);
bool sandbox_files_enter(const struct sandbox *s);

/* seccomp. */
bool sandbox_calls_enter(void);

#endif
