#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/local.h"
#include "store_fixture.h"

/* A server on a loop, and askers on threads of their own, since asking waits. */
struct stage {
	struct loop *loop;
	struct local_server *server;
	struct local_call *kept, *all[LOCAL_CLIENTS_MAX];
	unsigned n_asked;
	char dir[256], folder[400];
	char last[100];
};

struct asker {
	const char *folder, *question;
	uint32_t silence_ms, n_silent;
	int n_answered, n_lines;
	char name[100];
	char lines[3][100];
	atomic_bool done;
	pthread_t thread;
};

static void asked(void *user, struct local_call *call, struct bytes q)
{
	struct stage *s = user;

	s->n_asked++;
	snprintf(s->last, sizeof(s->last), "%.*s", (int)q.len, (const char *)q.ptr);
	if (strcmp(s->last, "later") == 0) {
		s->kept = call;
		s->all[(s->n_asked - 1) % LOCAL_CLIENTS_MAX] = call;
		return;
	}
	local_call_say(call, bytes_str("first"));
	local_call_end(call, bytes_str("last"));
}

static int serve(struct stage *s, const char *name)
{
	struct local_params p = {
	    .loop = s->loop, .folder = s->folder, .name = name, .asked = asked, .user = s};

	return local_server_new(&p, &s->server, NULL);
}

static void init(struct stage *s)
{
	*s = (struct stage){.n_asked = 0};
	dir_make(s->dir, sizeof(s->dir));
	/* Longer than the path of a socket may be. */
	snprintf(s->folder, sizeof(s->folder), "%s/%0120d", s->dir, 7);
	CHECK_INT(mkdir(s->folder, 0700), 0);
	CHECK_INT(loop_new(&s->loop), 0);
	CHECK_INT(serve(s, "123"), 0);
}

static void fini(struct stage *s)
{
	local_server_free(s->server);
	loop_free(s->loop);
	dir_remove(s->dir);
}

static void take_line(void *user, const char *name, struct bytes line)
{
	struct asker *a = user;

	snprintf(a->name, sizeof(a->name), "%s", name);
	if (a->n_lines < 3)
		snprintf(a->lines[a->n_lines], sizeof(a->lines[0]), "%.*s", (int)line.len,
			 (const char *)line.ptr);
	a->n_lines++;
}

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->n_answered = local_ask_all(a->folder, NULL, bytes_str(a->question), a->silence_ms,
				      take_line, a, &a->n_silent);
	atomic_store(&a->done, true);
	return NULL;
}

static void begin(struct asker *a, const struct stage *s, const char *question)
{
	*a = (struct asker){.folder = s->folder, .question = question, .silence_ms = 20000};
	CHECK_INT(pthread_create(&a->thread, NULL, ask, a), 0);
}

static void end(struct asker *a, struct stage *s)
{
	while (!atomic_load(&a->done))
		loop_turn(s->loop, 2);
	pthread_join(a->thread, NULL);
}

/* A socket that has asked "what". */
static int knock(const struct stage *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int folder = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/123.sock", folder);
	CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(write(fd, "what\n", 5), 5);
	close(folder);
	return fd;
}

TEST(a_server_without_descriptors_rests_and_answers_once_there_are_some)
{
	struct rlimit old, full;
	struct stage s;
	uint64_t begun;
	char got[32];
	int fd;

	init(&s);
	fd = knock(&s);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	/* The first one that is free is one too many. */
	full = (struct rlimit){(rlim_t)dup(fd), old.rlim_max};
	close((int)full.rlim_cur);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &full), 0);
	(void)loop_turn(s.loop, 0);
	begun = loop_now_ms(s.loop);
	(void)loop_turn(s.loop, 60);
	(void)loop_turn(s.loop, 0);
	CHECK(loop_now_ms(s.loop) - begun >= 50);
	CHECK_INT(s.n_asked, 0);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (read(fd, got, sizeof(got)) < 11)
		(void)loop_turn(s.loop, 20);
	CHECK_MEM(got, "first\nlast\n", 11);
	CHECK_INT(s.n_asked, 1);
	close(fd);
	fini(&s);
}

TEST(a_question_gets_its_lines_and_then_the_end)
{
	struct stage s;
	struct asker a;

	init(&s);
	begin(&a, &s, "what is it?");
	end(&a, &s);
	CHECK_INT(a.n_answered, 1);
	CHECK_STR(a.name, "123");
	CHECK_STR(s.last, "what is it?");
	CHECK_INT(a.n_lines, 2);
	CHECK_STR(a.lines[0], "first");
	CHECK_STR(a.lines[1], "last");
	fini(&s);
}

TEST(an_answer_may_come_later_or_find_nobody_any_more)
{
	struct stage s;
	struct asker a;

	init(&s);
	begin(&a, &s, "later");
	while (s.kept == NULL)
		loop_turn(s.loop, 2);
	local_call_say(s.kept, bytes_str("wait"));
	local_call_end(s.kept, bytes_str("done"));
	end(&a, &s);
	CHECK_STR(a.lines[1], "done");
	s.kept = NULL;
	begin(&a, &s, "later");
	while (s.kept == NULL)
		loop_turn(s.loop, 2);
	local_server_free(s.server);
	s.server = NULL;
	end(&a, &s);
	CHECK_INT(a.n_lines, 0);
	local_call_say(s.kept, bytes_str("nobody"));
	local_call_end(s.kept, bytes_str("nobody"));
	fini(&s);
}

