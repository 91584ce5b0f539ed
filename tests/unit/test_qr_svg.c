#include "node/qr_svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failmalloc.h"
#include "test.h"

#define OUT_MAX (1u << 20)
#define SIDE_MAX (177 + 8)

/* The squares of a picture, read off its path: false outside. */
struct picture {
	int side;
	bool dark[SIDE_MAX][SIDE_MAX];
};

static void read_picture(const char *svg, struct picture *p)
{
	const char *box = strstr(svg, "viewBox=\"0 0 "), *path = strstr(svg, "<path d=\"");
	int x, y, w, back, n;

	memset(p, 0, sizeof(*p));
	CHECK(box != NULL && path != NULL);
	p->side = (int)strtol(box + 13, NULL, 10);
	path += 9;
	while (sscanf(path, "M%d %dh%dv1h-%dz%n", &x, &y, &w, &back, &n) == 4) {
		CHECK_INT(w, back);
		CHECK(x >= 0 && x + w <= p->side && y >= 0 && y < p->side);
		for (int i = 0; i < w; i++)
			p->dark[y][x + i] = true;
		path += n;
	}
	CHECK_STR(path, "\"/></svg>\n");
}

TEST(a_short_text_is_a_code_of_21_squares_with_three_finders_in_a_quiet_zone)
{
	static const char *const finder[7] = {"#######", "#.....#", "#.###.#", "#.###.#",
					      "#.###.#", "#.....#", "#######"};
	static const int corners[3][2] = {{4, 4}, {18, 4}, {4, 18}};
	struct picture p;
	struct buf b;

	buf_init(&b, OUT_MAX);
	CHECK_INT(qr_svg_put(bytes_str("magnet:?xt=urn"), &b), 0);
	read_picture(buf_cstr(&b), &p);
	CHECK_INT(p.side, 21 + 8);
	for (int c = 0; c < 3; c++) {
		for (int y = 0; y < 7; y++) {
			for (int x = 0; x < 7; x++)
				CHECK_INT(p.dark[corners[c][1] + y][corners[c][0] + x],
					  finder[y][x] == '#');
		}
	}
	for (int i = 0; i < p.side; i++) {
		for (int q = 0; q < 4; q++) {
			CHECK(!p.dark[q][i] && !p.dark[p.side - 1 - q][i]);
			CHECK(!p.dark[i][q] && !p.dark[i][p.side - 1 - q]);
		}
	}
	buf_fini(&b);
}

TEST(a_picture_holds_nothing_of_the_text)
{
	struct buf b;

	buf_init(&b, OUT_MAX);
	CHECK_INT(qr_svg_put(bytes_str("\"><script>alert(1)</script>"), &b), 0);
	CHECK(strstr(buf_cstr(&b), "script") == NULL);
	CHECK(strstr(buf_cstr(&b), "style") == NULL);
	buf_fini(&b);
}

TEST(qr_codes_take_2953_bytes_and_not_one_more)
{
	static uint8_t text[QR_TEXT_BYTES_MAX + 1];
	struct picture p;
	struct buf b;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)('a' + i % 26);
	buf_init(&b, OUT_MAX);
	CHECK_INT(qr_svg_put(bytes_of(text, QR_TEXT_BYTES_MAX), &b), 0);
	read_picture(buf_cstr(&b), &p);
	CHECK_INT(p.side, SIDE_MAX);
	buf_clear(&b);
	CHECK_INT(qr_svg_put(bytes_of(text, QR_TEXT_BYTES_MAX + 1), &b), ERR_TOO_BIG);
	CHECK_INT(qr_svg_put(bytes_of(text, 0), &b), ERR_INVALID);
	CHECK_INT((long)b.len, 0);
	buf_fini(&b);
}

TEST(a_code_without_memory_for_it_is_refused)
{
	struct buf b;
	size_t n;

	buf_init(&b, OUT_MAX);
	failmalloc_start(0, false);
	CHECK_INT(qr_svg_put(bytes_str("text"), &b), 0);
	n = failmalloc_stop();
	CHECK(n > 0);
	buf_fini(&b);
	for (size_t i = 1; i <= n; i++) {
		buf_init(&b, OUT_MAX);
		failmalloc_start(i, false);
		CHECK_INT(qr_svg_put(bytes_str("text"), &b), ERR_NOMEM);
		failmalloc_stop();
		buf_fini(&b);
	}
}
