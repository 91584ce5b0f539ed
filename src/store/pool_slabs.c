/* store/pool_slabs.c - memory for received payload.
 *
 * Slabs lie in chunks of as many as fill a big page. The first chunk is of small pages: most
 * transfers never need more, and a big page is there in full as soon as a byte of it is. While
 * there are others they are used first. */
#include <stdlib.h>

#include "base/grow.h"
#include "store/big_pages.h"
#include "store/pool_impl.h"

#define SLAB_ALIGN 4096u
#define CHUNKS_FIRST 12u
#define CHUNK_SLABS (BIG_PAGE_BYTES / POOL_SLAB_BYTES)

/* What was given back is nobody's to touch, though it is not free()d. The build says whether the
 * sanitizer is there, for compilers do not agree on how they do. */
#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(mem, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(mem, bytes) ((void)0)
#endif

static size_t slab_bytes(unsigned n)
{
	return (size_t)n * POOL_SLAB_BYTES;
}

/* The bits of `n` slabs from `at` on. */
static uint64_t slab_bits(unsigned at, unsigned n)
{
	return (n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1) << at;
}

/* ---- chunks ------------------------------------------------------------- */

static void chunk_free(struct pool *p, unsigned i)
{
	struct slab_chunk *c = &p->chunks[i];

	ASAN_UNPOISON_MEMORY_REGION(c->mem, slab_bytes(c->n));
	if (c->big)
		big_pages_give(c->mem, slab_bytes(c->n));
	else
		free(c->mem);
	p->slabs_held -= c->n;
	memmove(c, c + 1, (--p->n_chunks - i) * sizeof(*c));
}

/* Those of which nothing is taken, from the `from`th on. */
static void chunks_free_unused(struct pool *p, unsigned from)
{
	for (unsigned i = p->n_chunks; i-- > from;)
		if (p->chunks[i].taken == 0)
			chunk_free(p, i);
}

/* How many slabs a chunk gets from which `n` are wanted, as far as the limit lets. */
static unsigned chunk_size(struct pool *p, unsigned n)
{
	unsigned whole = (n + CHUNK_SLABS - 1) / CHUNK_SLABS * CHUNK_SLABS;

	if (p->slabs_held + n > p->slabs_max)
		chunks_free_unused(p, 0);
	if (p->slabs_held + n > p->slabs_max)
		return 0;
	return p->slabs_max - p->slabs_held < whole ? p->slabs_max - p->slabs_held : whole;
}

static struct slab_chunk *chunk_new(struct pool *p, unsigned n)
{
	unsigned size = chunk_size(p, n);
	struct slab_chunk *c;

	if (size == 0)
		return NULL;
	c = grow(p->chunks, p->n_chunks, &p->chunks_room, CHUNKS_FIRST, sizeof(*c));
	if (c == NULL)
		return NULL;
	p->chunks = c;
	c += p->n_chunks;
	*c = (struct slab_chunk){.n = size};
	c->big = size % CHUNK_SLABS == 0 && (p->n_chunks > 0 || n > CHUNK_SLABS);
	c->mem =
	    c->big ? big_pages_take(slab_bytes(size)) : aligned_alloc(SLAB_ALIGN, slab_bytes(size));
	if (c->mem == NULL)
		return NULL;
	ASAN_POISON_MEMORY_REGION(c->mem, slab_bytes(size));
	p->slabs_held += size;
	p->n_chunks++;
	return c;
}

/* Where in the chunk `n` in a row are free, or its end. */
static unsigned chunk_gap(const struct slab_chunk *c, unsigned n)
{
	for (unsigned at = 0; at + n <= c->n; at++)
		if ((c->taken & slab_bits(at, n)) == 0)
			return at;
	return c->n;
}

static struct slab_chunk *chunk_with_gap(struct pool *p, unsigned n, bool big)
{
	for (unsigned i = 0; i < p->n_chunks; i++)
		if (p->chunks[i].big == big && chunk_gap(&p->chunks[i], n) < p->chunks[i].n)
			return &p->chunks[i];
	return NULL;
}

static unsigned chunk_of(const struct pool *p, const uint8_t *slabs)
{
	unsigned i = 0;

	while (i < p->n_chunks &&
	       (uintptr_t)slabs - (uintptr_t)p->chunks[i].mem >= slab_bytes(p->chunks[i].n))
		i++;
	assert(i < p->n_chunks);
	return i;
}

/* ---- slabs -------------------------------------------------------------- */

uint8_t *pool_slabs_take(struct pool *p, unsigned n)
{
	struct slab_chunk *c;
	unsigned at;

	if (n > pool_slabs_free(p) || n > POOL_SLABS_AT_ONCE_MAX)
		return NULL;
	c = chunk_with_gap(p, n, true);
	if (c == NULL)
		c = chunk_with_gap(p, n, false);
	if (c == NULL)
		c = chunk_new(p, n);
	if (c == NULL)
		return NULL;
	at = chunk_gap(c, n);
	c->taken |= slab_bits(at, n);
	p->slabs_taken += n;
	p->slabs_used = true;
	ASAN_UNPOISON_MEMORY_REGION(c->mem + slab_bytes(at), slab_bytes(n));
	return c->mem + slab_bytes(at);
}

void pool_slabs_give(struct pool *p, uint8_t *slabs, unsigned n)
{
	unsigned i = chunk_of(p, slabs);
	struct slab_chunk *c = &p->chunks[i];
	uint64_t bits = slab_bits((unsigned)((size_t)(slabs - c->mem) / POOL_SLAB_BYTES), n);

	assert((c->taken & bits) == bits);
	c->taken &= ~bits;
	p->slabs_taken -= n;
	ASAN_POISON_MEMORY_REGION(slabs, slab_bytes(n));
	if (c->taken == 0 && p->slabs_held > p->slabs_max)
		chunk_free(p, i);
}

void pool_slabs_trim(struct pool *p)
{
	bool used = p->slabs_used;

	p->slabs_used = false;
	if (used || p->slabs_taken > 0)
		return;
	chunks_free_unused(p, p->n_chunks > 0 && !p->chunks[0].big ? 1 : 0);
}

unsigned pool_slabs_free(const struct pool *p)
{
	return p->slabs_taken >= p->slabs_max ? 0 : p->slabs_max - p->slabs_taken;
}

unsigned pool_slabs_max(const struct pool *p)
{
	return p->slabs_max;
}

unsigned pool_slabs_taken(const struct pool *p)
{
	return p->slabs_taken;
}

void pool_limit_slabs(struct pool *p, unsigned slabs)
{
	p->slabs_max = slabs == 0 ? POOL_SLABS_DEFAULT : slabs;
	if (p->slabs_held > p->slabs_max)
		chunks_free_unused(p, 0);
}

void pool_slabs_drop(struct pool *p)
{
	while (p->n_chunks > 0)
		chunk_free(p, p->n_chunks - 1);
	free(p->chunks);
}
