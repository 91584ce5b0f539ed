/* node/metrics.h - figures as Prometheus reads them. Pure.
 * Source: the text exposition format 0.0.4. */
#ifndef SHOAL_NODE_METRICS_H
#define SHOAL_NODE_METRICS_H

#include "base/buf.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Append "shoal_NAME" with its help and its type, "gauge" or "counter". */
void metrics_put(struct buf *out, const char *name, const char *type, const char *help,
		 uint64_t value);
/* shoal_info with the version that runs. */
void metrics_put_version(struct buf *out);

#endif