TEST(all_servers_of_a_folder_are_asked_at_once_and_none_of_no_folder)
{
	struct stage s;
	struct asker a;
	struct local_server *first;
	uint32_t silent;

	init(&s);
	first = s.server;
	CHECK_INT(serve(&s, "124"), 0);
	begin(&a, &s, "now");
	end(&a, &s);
	CHECK_INT(a.n_answered, 2);
	CHECK_INT(a.n_lines, 4);
	local_server_free(first);
	CHECK_INT(local_ask_all("/nonexistent", NULL, bytes_str("x"), 10, take_line, &a, &silent),
		  0);
	fini(&s);
}

TEST(a_folder_that_may_not_be_looked_into_is_told_from_one_that_is_not_there)
{
	struct stage s;
	struct asker a;
	uint32_t silent;
	bool root = geteuid() == 0;

	init(&s);
	CHECK_INT(chmod(s.folder, 0), 0);
	if (root)
		CHECK_INT(seteuid(65534), 0);
	CHECK_INT(local_ask_all(s.folder, NULL, bytes_str("x"), 10, take_line, &a, &silent),
		  ERR_DENIED);
	if (root)
		CHECK_INT(seteuid(0), 0);
	CHECK_INT(chmod(s.folder, 0700), 0);
	fini(&s);
}

TEST(a_server_that_says_nothing_is_given_up)
{
	struct stage s;
	struct asker a = {.question = "later", .silence_ms = 50};

	init(&s);
	a.folder = s.folder;
	CHECK_INT(pthread_create(&a.thread, NULL, ask, &a), 0);
	end(&a, &s);
	CHECK_INT(a.n_answered, 0);
	CHECK_INT(a.n_silent, 1);
	CHECK(s.kept != NULL);
	/* The asker has hung up. */
	for (int i = 0; i < 5; i++)
		loop_turn(s.loop, 2);
	local_call_end(s.kept, bytes_str("nobody"));
	fini(&s);
}

TEST(a_server_that_is_gone_before_it_has_read_the_question_is_not_silent)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stage s;
	struct asker a;
	char path[600];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), taken;

	init(&s);
	local_server_free(s.server);
	s.server = NULL;
	snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/s", s.dir);
	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(listen(fd, 1), 0);
	snprintf(path, sizeof(path), "%s/123.sock", s.folder);
	CHECK_INT(rename(at.sun_path, path), 0);
	begin(&a, &s, "anybody?");
	taken = accept(fd, NULL, NULL);
	/* The question is there once one byte of it is; more stays unread. */
	CHECK_INT(recv(taken, path, 1, MSG_PEEK), 1);
	close(taken);
	end(&a, &s);
	CHECK_INT(a.n_silent, 0);
	CHECK_INT(a.n_lines, 0);
	close(fd);
	fini(&s);
}

TEST(a_name_is_taken_while_its_server_lives)
{
	struct local_server *first;
	struct stage s;
	struct stat st;
	char path[600];

	init(&s);
	first = s.server;
	CHECK_INT(serve(&s, "123"), ERR_EXISTS);
	s.server = first;
	snprintf(path, sizeof(path), "%s/123.sock", s.folder);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	local_server_free(first);
	CHECK(!path_exists(path));
	CHECK_INT(serve(&s, "bad/name"), ERR_IO);
	CHECK_INT(serve(&s, "123"), 0);
	fini(&s);
}

TEST(what_a_crash_left_is_cleared_by_the_next)
{
	struct stage s;
	struct asker a;
	char path[600];

	init(&s);
	snprintf(path, sizeof(path), "%s/9.sock", s.folder);
	/* Two names of a socket that is gone in a moment. */
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		char short_path[100];
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		snprintf(short_path, sizeof(short_path), "%.90s/s", s.dir);
		memcpy(at.sun_path, short_path, strlen(short_path) + 1);
		CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		CHECK_INT(listen(fd, 1), 0);
		close(fd);
		CHECK_INT(rename(short_path, path), 0);
		if (i == 0) {
			begin(&a, &s, "anybody?");
			end(&a, &s);
			CHECK_INT(a.n_answered, 1); /* 123 does */
			CHECK(!path_exists(path));
		}
	}
	local_server_free(s.server);
	CHECK_INT(serve(&s, "123"), 0);
	CHECK(!path_exists(path));
	fini(&s);
}

TEST(questions_without_end_and_too_many_askers_are_hung_up_on)
{
	char *endless = malloc(2 * LOCAL_QUESTION_MAX);
	struct asker many[LOCAL_CLIENTS_MAX + 1], a;
	struct stage s;

	init(&s);
	memset(endless, 'x', 2 * LOCAL_QUESTION_MAX - 1);
	endless[2 * LOCAL_QUESTION_MAX - 1] = '\0';
	begin(&a, &s, endless);
	end(&a, &s);
	CHECK_INT(a.n_lines, 0);
	CHECK_INT(s.n_asked, 0);
	for (unsigned i = 0; i < LOCAL_CLIENTS_MAX; i++)
		begin(&many[i], &s, "later");
	while (s.n_asked < LOCAL_CLIENTS_MAX)
		loop_turn(s.loop, 2);
	begin(&many[LOCAL_CLIENTS_MAX], &s, "now");
	end(&many[LOCAL_CLIENTS_MAX], &s);
	CHECK_INT(many[LOCAL_CLIENTS_MAX].n_lines, 0);
	local_server_free(s.server);
	s.server = NULL;
	for (unsigned i = 0; i < LOCAL_CLIENTS_MAX; i++) {
		local_call_end(s.all[i], bytes_str("nobody"));
		end(&many[i], &s);
	}
	free(endless);
	fini(&s);
}
