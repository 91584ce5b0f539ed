/* node/qr_svg.h - a text as a QR code, drawn in SVG.
 *
 * The picture is one path of dark squares on a white ground with the quiet zone that scanners
 * need, whatever the colours of the page around it. It holds nothing of the text itself, no script
 * and no style, so that no text can be more than a picture. */
#ifndef SHOAL_NODE_QR_SVG_H
#define SHOAL_NODE_QR_SVG_H

#include "base/buf.h"

/* What the largest code (version 40) holds as bytes, with the least error correction. */
#define QR_TEXT_BYTES_MAX 2953u

/* Appends the SVG document. Returns 0, ERR_TOO_BIG for a text beyond QR_TEXT_BYTES_MAX, ERR_INVALID
 * for an empty one, ERR_NOMEM. */
int qr_svg_put(struct bytes text, struct buf *out);

#endif
