#include "wire/krpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define ID_A "abcdefghij0123456789"
#define ID_M "mnopqrstuvwxyz123456"

/* A copy that ends where it ends: a byte read past it is seen by the sanitizer. */
static int decode(const void *data, size_t len, struct krpc *m, uint8_t **copy)
{
	*copy = malloc(len + (len == 0));
	memcpy(*copy, data, len);
	return krpc_decode(bytes_of(*copy, len), m);
}

static int decoded(const char *text)
{
	struct krpc m;
	uint8_t *copy;
	int err = decode(text, strlen(text), &m, &copy);

	/* What cannot be answered names nobody to answer to. */
	if (err != 0 && m.type != KRPC_QUERY)
		CHECK(m.tid.ptr == NULL);
	free(copy);
	return err;
}

static void check_encodes(const struct krpc *m, const char *want)
{
	struct buf b;

	buf_init(&b, KRPC_OUT_MAX);
	CHECK_INT(krpc_encode(m, &b), 0);
	CHECK_STR(buf_cstr(&b), want);
	buf_fini(&b);
}

static void check_round(const char *text)
{
	struct addr peers[8];
	struct krpc_peers it;
	struct krpc m;
	struct buf b;

	CHECK_INT(krpc_decode(bytes_str(text), &m), 0);
	it = krpc_peers(&m);
	while (m.n_peers < 8 && krpc_next_peer(&it, &peers[m.n_peers]))
		m.n_peers++;
	m.peers = peers;
	if (m.type == KRPC_REPLY && m.token.ptr != NULL && m.samples.ptr == NULL)
		m.method = KRPC_GET_PEERS;
	buf_init(&b, KRPC_OUT_MAX);
	CHECK_INT(krpc_encode(&m, &b), 0);
	CHECK_STR(buf_cstr(&b), text);
	buf_fini(&b);
}

/* The examples of BEP 5, and the members that later ones add. */
static const char *const examples[] = {
    "d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:qe",
    "d1:rd2:id20:" ID_M "e1:t2:aa1:y1:re",
    "d1:ad2:id20:" ID_A "6:target20:" ID_M "e1:q9:find_node1:t2:aa1:y1:qe",
    "d1:rd2:id20:" ID_A "5:nodes26:" ID_M "axje.ue1:t2:aa1:y1:re",
    "d1:ad2:id20:" ID_A "9:info_hash20:" ID_M "e1:q9:get_peers1:t2:aa1:y1:qe",
    "d1:rd2:id20:" ID_A "5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
    "d1:ad2:id20:" ID_A "12:implied_porti1e9:info_hash20:" ID_M
    "4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
    "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    "d1:ad2:id20:" ID_A "6:target20:" ID_M "4:wantl2:n42:n6ee1:q9:find_node2:roi1e1:t2:aa1:y1:qe",
    "d2:ip6:axje.u1:rd2:id20:" ID_A "8:intervali60e5:nodes0:3:numi1e7:samples20:" ID_M
    "e1:t2:aa1:y1:re",
    "d1:ad3:casi3e2:id20:" ID_A "1:k32:" ID_A ID_M "!!!!!!!!"
    "4:salt3:abc3:seqi4e3:sig64:" ID_A ID_M ID_A "....5:token1:t1:vd2:ih20:" ID_M
    "ee1:q3:put1:t2:aa1:y1:qe",
};
#define N_EXAMPLES (sizeof(examples) / sizeof(examples[0]))

TEST(what_the_proposals_show_is_read_and_written_the_same)
{
	static const char *const skip = "1:k32:";

	for (size_t i = 0; i < N_EXAMPLES; i++)
		if (strstr(examples[i], skip) == NULL)
			check_round(examples[i]);
}

TEST(a_put_has_its_members)
{
	uint8_t key[32], sig[64];
	struct krpc m = {.type = KRPC_QUERY, .method = KRPC_PUT};

	memset(key, 'k', sizeof(key));
	memset(sig, 's', sizeof(sig));
	m.id = (const uint8_t *)ID_A;
	m.tid = bytes_str("aa");
	m.token = bytes_str("tok");
	m.v = bytes_str("i7e");
	m.key = key;
	m.sig = sig;
	m.has_seq = m.has_cas = true;
	m.seq = 9;
	m.cas = 8;
	m.salt = bytes_str("s");
	check_encodes(&m, "d1:ad3:casi8e2:id20:" ID_A "1:k32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
			  "4:salt1:s3:seqi9e3:sig64:ssssssssssssssssssssssssssssssssssssssssssssss"
			  "ssssssssssssssssss5:token3:tok1:vi7ee1:q3:put1:t2:aa1:y1:qe");
}

TEST(no_prefix_of_a_message_is_one)
{
	for (size_t i = 0; i < N_EXAMPLES; i++) {
		for (size_t n = 0; n < strlen(examples[i]); n++) {
			struct krpc m;
			uint8_t *copy;

			CHECK_INT(decode(examples[i], n, &m, &copy), ERR_PROTO);
			CHECK(m.tid.ptr == NULL);
			free(copy);
		}
	}
}

TEST(members_of_later_times_are_ignored)
{
	CHECK_INT(decoded("d1:ad2:id20:" ID_A "3:newli1ei2eee1:q4:ping1:t2:aa1:v4:LT121:y1:qe"), 0);
	CHECK_INT(decoded("d1:rd2:id20:" ID_A "4:nodei3ee1:t2:aa1:x0:1:y1:re"), 0);
}

