/* tests/unit/meta_verdict.h - what meta_parse says to torrents in the notation of
 * meta_samples.h, and parts to build such torrents from. */
#ifndef SHOAL_META_VERDICT_H
#define SHOAL_META_VERDICT_H

#include <time.h>

#include "meta_samples.h"

static inline enum meta_fault verdict_of(struct bytes torrent)
{
	struct metainfo *m = NULL;
	enum meta_fault f = meta_parse(torrent, &m);

	CHECK_INT(m != NULL, f == META_OK);
	meta_free(m);
	return f;
}

/* In exactly sized memory, so that one byte too many is seen. */
static inline enum meta_fault verdict_of_notation(const char *text)
{
	enum meta_fault f;
	struct buf b;
	uint8_t *exact;

	buf_init(&b, META_BYTES_MAX + 1000);
	notation(text, &b);
	exact = malloc(b.len > 0 ? b.len : 1);
	if (b.len > 0)
		memcpy(exact, b.ptr, b.len);
	f = verdict_of(bytes_of(exact, b.len));
	free(exact);
	buf_fini(&b);
	return f;
}

static inline struct metainfo *parse_notation(const char *text)
{
	struct metainfo *m = NULL;
	struct buf b;

	buf_init(&b, META_BYTES_MAX);
	notation(text, &b);
	CHECK_INT(meta_parse(buf_bytes(&b), &m), META_OK);
	buf_fini(&b);
	return m;
}

/* Parts of torrents. A v1 file of 5 bytes fits one piece; AB is the root over two
 * layer hashes 'a'*32 'b'*32, ABC over three. */
#define NP " 'name' 'n' 'piece length' 16384 "
#define P1 " 'pieces' 'x'*20 "
#define SINGLE(x) "{'info' {'length' 5" NP P1 x "}}"
#define LIST(files) "{'info' {'files' [" files "]" NP P1 "}}"
#define FILE1 "{'length' 5 'path' ['a']}"
#define AB "<fdd2a64d014f2c406d2ece67c23212a92b356314f4deb42b24c395296ee304d2>"
#define ABC "<5a4806a42e89378e4008cbba6ba905af4da82e89762c7137c69eb166609e4fb3>"
#define V2 " 'meta version' 2 "
#define TREE(tree) "{'info' {'file tree' " tree V2 NP "} 'piece layers' {}}"
#define LEAF(n) "{'' {'length' " n " 'pieces root' 'r'*32}}"
#define LAYERS(layers)                                                                             \
	"{'info' {'file tree' {'f' {'' {'length' 32768 'pieces root' " AB "}}}" V2 NP "}" layers "}"
#define HYBRID(files, tree, n)                                                                     \
	"{'info' {'file tree' " tree "'files' [" files "]" V2 NP "'pieces' 'x'*" n                 \
	"} 'piece layers' {}}"
#define PAD(n) "{'attr' 'p' 'length' " n " 'path' ['.pad' '" n "']}"

/* Two files with a pad between them, in v1 and in v2. */
#define F1(n) "{'length' " n " 'path' ['f']}"
#define G1(n) "{'length' " n " 'path' ['g']}"
#define FG(f, g) "{'f' " LEAF(f) "'g' " LEAF(g) "}"

static inline double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
