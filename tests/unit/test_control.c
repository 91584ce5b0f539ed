#include "test.h"

#include <time.h>

#include <sys/un.h>

#include "cli/control.h"
#include "failmalloc_jansson.h"
#include "node_fixture.h"

static const struct sample_file one = {NULL, 100000, false};

struct fixture {
	struct world w;
	struct node *node;
	struct control *c;
	struct control_params p;
	unsigned left;
};

static void on_leave(void *user, uint32_t drain_s)
{
	struct fixture *f = user;

	(void)drain_s;
	f->left++;
}

/* A peer that serves one torrent. */
static void begin(struct fixture *f)
{
	struct transfer *t;

	*f = (struct fixture){.left = 0};
	world_init(&f->w, (struct kind){false, true}, 16384, &one, 1);
	setenv("SHOAL_HOME", f->w.dir, 1);
	f->node = world_node(&f->w);
	t = world_seed(&f->w, f->node);
	WAIT_FOR(f->w.loop, phase_of(t) == TRANSFER_SEEDING);
	f->p = (struct control_params){
	    .loop = f->w.loop, .node = f->node, .leave = on_leave, .user = f};
}

static void end(struct fixture *f)
{
	control_free(f->c);
	node_free(f->node);
	world_fini(&f->w);
}

static int connect_to(const struct fixture *f)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	CHECK(snprintf(to.sun_path, sizeof(to.sun_path), "%.80s/" CONTROL_FOLDER "/%d.sock",
		       f->w.dir, getpid()) < (int)sizeof(to.sun_path));
	CHECK(fd >= 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Turns the loop until the peer hangs up; its answer is then in `out`. With `nth` that allocation
 * of the peer fails. Returns how many it asked for. */
static size_t ask(const struct fixture *f, const char *question, size_t nth, char *out, size_t cap)
{
	uint64_t until_ms = clock_ms() + PATIENCE_MS;
	int fd = connect_to(f);
	size_t len = 0, asked;
	ssize_t n = -1;

	CHECK_INT(write(fd, question, strlen(question)), (int)strlen(question));
	failmalloc_start(nth, false);
	while (n != 0 && clock_ms() < until_ms) {
		loop_turn(f->w.loop, 1);
		n = read(fd, out + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno != EAGAIN)
			n = 0;
	}
	asked = failmalloc_stop();
	CHECK_INT(n, 0);
	close(fd);
	out[len] = '\0';
	return asked;
}

TEST(questions_are_answered_and_what_is_no_question_is_refused)
{
	struct fixture f;
	char text[8192];

	begin(&f);
	CHECK_INT(control_new(&f.p, &f.c, NULL), 0);
	ask(&f, "{\"verb\": \"explain\"}\n", 0, text, sizeof(text));
	CHECK(strncmp(text, "{\"explained\":[{", 15) == 0 && strstr(text, "seeding") != NULL);
	ask(&f, "{\"verb\": \"explain\", \"name\": \"another\"}\n", 0, text, sizeof(text));
	CHECK_STR(text, "{\"explained\":[]}\n");
	ask(&f, "{\"verb\": \"dance\"}\n", 0, text, sizeof(text));
	CHECK(strstr(text, "\"invalid\"") != NULL);
	ask(&f, "[1, 2]\n", 0, text, sizeof(text));
	CHECK(strstr(text, "\"malformed\"") != NULL);
	CHECK_INT(f.left, 0);
	end(&f);
}

static char second[] = "bert/second@1";
static char *further[] = {second, NULL};

static bool next_called(void *user, size_t *at, struct control_transfer *out)
{
	const struct fixture *f = user;
	uint32_t i = 0;

	*out = (struct control_transfer){
	    .t = node_next_transfer(f->node, &i), .title = "anna/first@1", .also = further};
	return (*at)++ == 0;
}

TEST(what_is_called_by_several_names_is_explained_by_each_and_tells_all)
{
	static const char *const names[] = {"first", "second", "bert/second", "anna/first@1"};
	struct fixture f;
	char text[8192], question[200];

	begin(&f);
	f.p.next = next_called;
	f.p.next_user = &f;
	CHECK_INT(control_new(&f.p, &f.c, NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(question, sizeof(question), "{\"verb\": \"explain\", \"name\": \"%s\"}\n",
			 names[i]);
		ask(&f, question, 0, text, sizeof(text));
		CHECK(strstr(text, "\"title\":\"anna/first@1\"") != NULL);
		CHECK(strstr(text, "\"also\":[\"bert/second@1\"]") != NULL);
	}
	ask(&f, "{\"verb\": \"explain\", \"name\": \"third\"}\n", 0, text, sizeof(text));
	CHECK_STR(text, "{\"explained\":[]}\n");
	end(&f);
}

TEST(who_asks_a_peer_to_leave_is_told_when_it_does)
{
	static const char leave[] = "{\"verb\": \"leave\"}\n";
	struct fixture f;
	struct parting_loss loss = {.pieces = 3, .torrents = 1, .title = "only copy"};
	char text[1000];
	int fd;

	begin(&f);
	CHECK_INT(control_new(&f.p, &f.c, NULL), 0);
	fd = connect_to(&f);
	CHECK_INT(write(fd, leave, strlen(leave)), (int)strlen(leave));
	WAIT_FOR(f.w.loop, f.left == 1);
	control_tell(f.c, &loss, true);
	WAIT_FOR(f.w.loop, read(fd, text, sizeof(text)) > 0);
	CHECK(strstr(text, "\"left\":true") != NULL && strstr(text, "only copy") != NULL);
	close(fd);
	end(&f);
}

TEST(whichever_allocation_fails_the_asker_is_not_left_waiting_and_the_next_one_is_answered)
{
	static const char *const questions[] = {"{\"verb\": \"explain\"}\n",
						"{\"verb\": \"dance\"}\n"};
	struct fixture f;
	char text[8192];

	begin(&f);
	CHECK_INT(control_new(&f.p, &f.c, NULL), 0);
	for (int q = 0; q < 2; q++) {
		for (size_t n = 1; n <= ask(&f, questions[q], n, text, sizeof(text)); n++)
			CHECK(n < 5000);
		ask(&f, questions[q], 0, text, sizeof(text));
		CHECK(strstr(text, q == 0 ? "\"explained\"" : "\"invalid\"") != NULL);
	}
	end(&f);
}

TEST(a_peer_can_be_asked_or_says_why_not_whichever_allocation_fails)
{
	struct fixture f;
	bool done = false;

	begin(&f);
	for (size_t n = 1; !done; n++) {
		struct err_info info = {0};
		size_t asked;
		int rc;

		CHECK(n < 2000);
		f.c = NULL;
		failmalloc_start(n, false);
		rc = control_new(&f.p, &f.c, &info);
		asked = failmalloc_stop();
		done = asked < n;
		CHECK(rc == 0 || (info.code == rc && info.text[0] != '\0'));
		CHECK(!done || rc == 0);
		control_free(f.c);
	}
	f.c = NULL;
	end(&f);
}
