#include "base/text.h"

#include <stdio.h>

/* The longest thing one character turns into: \u{10ffff}, with its NUL. */
#define PIECE_MAX 12

static bool in_range(uint32_t v, uint32_t low, uint32_t high)
{
	return v >= low && v <= high;
}

size_t text_first_char(struct bytes s, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = s.ptr[0];
	size_t len = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;

	*code = lead;
	if (lead < 0x80)
		return 1;
	if (len == 0 || s.len < len)
		return 0;
	*code = lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s.ptr[i] & 0x3fu);
	}
	if (*code < smallest[len] || *code > 0x10ffff || in_range(*code, 0xd800, 0xdfff))
		return 0;
	return len;
}

bool text_is_utf8(struct bytes s)
{
	uint32_t code;

	while (s.len > 0) {
		size_t n = text_first_char(s, &code);

		if (n == 0)
			return false;
		s = bytes_sub(s, n, s.len - n);
	}
	return true;
}

/* Ideographs, kana and their marks of iteration and length. Korean has blanks. */
static bool stands_alone(uint32_t c)
{
	static const uint32_t ranges[][2] = {
	    {0x3005, 0x3007}, {0x3040, 0x30ff}, {0x31f0, 0x31ff},   {0x3400, 0x4dbf},
	    {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x3ffff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (in_range(c, ranges[i][0], ranges[i][1]))
			return true;
	return false;
}

/* Arrows, signs, shapes, emoji, but not numbers in circles. */
static bool is_picture(uint32_t c)
{
	static const uint32_t pictures[][2] = {
	    {0x2190, 0x245f},	{0x2500, 0x2775},   {0x2794, 0x2bff},
	    {0x1f000, 0x1f0ff}, {0x1f10d, 0x1faff},
	};

	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		if (in_range(c, pictures[i][0], pictures[i][1]))
			return true;
	return false;
}

/* One after the other into the Private Use Area, U+E000 to U+F8FF, which holds all of them. */
static void put_picture(struct buf *out, uint32_t c)
{
	uint32_t to = c < 0x10000 ? 0xe000 + (c - 0x2190) : 0xeb00 + (c - 0x1f000);

	buf_put_u8(out, (uint8_t)(0xe0 | to >> 12));
	buf_put_u8(out, (uint8_t)(0x80 | (to >> 6 & 0x3f)));
	buf_put_u8(out, (uint8_t)(0x80 | (to & 0x3f)));
}

void text_put_apart(struct buf *out, struct bytes s)
{
	bool first = true, before = false;

	while (s.len > 0) {
		uint32_t code;
		size_t n = text_first_char(s, &code);
		bool picture = n > 0 && is_picture(code);
		bool alone = picture || (n > 0 && stands_alone(code));

		n = n == 0 ? 1 : n;
		if (!first && (alone || before))
			buf_put_u8(out, ' ');
		if (picture)
			put_picture(out, code);
		else
			buf_put(out, bytes_sub(s, 0, n));
		s = bytes_sub(s, n, s.len - n);
		before = alone;
		first = false;
	}
}

/* Characters that steer a terminal or turn or hide what stands beside them:
 * C0, DEL, C1, zero-width and bidi marks, line and paragraph separators, bidi
 * embeddings and isolates, byte order mark. */
static bool is_steering(uint32_t c)
{
	return c < 0x20 || in_range(c, 0x7f, 0x9f) || c == 0x61c || in_range(c, 0x200b, 0x200f) ||
	       in_range(c, 0x2028, 0x202e) || in_range(c, 0x2060, 0x2069) || c == 0xfeff;
}

/* Characters that are not seen, or in which no text is kept: soft hyphen, joiners and fillers,
 * marks of Khmer and Mongolian, shaping and annotation controls, tags, U+FFFE and U+FFFF. Of
 * variation selectors the first sixteen are not among them: emoji need those. web/text.js has the
 * same list, with those above. */
static bool is_unseen(uint32_t c)
{
	static const uint32_t ranges[][2] = {
	    {0xad, 0xad},     {0x34f, 0x34f},	{0x115f, 0x1160},   {0x17b4, 0x17b5},
	    {0x180b, 0x180f}, {0x206a, 0x206f}, {0x3164, 0x3164},   {0xffa0, 0xffa0},
	    {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (in_range(c, ranges[i][0], ranges[i][1]))
			return true;
	return false;
}

/* Take one character off the front of `s` and give its safe form. */
static size_t take_escaped(struct bytes *s, char piece[PIECE_MAX])
{
	uint32_t code;
	size_t used = text_first_char(*s, &code);
	int len;

	if (used == 0)
		len = snprintf(piece, PIECE_MAX, "\\x%02x", s->ptr[0]);
	else if (code == '\n' || code == '\t' || code == '\\')
		len = snprintf(piece, PIECE_MAX, "\\%c",
			       code == '\n'   ? 'n'
			       : code == '\t' ? 't'
					      : '\\');
	else if (!is_steering(code) && !is_unseen(code))
		len = snprintf(piece, PIECE_MAX, "%.*s", (int)used, (const char *)s->ptr);
	else
		len = snprintf(piece, PIECE_MAX, code < 0x80 ? "\\x%02x" : "\\u{%04x}", code);
	if (used == 0)
		used = 1;
	*s = bytes_sub(*s, used, s->len - used);
	return (size_t)len;
}

void text_put_escaped(struct buf *out, struct bytes s)
{
	char piece[PIECE_MAX];

	while (s.len > 0) {
		size_t n = take_escaped(&s, piece);

		if (buf_put(out, bytes_of(piece, n)) != 0)
			return;
	}
}

bool text_is_tame(struct bytes s)
{
	uint32_t code;

	while (s.len > 0) {
		size_t n = text_first_char(s, &code);

		if (n == 0 || is_steering(code))
			return false;
		s = bytes_sub(s, n, s.len - n);
	}
	return true;
}

bool text_hides(struct bytes s)
{
	uint32_t code;

	while (s.len > 0) {
		size_t n = text_first_char(s, &code);

		if (n > 0 && is_unseen(code))
			return true;
		n = n == 0 ? 1 : n;
		s = bytes_sub(s, n, s.len - n);
	}
	return false;
}

bool text_is_plain(struct bytes s)
{
	return text_is_tame(s) && !text_hides(s);
}

const char *text_escape(char *out, size_t cap, struct bytes s)
{
	static const char dots[] = "...";
	size_t len = 0, cut = 0; /* cut: where the dots would still fit */
	char piece[PIECE_MAX];

	if (cap == 0)
		return out;
	while (s.len > 0) {
		size_t n = take_escaped(&s, piece);

		if (n >= cap - len) {
			len = cut;
			n = cap - len < sizeof(dots) ? cap - len - 1 : sizeof(dots) - 1;
			memcpy(out + len, dots, n);
			len += n;
			break;
		}
		memcpy(out + len, piece, n);
		len += n;
		if (cap - len >= sizeof(dots))
			cut = len;
	}
	out[len] = '\0';
	return out;
}

/* Value and unit, rounded to a tenth; "1024.0 KiB" is written "1.0 MiB". */
static void put_size(char *out, size_t cap, uint64_t bytes, const char *suffix)
{
	static const char units[] = "KMGTPE";
	unsigned shift = 10, unit = 0;
	uint64_t whole, tenths;

	if (bytes < 1024) {
		snprintf(out, cap, "%llu B%s", (unsigned long long)bytes, suffix);
		return;
	}
	while (unit < 5 && bytes >> shift >= 1024) {
		shift += 10;
		unit++;
	}
	whole = bytes >> shift;
	tenths = ((bytes & ((1ULL << shift) - 1)) * 10 + (1ULL << (shift - 1))) >> shift;
	if (tenths == 10) {
		whole++;
		tenths = 0;
	}
	if (whole == 1024) { /* never exbibytes: 2^64 is 16 of them */
		whole = 1;
		unit++;
	}
	snprintf(out, cap, "%llu.%u %ciB%s", (unsigned long long)whole, (unsigned)tenths,
		 units[unit], suffix);
}

const char *text_size(char *out, size_t cap, uint64_t bytes)
{
	put_size(out, cap, bytes, "");
	return out;
}

const char *text_rate(char *out, size_t cap, uint64_t bps)
{
	put_size(out, cap, bps, "/s");
	return out;
}

const char *text_duration(char *out, size_t cap, uint64_t seconds)
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(out, cap, "%llus", s);
	else if (s < 3600)
		snprintf(out, cap, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, cap, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, cap, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return out;
}

int text_parse_u64(struct bytes s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return ERR_PROTO;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = s.ptr[i] - (unsigned)'0';

		if (digit > 9 || v > max / 10 || digit > max - v * 10)
			return ERR_PROTO;
		v = v * 10 + digit;
	}
	*out = v;
	return 0;
}

void text_hex(char *out, struct bytes in)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		*out++ = digits[in.ptr[i] >> 4];
		*out++ = digits[in.ptr[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(uint8_t c)
{
	if (in_range(c, '0', '9'))
		return c - '0';
	c |= 0x20;
	return in_range(c, 'a', 'f') ? c - 'a' + 10 : -1;
}

int text_unhex(struct bytes in, uint8_t *out, size_t out_len)
{
	if (in.len % 2 != 0 || in.len / 2 != out_len)
		return ERR_PROTO;
	for (size_t i = 0; i < out_len; i++) {
		int high = hex_digit(in.ptr[2 * i]), low = hex_digit(in.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_PROTO;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int base32_digit(uint8_t c)
{
	if (in_range(c, '2', '7'))
		return c - '2' + 26;
	c |= 0x20;
	return in_range(c, 'a', 'z') ? c - 'a' : -1;
}

int text_unbase32(struct bytes in, uint8_t *out, size_t out_len)
{
	unsigned held = 0, bits = 0;
	size_t n = 0;

	if (in.len != out_len / 5 * 8 + (out_len % 5 * 8 + 4) / 5)
		return ERR_PROTO;
	for (size_t i = 0; i < in.len; i++) {
		int digit = base32_digit(in.ptr[i]);

		if (digit < 0)
			return ERR_PROTO;
		held = (held << 5 | (unsigned)digit) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(held >> bits);
		}
	}
	/* Left-over bits must be zero, so that one value has one spelling. */
	return (held & ((1u << bits) - 1)) == 0 ? 0 : ERR_PROTO;
}

static bool is_unreserved(uint8_t c)
{
	return in_range(c, '0', '9') || in_range(c | 0x20u, 'a', 'z') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

void text_put_percent(struct buf *out, struct bytes in)
{
	for (size_t i = 0; i < in.len; i++) {
		if (is_unreserved(in.ptr[i]))
			buf_put_u8(out, in.ptr[i]);
		else
			buf_printf(out, "%%%02X", in.ptr[i]);
	}
}

/* Source: XML 1.0, production 2. */
static bool is_xml_char(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || in_range(c, 0x20, 0xfffd) || c >= 0x10000;
}

void text_put_xml(struct buf *out, struct bytes in)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
	    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	while (in.len > 0) {
		const char *instead = NULL;
		uint32_t code;
		size_t n = text_first_char(in, &code);

		if (n == 0 || !is_xml_char(code))
			instead = "\xef\xbf\xbd"; /* U+FFFD */
		n = n == 0 ? 1 : n;
		for (size_t k = 0; k < sizeof(entities) / sizeof(entities[0]); k++)
			if (in.ptr[0] == (uint8_t)entities[k].c)
				instead = entities[k].entity;
		if (instead != NULL)
			buf_put_str(out, instead);
		else
			buf_put(out, bytes_sub(in, 0, n));
		in = bytes_sub(in, n, in.len - n);
	}
}

int text_unpercent(struct bytes in, struct buf *out)
{
	size_t start = out->len;
	int rc = out->err;

	for (size_t i = 0; rc == 0 && i < in.len; i++) {
		uint8_t c = in.ptr[i];

		if (c != '%') {
			rc = buf_put_u8(out, c);
		} else if (in.len - i <= 2 || text_unhex(bytes_sub(in, i + 1, 2), &c, 1) != 0) {
			rc = ERR_PROTO;
		} else {
			rc = buf_put_u8(out, c);
			i += 2;
		}
	}
	if (rc != 0)
		out->len = start;
	return rc;
}

bool text_begins(struct bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && strncasecmp((const char *)s.ptr, prefix, n) == 0;
}

bool text_is_word(struct bytes s, const char *word)
{
	return s.len == strlen(word) && text_begins(s, word);
}

const char *text_beneath(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n > 0 && folder[n - 1] == '/') /* the root */
		n--;
	if (strncmp(path, folder, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] == '/' ? path + n + 1 : path + n;
}

struct bytes text_url_host(const char *url)
{
	const char *scheme = strstr(url, "://"), *host = scheme == NULL ? url : scheme + 3;
	size_t len = strcspn(host, "/?#");
	const char *user = memrchr(host, '@', len); /* a password may have one, too */

	return user == NULL ? bytes_of(host, len)
			    : bytes_of(user + 1, len - (size_t)(user + 1 - host));
}
