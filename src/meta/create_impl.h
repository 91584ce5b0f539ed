/* meta/create_impl.h - the two halves of writing a .torrent. Private to meta. */
#ifndef SHOAL_META_CREATE_IMPL_H
#define SHOAL_META_CREATE_IMPL_H

#include "meta/create.h"

/* Bytes of the pad that follows file i: none but in hybrids of several files. */
uint64_t create_pad(const struct create_spec *spec, size_t i);

/* The info dictionary of a spec that was checked. */
void create_put_info(const struct create_spec *spec, struct buf *out);

#endif
