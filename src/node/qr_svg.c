#include "node/qr_svg.h"

#include <errno.h>
#include <qrencode.h>

/* Light squares around the code: ISO/IEC 18004. */
#define QUIET 4

static bool is_dark(const QRcode *code, int x, int y)
{
	return (code->data[y * code->width + x] & 1) != 0;
}

/* One rectangle for each run of dark squares in a row. */
static void put_row(const QRcode *code, int y, struct buf *out)
{
	for (int x = 0; x < code->width; x++) {
		int from = x;

		while (x < code->width && is_dark(code, x, y))
			x++;
		if (x > from)
			buf_printf(out, "M%d %dh%dv1h-%dz", from + QUIET, y + QUIET, x - from,
				   x - from);
	}
}

static QRcode *encode(struct bytes text, int *err)
{
	QRcode *code;

	errno = 0;
	code = QRcode_encodeData((int)text.len, text.ptr, 0, QR_ECLEVEL_L);
	if (code == NULL)
		*err = errno == ERANGE ? ERR_TOO_BIG : ERR_NOMEM;
	return code;
}

int qr_svg_put(struct bytes text, struct buf *out)
{
	QRcode *code;
	int side, err = 0;

	if (text.len > QR_TEXT_BYTES_MAX)
		return ERR_TOO_BIG;
	if (text.len == 0)
		return ERR_INVALID;
	code = encode(text, &err);
	if (code == NULL)
		return err;
	side = code->width + 2 * QUIET;
	buf_printf(out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		   "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/>"
		   "<path d=\"",
		   side, side, side, side);
	for (int y = 0; y < code->width; y++)
		put_row(code, y, out);
	buf_put_str(out, "\"/></svg>\n");
	QRcode_free(code);
	return out->err;
}
