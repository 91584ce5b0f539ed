/* Search text: what comes out is quoted strings and the few operators we put there. */
#include "index/query.h"

#include <string.h>

#include "base/text.h"
#include "fuzz.h"

/* Outside quotes only these may stand; a doubled quote is inside. */
static void check_match(struct bytes match)
{
	static const char allowed[] = "ADNORT+*() ";
	bool quoted = false;

	for (size_t i = 0; i < match.len; i++) {
		if (match.ptr[i] == '"')
			quoted = !quoted;
		else
			FUZZ_CHECK(match.ptr[i] != 0 &&
				   (quoted || strchr(allowed, match.ptr[i]) != NULL));
	}
	FUZZ_CHECK(!quoted && text_is_utf8(match));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_info info = {.text = ""};
	struct buf out, again;
	int rc;

	buf_init(&out, QUERY_MATCH_BYTES_MAX);
	buf_init(&again, QUERY_MATCH_BYTES_MAX);
	rc = query_to_match(bytes_of(data, size), &out, &info);
	FUZZ_CHECK(query_to_match(bytes_of(data, size), &again, NULL) == rc);
	FUZZ_CHECK(rc == 0 || rc == ERR_TOO_BIG || rc == ERR_INVALID);
	FUZZ_CHECK(rc != ERR_TOO_BIG || info.text[0] != '\0');
	if (rc == 0) {
		FUZZ_CHECK(out.len > 0 && bytes_eq(buf_bytes(&out), buf_bytes(&again)));
		check_match(buf_bytes(&out));
		FUZZ_SEEDED(memmem(out.ptr, out.len, " * AND ", 7) != NULL &&
			    memmem(out.ptr, out.len, " NOT ", 5) != NULL);
	} else {
		FUZZ_CHECK(text_is_utf8(bytes_str(info.text)));
		for (const char *c = info.text; *c != '\0'; c++)
			FUZZ_CHECK((unsigned char)*c >= ' ');
	}
	buf_fini(&out);
	buf_fini(&again);
	return 0;
}
