#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/check.h"
#include "meta/create.h"
#include "store/hashing.h"

#include "test.h"

#define PIECE 16384u

/* A folder with a torrent of it: "a" of 40000 bytes, "d/b" of 100, "e" empty. */
struct scene {
	char dir[64];
	struct root root;
	struct metainfo *meta;
	uint64_t lengths[3];
};

static const char *const paths[] = {"a", "d/b", "e"};

static void write_bytes(const struct scene *s, const char *rel, uint64_t at, const void *data,
			size_t n)
{
	int fd = root_openat(&s->root, rel, O_WRONLY | O_CREAT, 0600, NULL);

	CHECK(fd >= 0);
	CHECK_INT(pwrite(fd, data, n, (off_t)at), n);
	close(fd);
}

static void write_files(const struct scene *s)
{
	uint8_t *data = malloc(s->lengths[0]);

	for (size_t i = 0; i < s->lengths[0]; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 8));
	for (int i = 0; i < 3; i++)
		write_bytes(s, paths[i], 0, data, (size_t)s->lengths[i]);
	free(data);
}

static void make_torrent(struct scene *s, bool v1, bool v2)
{
	struct hashing_file files[3] = {0};
	struct create_file out[3] = {0};
	struct hashing_params p = {.root = &s->root,
				   .files = files,
				   .n_files = 3,
				   .piece_length = PIECE,
				   .v1 = v1,
				   .v2 = v2,
				   .threads = 1};
	struct create_spec spec = {
	    .name = "n", .v1 = v1, .v2 = v2, .piece_length = PIECE, .files = out, .n_files = 3};
	uint64_t offsets[3];
	struct hashing h;
	struct buf torrent;

	p.space_bytes = create_offsets(s->lengths, 3, PIECE, v1 && v2, offsets);
	for (int i = 0; i < 3; i++) {
		files[i].path = paths[i];
		files[i].length = s->lengths[i];
		files[i].offset = offsets[i];
	}
	CHECK_INT(hashing_run(&p, &h, NULL), 0);
	for (int i = 0; i < 3; i++)
		out[i] =
		    (struct create_file){.path = paths[i],
					 .length = s->lengths[i],
					 .root = v2 && s->lengths[i] > 0 ? files[i].root : NULL,
					 .layer = files[i].layer};
	spec.pieces_v1 = h.pieces_v1;
	spec.n_pieces_v1 = h.n_pieces_v1;
	buf_init(&torrent, 1 << 20);
	CHECK_INT(create_torrent(&spec, &torrent), 0);
	CHECK_INT(meta_parse(buf_bytes(&torrent), &s->meta), META_OK);
	buf_fini(&torrent);
	hashing_fini(&h, files, 3);
}

static void scene_open_long(struct scene *s, bool v1, bool v2, uint64_t a)
{
	s->lengths[0] = a;
	s->lengths[1] = 100;
	s->lengths[2] = 0;
	snprintf(s->dir, sizeof(s->dir), "/tmp/shoal-check-XXXXXX");
	CHECK(mkdtemp(s->dir) != NULL);
	CHECK_INT(root_open(&s->root, s->dir, NULL), 0);
	write_files(s);
	make_torrent(s, v1, v2);
}

static void scene_open(struct scene *s, bool v1, bool v2)
{
	scene_open_long(s, v1, v2, 40000);
}

static void scene_close(struct scene *s)
{
	struct root tmp;

	meta_free(s->meta);
	root_close(&s->root);
	CHECK_INT(root_open(&tmp, "/tmp", NULL), 0);
	CHECK_INT(root_remove_tree(&tmp, s->dir + 5, NULL), 0);
	root_close(&tmp);
}

/* One letter per piece: '.' good, 'B' bad, 'M' missing, 'U' unreadable; then files that are not
 * good, and 'L' for longer ones. */
static const char *checked(const struct scene *s)
{
	static char text[128];
	struct check_params p = {.meta = s->meta, .root = &s->root};
	struct check c;
	size_t n = 0;

	CHECK_INT(check_run(&p, &c, NULL), 0);
	for (uint32_t i = 0; i < s->meta->n_pieces; i++)
		text[n++] = ".BMU"[c.pieces[i]];
	for (uint32_t i = 0; i < s->meta->n_files; i++) {
		if (c.files[i] == CHECK_GOOD && !c.longer[i])
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s%c%s", s->meta->files[i].path,
				      ".BMU"[c.files[i]], c.longer[i] ? "L" : "");
	}
	text[n] = '\0';
	CHECK(check_all_good(&c, s->meta) == (strspn(text, ".") == n));
	CHECK(c.trouble.code == OK || c.count[CHECK_UNREADABLE] > 0);
	check_fini(&c);
	return text;
}

