#include "cli/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Of a ustar head: where its fields are, and how long. */
enum {
	NAME_AT = 0,
	NAME_LEN = 100,
	MODE_AT = 100,
	UID_AT = 108,
	GID_AT = 116,
	SIZE_AT = 124,
	MTIME_AT = 136,
	SUM_AT = 148,
	TYPE_AT = 156,
	MAGIC_AT = 257,
};

/* The largest size that eleven octal digits hold. */
#define USTAR_SIZE_MAX 077777777777ull

static void put_octal(uint8_t *at, int digits, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*llo", digits, (unsigned long long)v);
	memcpy(at, text, (size_t)digits + 1);
}

/* A name that is too long is cut: the pax head has all of it. */
static int put_ustar(struct buf *b, char type, const char *name, uint64_t length, bool executable)
{
	uint8_t head[TAR_BLOCK] = {0};
	size_t n = strlen(name);
	uint64_t sum = 0;

	memcpy(head + NAME_AT, name, n < NAME_LEN ? n : NAME_LEN);
	put_octal(head + MODE_AT, 7, executable ? 0755 : 0644);
	put_octal(head + UID_AT, 7, 0);
	put_octal(head + GID_AT, 7, 0);
	put_octal(head + SIZE_AT, 11, length <= USTAR_SIZE_MAX ? length : 0);
	put_octal(head + MTIME_AT, 11, 0);
	memset(head + SUM_AT, ' ', 8);
	head[TYPE_AT] = (uint8_t)type;
	memcpy(head + MAGIC_AT, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += head[i];
	put_octal(head + SUM_AT, 6, sum);
	return buf_put(b, bytes_of(head, sizeof(head)));
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void put_record(struct buf *b, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
	char digits[24];

	do
		len = rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len);
	while (len != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len));
	(void)buf_printf(b, "%s %s=%s\n", digits, key, value);
}

static int put_zeros(struct buf *b, uint32_t n)
{
	static const uint8_t zeros[2 * TAR_BLOCK];

	return buf_put(b, bytes_of(zeros, n));
}

static int put_pax(struct buf *b, const char *path, uint64_t length)
{
	struct buf records;
	char size[24];
	int err;

	buf_init(&records, TAR_HEAD_MAX);
	if (!text_is_utf8(bytes_str(path)))
		put_record(&records, "hdrcharset", "BINARY");
	put_record(&records, "path", path);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)length);
	if (length > USTAR_SIZE_MAX)
		put_record(&records, "size", size);
	err = records.err;
	if (err == OK)
		err = put_ustar(b, 'x', "pax", records.len, false);
	if (err == OK)
		err = buf_put(b, buf_bytes(&records));
	if (err == OK)
		err = put_zeros(b, tar_pad(records.len));
	buf_fini(&records);
	return err;
}

int tar_put_head(struct buf *b, const char *path, uint64_t length, bool executable)
{
	int err = OK;

	if (strlen(path) > NAME_LEN || length > USTAR_SIZE_MAX)
		err = put_pax(b, path, length);
	return err == OK ? put_ustar(b, '0', path, length, executable) : err;
}

uint32_t tar_pad(uint64_t length)
{
	return (uint32_t)((TAR_BLOCK - length % TAR_BLOCK) % TAR_BLOCK);
}

int tar_put_end(struct buf *b)
{
	return put_zeros(b, 2 * TAR_BLOCK);
}