static int64_t fault_of(const char *text)
{
	struct krpc m;

	CHECK_INT(krpc_decode(bytes_str(text), &m), ERR_PROTO);
	CHECK(m.type == KRPC_QUERY && m.tid.ptr != NULL);
	return m.fault;
}

/* Hostile input O-37: a query without id is answered with 203. */
TEST(a_query_that_lacks_something_may_be_answered_with_an_error)
{
	CHECK_INT(fault_of("d1:ade1:q4:ping1:t2:aa1:y1:qe"), KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:q4:ping1:t2:aa1:y1:qe"), KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:ad2:id19:bcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
		  KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:ad2:id20:" ID_A "e1:q9:find_node1:t2:aa1:y1:qe"),
		  KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:ad2:id20:" ID_A "9:info_hash20:" ID_M "4:porti0e5:token1:te1:q13:"
			   "announce_peer1:t2:aa1:y1:qe"),
		  KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:ad2:id20:" ID_A "9:info_hash20:" ID_M
			   "4:porti65536e5:token1:te1:q13:"
			   "announce_peer1:t2:aa1:y1:qe"),
		  KRPC_FAULT_PROTOCOL);
	CHECK_INT(fault_of("d1:ad2:id20:" ID_A "5:token1:te1:q3:put1:t2:aa1:y1:qe"),
		  KRPC_FAULT_PROTOCOL);
}

TEST(what_is_no_message_cannot_be_answered)
{
	static const char *const bad[] = {
	    "",
	    "i1e",
	    "de",
	    "d1:t2:aae",
	    "d1:y1:qe",
	    "d1:t0:1:y1:qe",
	    "d1:t21:aaaaaaaaaaaaaaaaaaaaa1:y1:qe",
	    "d1:t2:aa1:y2:qqe",
	    "d1:t2:aa1:y1:xe",
	    "d1:t2:aa1:y1:re",
	    "d1:rde1:t2:aa1:y1:re",
	    "d1:rd2:id2:aae1:t2:aa1:y1:re",
	    "d1:ei3e1:t2:aa1:y1:ee",
	    "d1:rd2:id20:" ID_A "e1:t2:aa1:y1:ree",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(decoded(bad[i]) < 0);
}

/* O-37: nodes that are no multiple of 26 or 38 bytes. */
TEST(half_a_node_at_the_end_makes_the_list_worthless)
{
	struct krpc m;

	CHECK_INT(
	    krpc_decode(bytes_str("d1:rd2:id20:" ID_A "5:nodes27:" ID_M "axje.uxe1:t2:aa1:y1:re"),
			&m),
	    0);
	CHECK(m.nodes.ptr == NULL);
}

TEST(peers_of_both_lengths_are_read_and_others_skipped)
{
	struct krpc m;
	struct krpc_peers it;
	struct addr a;

	CHECK_INT(krpc_decode(bytes_str("d1:rd2:id20:" ID_A
					"6:valuesl5:short6:axje.ui3e18:ABCDEFGHIJKLMNOPqree"
					"1:t2:aa1:y1:re"),
			      &m),
		  0);
	it = krpc_peers(&m);
	CHECK(krpc_next_peer(&it, &a));
	CHECK(!a.v6 && a.port == ('.' << 8 | 'u'));
	CHECK(krpc_next_peer(&it, &a));
	CHECK(a.v6 && a.port == ('q' << 8 | 'r'));
	CHECK(!krpc_next_peer(&it, &a));
}

static int with_value(size_t len, struct krpc *m)
{
	static char text[KRPC_IN_MAX * 2];
	char value[KRPC_IN_MAX];

	memset(value, 'x', sizeof(value));
	snprintf(text, sizeof(text), "d1:ad2:id20:%s5:token1:t1:v%zu:%.*se1:q3:put1:t2:aa1:y1:qe",
		 ID_A, len, (int)len, value);
	return krpc_decode(bytes_str(text), m);
}

TEST(a_value_has_a_thousand_bytes_at_most)
{
	struct krpc m;

	CHECK_INT(with_value(996, &m), 0); /* "996:" and the text */
	CHECK_INT(m.v.len, KRPC_VALUE_MAX);
	CHECK_INT(with_value(997, &m), ERR_PROTO);
	CHECK_INT(m.fault, KRPC_FAULT_VALUE_SIZE);
	CHECK_INT(with_value(1450, &m), ERR_TOO_BIG);
}

TEST(a_salt_has_64_bytes_at_most)
{
	char salt[66], text[300];
	struct krpc m;

	for (int len = 64; len <= 65; len++) {
		memset(salt, 's', sizeof(salt));
		snprintf(text, sizeof(text),
			 "d1:ad2:id20:" ID_A "4:salt%d:%.*s5:token1:t1:vi1ee1:q3:put1:t2:aa1:y1:qe",
			 len, len, salt);
		CHECK_INT(krpc_decode(bytes_str(text), &m), len == 64 ? 0 : ERR_PROTO);
	}
	CHECK_INT(m.fault, KRPC_FAULT_SALT_SIZE);
}

TEST(a_full_buffer_keeps_what_it_had)
{
	struct krpc m = {.type = KRPC_QUERY, .method = KRPC_PING};
	struct buf b;

	m.id = (const uint8_t *)ID_A;
	m.tid = bytes_str("aa");
	buf_init(&b, 20);
	buf_put_str(&b, "kept");
	CHECK_INT(krpc_encode(&m, &b), ERR_TOO_BIG);
	CHECK_INT(b.len, 4);
	buf_fini(&b);
}
