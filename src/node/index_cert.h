/* node/index_cert.h - the certificate that an index makes for itself. */
#ifndef SHOAL_NODE_INDEX_CERT_H
#define SHOAL_NODE_INDEX_CERT_H

#include "base/err.h"

/* Key and certificate in one file of the data folder, 0600. It is made when it is missing and kept
 * from then on, since clients know it by its pin. */
#define INDEX_CERT_FILE "tls.pem"

/* *path: where it is; the caller frees it. */
int index_cert_own(const char *data_dir, char **path, struct err_info *info);

#endif
