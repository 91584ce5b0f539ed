#include "node/index_access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/digest.h"
#include "net/entropy.h"

struct guesser {
	uint64_t host;			 /* its hash; 0: unused */
	uint64_t wrong[INDEX_WRONG_MAX]; /* hashes of its wrong tokens, each once */
	uint32_t n_wrong;
	uint64_t until_s; /* forgotten, and let in again */
};

struct index_access {
	struct catalogue_db *db;
	int64_t version; /* of the catalogue, when the tokens were read */
	struct siphash_key key;
	_Atomic int anyone;		/* enum catalogue_right of who shows no token */
	pthread_mutex_t lock;		/* guards all below */
	struct catalogue_token *tokens; /* by hash */
	size_t n;
	uint8_t (*revoked)[SHA256_LEN]; /* in order */
	size_t n_revoked;
	struct digest *sha256;
	struct guesser guessers[INDEX_GUESSERS_MAX];
};

static int by_hash(const void *a, const void *b)
{
	const struct catalogue_token *x = a, *y = b;

	return memcmp(x->hash, y->hash, SHA256_LEN);
}

/* Takes the one without a secret off the list. */
static enum catalogue_right take_anonymous(struct catalogue_token *list, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		enum catalogue_right right = list[i].right;

		if (strcmp(list[i].name, CATALOGUE_ANONYMOUS) != 0)
			continue;
		list[i] = list[--*n];
		return right;
	}
	return RIGHT_NONE;
}

int index_access_reload(struct index_access *a, struct err_info *info)
{
	struct catalogue_token *tokens = NULL, *old;
	uint8_t(*revoked)[SHA256_LEN] = NULL, (*old_revoked)[SHA256_LEN];
	enum catalogue_right anyone;
	int64_t version = 0;
	size_t n = 0, n_revoked = 0;
	int err = catalogue_db_foreign_version(a->db, &version, info);

	if (err == 0)
		err = catalogue_db_tokens(a->db, &tokens, &n, info);
	if (err == 0)
		err = catalogue_db_revoked(a->db, &revoked, &n_revoked, info);
	if (err != 0) {
		free(tokens);
		return err;
	}
	anyone = n == 0 ? RIGHT_PUBLISH : take_anonymous(tokens, &n);
	if (n > 0)
		qsort(tokens, n, sizeof(*tokens), by_hash);
	pthread_mutex_lock(&a->lock);
	old = a->tokens;
	a->tokens = tokens;
	a->n = n;
	old_revoked = a->revoked;
	a->revoked = revoked;
	a->n_revoked = n_revoked;
	atomic_store(&a->anyone, (int)anyone);
	pthread_mutex_unlock(&a->lock);
	a->version = version;
	free(old);
	free(old_revoked);
	return 0;
}

