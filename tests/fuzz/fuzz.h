/* tests/fuzz/fuzz.h - what the fuzz targets share.
 *
 * A target is one function: any bytes may come in, nothing but a defect may stop the
 * program. Beside the sanitizers' reports, FUZZ_CHECK states what must hold of every
 * value that a decoder let through.
 *
 * SEED_BUG builds plant one defect in each target, behind a condition on the decoded
 * value that chance alone hardly meets: seeded_bugs.sh shows that each is found. */
#ifndef SHOAL_FUZZ_H
#define SHOAL_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#ifdef SEED_BUG
#define FUZZ_SEEDED(cond)                                                                          \
	do {                                                                                       \
		if (cond) {                                                                        \
			fprintf(stderr, "%s: the planted bug was found\n", __FILE__);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#else
#define FUZZ_SEEDED(cond) ((void)(cond))
#endif

#endif