static void remove_file(const struct scene *s, const char *rel)
{
	CHECK_INT(root_unlink(&s->root, rel, NULL), 0);
}

TEST(whole_data_is_good_in_every_kind_of_torrent)
{
	struct scene s;

	scene_open(&s, true, true);
	CHECK_STR(checked(&s), "....");
	scene_close(&s);
	scene_open(&s, false, true);
	CHECK_STR(checked(&s), "....");
	scene_close(&s);
	scene_open(&s, true, false);
	CHECK_STR(checked(&s), "...");
	scene_close(&s);
}

TEST(a_changed_byte_is_one_bad_piece)
{
	struct scene s;

	scene_open(&s, true, true);
	write_bytes(&s, "a", 20000, "!", 1);
	CHECK_STR(checked(&s), ".B.. aB");
	scene_close(&s);
	scene_open(&s, true, false);
	write_bytes(&s, "d/b", 50, "!", 1);
	CHECK_STR(checked(&s), "..B aB d/bB"); /* v1: the piece is of both files */
	scene_close(&s);
}

/* More than are hashed at once. */
TEST(of_many_pieces_each_is_judged_by_itself)
{
	static const bool kinds[][2] = {{true, false}, {false, true}, {true, true}};

	for (int k = 0; k < 3; k++) {
		struct scene s;
		char path[128];

		scene_open_long(&s, kinds[k][0], kinds[k][1], 40 * PIECE);
		write_bytes(&s, "a", 0, "!", 1);
		write_bytes(&s, "a", 17 * PIECE - 1, "!", 1);
		write_bytes(&s, "a", 31 * PIECE + 7, "!!", 2);
		CHECK_STR(checked(&s), "B...............B..............B......... aB");
		snprintf(path, sizeof(path), "%s/a", s.dir);
		CHECK_INT(truncate(path, 37 * PIECE + 1), 0);
		CHECK_STR(checked(&s), "B...............B..............B.....MMM. aM");
		scene_close(&s);
	}
}

TEST(a_file_that_is_gone_or_too_short_is_missing)
{
	struct scene s;
	char path[128];

	scene_open(&s, false, true);
	remove_file(&s, "d/b");
	CHECK_STR(checked(&s), "...M d/bM");
	snprintf(path, sizeof(path), "%s/a", s.dir);
	CHECK_INT(truncate(path, 17000), 0);
	CHECK_STR(checked(&s), ".MMM aM d/bM");
	remove_file(&s, "e");
	CHECK_STR(checked(&s), ".MMM aM d/bM eM");
	scene_close(&s);
}

TEST(a_missing_file_does_not_make_its_neighbour_bad)
{
	struct scene s;

	scene_open(&s, true, false);
	remove_file(&s, "d/b");
	CHECK_STR(checked(&s), "..M d/bM");
	scene_close(&s);
}

TEST(bytes_beyond_the_end_are_noticed)
{
	struct scene s;

	scene_open(&s, true, true);
	write_bytes(&s, "d/b", 100, "!", 1);
	CHECK_STR(checked(&s), ".... d/b.L");
	write_bytes(&s, "e", 0, "!", 1);
	CHECK_STR(checked(&s), ".... d/b.L e.L");
	scene_close(&s);
}

TEST(a_link_or_a_pipe_in_a_file_s_place_is_not_read)
{
	struct scene s;
	char path[128];

	scene_open(&s, false, true);
	snprintf(path, sizeof(path), "%s/d/b", s.dir);
	remove_file(&s, "d/b");
	CHECK_INT(symlink("/etc/hostname", path), 0);
	CHECK_STR(checked(&s), "...U d/bU");
	remove_file(&s, "d/b");
	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK(strchr(checked(&s), '.') != NULL);
	CHECK(strstr(checked(&s), "d/b") != NULL);
	scene_close(&s);
}
