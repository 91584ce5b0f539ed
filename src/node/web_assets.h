/* node/web_assets.h - the files of web/, put into the program by web/embed.py at build time. */
#ifndef SHOAL_NODE_WEB_ASSETS_H
#define SHOAL_NODE_WEB_ASSETS_H

#include <stddef.h>

struct web_asset {
	const char *path; /* "/", "/app.js" */
	const char *type; /* Content-Type */
	const char *tag;  /* ETag: another one for other bytes */
	const unsigned char *data;
	size_t len;
};

extern const struct web_asset web_assets[];
extern const size_t web_n_assets;

#endif
