#include "node/metrics.h"

void metrics_put(struct buf *out, const char *name, const char *type, const char *help,
		 uint64_t value)
{
	buf_printf(out, "# HELP shoal_%s %s\n# TYPE shoal_%s %s\nshoal_%s %llu\n", name, help, name,
		   type, name, (unsigned long long)value);
}

void metrics_put_version(struct buf *out)
{
	buf_printf(out,
		   "# HELP shoal_info The version that runs.\n# TYPE shoal_info gauge\n"
		   "shoal_info{version=\"%s\"} 1\n",
		   SHOAL_VERSION);
}
