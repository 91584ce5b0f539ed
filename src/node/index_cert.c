#include "node/index_cert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/tls.h"
#include "store/durable.h"

#define PEM_BYTES_MAX 16384u

static int make(const struct root *r, struct err_info *info)
{
	struct buf pem;
	int rc;

	buf_init(&pem, PEM_BYTES_MAX);
	rc = tls_self_sign(&pem);
	rc = rc < 0 ? err_set(info, (enum err)rc, "no certificate could be made: %s", err_text(rc))
		    : durable_write(r, INDEX_CERT_FILE, buf_bytes(&pem), 0600, info);
	if (pem.ptr != NULL)
		explicit_bzero(pem.ptr, pem.cap);
	buf_fini(&pem);
	return rc;
}

int index_cert_own(const char *data_dir, char **path, struct err_info *info)
{
	struct root r;
	struct stat st;
	int rc = root_open(&r, data_dir, info);

	*path = NULL;
	if (rc < 0)
		return rc;
	rc = root_stat(&r, INDEX_CERT_FILE, &st);
	if (rc == ERR_NOENT)
		rc = make(&r, info);
	else if (rc == 0 && (st.st_mode & 077) != 0)
		rc = err_set(info, ERR_DENIED,
			     INDEX_CERT_FILE ": others may read this secret key; 'chmod 600' it, "
					     "or remove it to get a new one");
	else if (rc < 0)
		err_set(info, (enum err)rc, INDEX_CERT_FILE ": %s", err_text(rc));
	root_close(&r);
	if (rc == 0 && asprintf(path, "%s/%s", data_dir, INDEX_CERT_FILE) < 0) {
		*path = NULL;
		rc = err_set(info, ERR_NOMEM, "out of memory");
	}
	return rc;
}
