/* store/store_left.c - how an unfinished download was left, so that a start sees what others did.
 *
 *     stop:   no more writes --> sync --> times --> state: "ended"
 *     run:    state: "we write" --> write ... --> times --> sync --> state: "we write", times
 *
 * While we write to a file its time is taken before the sync, so that no later one of ours, be it
 * lost with the power, is earlier. */
#include "store/durable.h"
#include "store/store_impl.h"

/* ---- at a start ----------------------------------------------------------- */

void left_load(struct store *s, const struct resume *r)
{
	s->timed = r->timed && r->times.len == (size_t)s->n_data * RESUME_TIME_BYTES;
	s->open_s = r->open_s;
	for (uint32_t i = 0; s->timed && i < s->n_data; i++) {
		struct store_file *f = &s->files[i];

		f->left = resume_time(r->times, i);
		f->whole = file_is_whole(s, &s->have, f);
	}
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

bool left_is_ours(const struct store *s, const struct store_file *f, const struct stat *st)
{
	const struct timespec *now = &st->st_mtim;

	if (!s->timed || (now->tv_sec == f->left.tv_sec && now->tv_nsec == f->left.tv_nsec))
		return true;
	if (s->open_s == 0 || f->whole || is_before(now, &f->left))
		return false;
	return now->tv_sec < 0 || (uint64_t)now->tv_sec <= s->open_s + RESUME_OPEN_S;
}

/* ---- while it runs ---------------------------------------------------------- */

int64_t left_clock_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* The clock may have been put back. */
static bool is_said(struct store *s, int64_t now)
{
	int64_t said = atomic_load(&s->said_open_s);

	return now >= said && now - said < RESUME_OPEN_S / 2;
}

static int write_open(struct store *s, int64_t now, struct err_info *info)
{
	struct buf state;
	int err;

	buf_init(&state, STATE_BYTES_MAX);
	err = durable_read(&s->parent, s->state_rel, &state, info);
	if (err == OK)
		err = resume_set_open(&state, (uint64_t)now,
				      s->still.bits == NULL ? NULL : &s->still);
	if (err == OK)
		err = durable_write(&s->parent, s->state_rel, buf_bytes(&state), 0666, info);
	if (err == OK)
		bitfield_fini(&s->still);
	buf_fini(&state);
	return err;
}

/* With the lock. Where it cannot be said nothing is written: of a full disk each try would make the
 * file newer than a start believes. A state that vouches for nothing need not say it. */
static int say_open(struct store *s, int64_t now, struct err_info *info)
{
	struct err_info why = {.code = OK};
	uint64_t since_ms = 0;
	int err;

	if (atomic_load(&s->finished))
		return OK;
	do
		err = write_open(s, now, &why);
	while (err == ERR_TOO_BIG && hub_spare(s->hub, &since_ms));
	if (err == ERR_IO || err == ERR_NOSPACE || err == ERR_NOMEM)
		return err_set(info, (enum err)err, "%s",
			       why.code == OK ? err_text((enum err)err) : why.text);
	atomic_store(&s->said_open_s, now);
	return OK;
}

int left_write_begin(struct store *s, struct err_info *info)
{
	int64_t now = left_clock_s();
	int err = OK;

	pthread_rwlock_rdlock(&s->writing);
	if (atomic_load(&s->sealed)) {
		err = err_set(info, ERR_CANCELLED, "%s", err_text(ERR_CANCELLED));
	} else if (!is_said(s, now)) {
		pthread_mutex_lock(&s->state_lock);
		if (!is_said(s, now))
			err = say_open(s, now, info);
		pthread_mutex_unlock(&s->state_lock);
	}
	if (err != OK)
		pthread_rwlock_unlock(&s->writing);
	return err;
}

void left_write_end(struct store *s)
{
	pthread_rwlock_unlock(&s->writing);
}

void left_seal(struct store *s)
{
	atomic_store(&s->sealed, true);
	pthread_rwlock_wrlock(&s->writing);
	pthread_rwlock_unlock(&s->writing);
}

/* ---- for the state ------------------------------------------------------------ */

/* Of a file that cannot be looked at the earlier time stays. */
void left_take(struct store *s, struct store_file *f)
{
	struct store_place at;
	struct stat st;
	int err;

	pthread_rwlock_rdlock(&s->places);
	store_place_of(s, f, &at);
	err = root_stat(at.root, at.path, &st);
	pthread_rwlock_unlock(&s->places);
	if (err == OK)
		f->left = st.st_mtim;
	else if (err == ERR_NOENT)
		f->left = (struct timespec){.tv_sec = 0};
}

int left_put(const struct store *s, struct buf *out)
{
	buf_init(out, SIZE_MAX);
	for (uint32_t i = 0; i < s->n_data && out->err == OK; i++)
		resume_put_time(out, &s->files[i].left);
	return out->err;
}