int index_access_new(struct catalogue_db *db, struct index_access **out, struct err_info *info)
{
	struct index_access *a = calloc(1, sizeof(*a));
	int err;

	if (a == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	a->db = db;
	entropy_fill(&a->key, sizeof(a->key));
	pthread_mutex_init(&a->lock, NULL);
	a->sha256 = digest_new(DIGEST_SHA256);
	err = a->sha256 == NULL ? err_set(info, ERR_NOMEM, "out of memory")
				: index_access_reload(a, info);
	if (err != 0) {
		index_access_free(a);
		return err;
	}
	*out = a;
	return 0;
}

void index_access_free(struct index_access *a)
{
	if (a == NULL)
		return;
	digest_free(a->sha256);
	free(a->tokens);
	free(a->revoked);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void index_access_tick(struct index_access *a)
{
	int64_t version = a->version;

	if (catalogue_db_foreign_version(a->db, &version, NULL) == 0 && version != a->version)
		(void)index_access_reload(a, NULL);
}

enum catalogue_right index_access_of_anyone(struct index_access *a)
{
	return (enum catalogue_right)atomic_load(&a->anyone);
}

bool index_access_is_open(struct index_access *a)
{
	return index_access_of_anyone(a) >= RIGHT_PUBLISH;
}

/* ---- guessers ------------------------------------------------------------ */

static uint64_t host_of(const struct index_access *a, const struct addr *from)
{
	size_t len = from->v6 ? 8 : 4;

	return siphash(a->key, bytes_of(from->ip, len)) | 1;
}

/* NULL: nothing is held against it. */
static struct guesser *guesser_find(struct index_access *a, uint64_t host, uint64_t now_s)
{
	struct guesser *g = &a->guessers[host % INDEX_GUESSERS_MAX];

	return g->host == host && now_s < g->until_s ? g : NULL;
}

/* Is it a new one? Who shows the same again has guessed nothing: it is a page left open, or a
 * program that was told a token which was revoked since. */
static bool guesser_note(struct index_access *a, uint64_t host, struct bytes token, uint64_t now_s)
{
	struct guesser *g = guesser_find(a, host, now_s);
	uint64_t hash = siphash(a->key, token);

	if (g == NULL) {
		g = &a->guessers[host % INDEX_GUESSERS_MAX];
		*g = (struct guesser){.host = host};
	}
	for (uint32_t i = 0; i < g->n_wrong; i++)
		if (g->wrong[i] == hash)
			return false;
	g->wrong[g->n_wrong++] = hash;
	g->until_s = now_s + INDEX_LOCKED_S;
	return true;
}

/* ---- rights -------------------------------------------------------------- */

/* NULL: there is none of its hash. */
static const struct catalogue_token *token_find(const struct index_access *a,
						const struct catalogue_token *shown)
{
	return a->n == 0 ? NULL : bsearch(shown, a->tokens, a->n, sizeof(*shown), by_hash);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_LEN);
}

static bool was_revoked(const struct index_access *a, const struct catalogue_token *shown)
{
	return a->n_revoked > 0 && bsearch(shown->hash, a->revoked, a->n_revoked,
					   sizeof(a->revoked[0]), by_bytes) != NULL;
}

static enum index_verdict judge(struct index_access *a, struct bytes token, const struct addr *from,
				enum catalogue_right need, uint64_t now_s)
{
	uint64_t host = host_of(a, from);
	const struct catalogue_token *found;
	struct catalogue_token shown;
	struct guesser *g;

	g = guesser_find(a, host, now_s);
	if (g != NULL && g->n_wrong >= INDEX_WRONG_MAX)
		return ACCESS_LOCKED;
	digest_once(a->sha256, token, shown.hash);
	found = token_find(a, &shown);
	if (found != NULL && found->right != RIGHT_NONE)
		return need <= found->right ? ACCESS_GRANTED : ACCESS_TOO_LOW;
	if (was_revoked(a, &shown))
		return ACCESS_WRONG_AGAIN;
	return guesser_note(a, host, token, now_s) ? ACCESS_WRONG : ACCESS_WRONG_AGAIN;
}

enum index_verdict index_access_check(struct index_access *a, struct bytes token,
				      const struct addr *from, enum catalogue_right need,
				      uint64_t now_s)
{
	enum index_verdict v;

	/* Where everyone may, no thread waits for another. */
	if ((int)need <= atomic_load(&a->anyone))
		return ACCESS_GRANTED;
	if (token.len == 0)
		return ACCESS_NO_TOKEN;
	pthread_mutex_lock(&a->lock);
	v = judge(a, token, from, need, now_s);
	pthread_mutex_unlock(&a->lock);
	return v;
}

/* Where anybody may, none is looked at: guesses there would be counted nowhere. */
const char *index_access_name(struct index_access *a, struct bytes token, enum catalogue_right need,
			      char out[CATALOGUE_TOKEN_NAME_MAX + 1])
{
	const struct catalogue_token *found;
	struct catalogue_token shown;

	out[0] = '\0';
	if ((int)need <= atomic_load(&a->anyone) || token.len == 0)
		return out;
	pthread_mutex_lock(&a->lock);
	digest_once(a->sha256, token, shown.hash);
	found = token_find(a, &shown);
	if (found != NULL && need <= found->right)
		memcpy(out, found->name, sizeof(found->name));
	pthread_mutex_unlock(&a->lock);
	return out;
}

const char *index_verdict_text(enum index_verdict v)
{
	switch (v) {
	case ACCESS_NO_TOKEN:
		return "this index wants a token";
	case ACCESS_WRONG:
	case ACCESS_WRONG_AGAIN:
		return "there is no such token, or it was revoked";
	case ACCESS_TOO_LOW:
		return "this token is not good for that";
	case ACCESS_LOCKED:
		return "too many wrong tokens from your address; try again in ten minutes";
	default:
		return "granted";
	}
}
