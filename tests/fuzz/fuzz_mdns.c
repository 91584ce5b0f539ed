/* Datagrams of service discovery: as one who offers a service reads questions, and as one who looks
 * for it reads responses. */
#include "wire/mdns.h"

#include <string.h>

#include "fuzz.h"

static const char type[] = "_shoal._tcp";

static void check_question(struct bytes in)
{
	struct mdns_service s = {
	    .type = "_shoal._tcp", .instance = "shoal on x", .host = "x", .port = 6969};
	struct mdns_service back;
	struct mdns_question q;
	uint8_t out[MDNS_PACKET_MAX];
	int rc = mdns_question_decode(in, &s, &q);
	size_t len;

	FUZZ_CHECK(rc == 0 || rc == ERR_PROTO);
	if (rc != 0 || q.about == 0)
		return;
	FUZZ_CHECK(q.echo_len <= sizeof(q.echo));
	len = mdns_response_encode(&s, q.echo_len > 0 ? &q : NULL, out);
	FUZZ_CHECK(len <= sizeof(out));
	FUZZ_CHECK(mdns_response_decode(bytes_of(out, len), type, &back, 1) == 1);
	FUZZ_CHECK(strcmp(back.instance, s.instance) == 0 && back.port == s.port);
	FUZZ_SEEDED(q.about == MDNS_ABOUT_TYPES && q.unicast && q.id > 0x100);
}

static void check_response(struct bytes in)
{
	struct mdns_service got[MDNS_SERVICES_MAX];
	int n = mdns_response_decode(in, type, got, MDNS_SERVICES_MAX);
	struct bytes value;

	FUZZ_CHECK((n >= 0 && n <= (int)MDNS_SERVICES_MAX) || n == ERR_PROTO);
	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(strlen(got[i].instance) <= MDNS_LABEL_MAX);
		FUZZ_CHECK(strlen(got[i].host) <= MDNS_LABEL_MAX);
		FUZZ_CHECK(got[i].n_addrs <= MDNS_ADDRESSES_MAX);
		FUZZ_CHECK(got[i].text_len <= MDNS_TEXT_MAX);
		for (unsigned a = 0; a < got[i].n_addrs; a++)
			FUZZ_CHECK(addr_is_dialable(&got[i].addrs[a]));
		if (mdns_text_get(&got[i], "id", &value))
			FUZZ_CHECK(value.len <= 255);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	check_question(in);
	check_response(in);
	return 0;
}
