#include "node/index_udp.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/udp_tracker.h"

#include "test.h"

static struct {
	struct index_udp *udp;
	struct shards *shards;
	int client;
	uint32_t transaction;
	uint64_t id;
	uint8_t reply[2048];
	size_t len; /* of the reply */
} world;

static int client_at(const char *own)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct addr a;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK_INT(addr_parse(bytes_str(own), 0, &a), 0);
	memcpy(&at.sin_addr, a.ip, 4);
	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	at.sin_port = htons(index_udp_port(world.udp));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void begin(unsigned threads)
{
	struct err_info info = {0};

	memset(&world, 0, sizeof(world));
	CHECK_INT(index_udp_new("127.0.0.1", 0, threads, &world.udp, &info), 0);
	world.shards = shards_new(index_udp_threads(world.udp));
	CHECK_INT(index_udp_start(world.udp, world.shards, NULL), 0);
	world.client = client_at("127.0.0.1");
}

static void end(void)
{
	close(world.client);
	index_udp_free(world.udp);
	shards_free(world.shards);
}

/* The answer to what was sent, or to what was sent after it. */
static void receive(void)
{
	struct pollfd p = {.fd = world.client, .events = POLLIN};
	ssize_t n;

	CHECK_INT(poll(&p, 1, 10000), 1);
	n = recv(world.client, world.reply, sizeof(world.reply), 0);
	CHECK(n >= 0);
	world.len = (size_t)n;
}

static void send_all(const uint8_t *data, size_t len)
{
	CHECK_INT(send(world.client, data, len, 0), len);
}

static void send_connect(void)
{
	uint8_t out[UDP_REQUEST_MAX];

	send_all(out, udp_connect_encode(++world.transaction, out));
}

/* Receives the answer to the newest request. */
static void check_transaction(enum udp_action action)
{
	struct udp_head h;

	receive();
	CHECK_INT(udp_reply_head_decode(bytes_of(world.reply, world.len), &h), 0);
	CHECK_INT(h.transaction, world.transaction);
	CHECK_INT(h.action, action);
}

static void connect_tracker(void)
{
	send_connect();
	check_transaction(UDP_CONNECT);
	CHECK_INT(world.len, 16);
	CHECK_INT(udp_connect_reply_decode(bytes_of(world.reply, world.len), &world.id), 0);
}

/* A connect is answered after everything that came before it on this thread: what else was going
 * to be answered would be here first. */
static void check_silence(void)
{
	send_connect();
	check_transaction(UDP_CONNECT);
}

static struct announce announce_of(uint32_t word, uint16_t port)
{
	struct announce a = {.port = port, .left = 1, .numwant = 50};

	put_be32(a.info_hash, word);
	memcpy(a.peer_id, "-XX0001-abcdefghijkl", 20);
	return a;
}

static void announce(uint32_t word, uint16_t port, struct announce_reply *reply,
		     struct announce_peer *peers)
{
	struct announce a = announce_of(word, port);
	uint8_t out[UDP_REQUEST_MAX];

	send_all(out,
		 udp_announce_encode(world.id, ++world.transaction, &a, bytes_of(NULL, 0), out));
	check_transaction(UDP_ANNOUNCE);
	CHECK_INT(udp_announce_reply_decode(bytes_of(world.reply, world.len), false, reply, peers,
					    ANNOUNCE_PEERS_MAX),
		  0);
}

static void check_announces(unsigned threads)
{
	struct announce_peer peers[ANNOUNCE_PEERS_MAX];
	struct announce_reply reply;
	struct scrape_row rows[8];
	uint8_t hashes[8 * 20], out[UDP_REQUEST_MAX];
	struct index_udp_counts counts;

	begin(threads);
	connect_tracker();
	for (uint32_t word = 0; word < 8; word++) {
		announce(word, 7000, &reply, peers);
		CHECK_INT(reply.n_peers, 0);
		announce(word, 7001, &reply, peers);
		CHECK_INT(reply.n_peers, 1);
		CHECK_INT(reply.peers[0].addr.port, 7000);
		CHECK_INT(reply.incomplete, 2);
		CHECK_INT(reply.interval_s, TRACKER_INTERVAL_S);
		memcpy(hashes + 20 * word, announce_of(word, 1).info_hash, 20);
	}
	/* One scrape of hashes that live in different shards. */
	send_all(out, udp_scrape_encode(world.id, ++world.transaction, hashes, 8, out));
	check_transaction(UDP_SCRAPE);
	CHECK_INT(udp_scrape_reply_decode(bytes_of(world.reply, world.len), hashes, 8, rows), 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK_INT(rows[i].incomplete, 2);
	end();
	begin(threads);
	connect_tracker();
	index_udp_counts(world.udp, &counts);
	CHECK_INT(counts.announces, 0);
	end();
}

TEST(announces_and_scrapes_are_answered_by_one_thread)
{
	check_announces(1);
}

TEST(announces_and_scrapes_are_answered_by_three_threads)
{
	check_announces(3);
}

TEST(another_holder_of_the_shards_sees_what_was_announced)
{
	struct announce_peer peers[ANNOUNCE_PEERS_MAX];
	struct announce_reply reply;
	struct shard_hold hold;
	struct scrape_row row;
	uint64_t swarms, n;

	begin(2);
	connect_tracker();
	for (uint32_t word = 0; word < 10; word++)
		announce(word, 7000, &reply, peers);
	shards_totals(world.shards, &swarms, &n);
	CHECK_INT(swarms, 10);
	CHECK_INT(n, 10);
	hold = (struct shard_hold){.all = world.shards};
	tracker_scrape(shards_enter(&hold, announce_of(7, 1).info_hash),
		       announce_of(7, 1).info_hash, 0, &row);
	shards_leave(&hold);
	CHECK_INT(row.incomplete, 1);
	end();
}

/* O-23, O-25 */
TEST(requests_without_a_good_connection_id_are_not_answered)
{
	struct announce a = announce_of(1, 7000);
	uint8_t out[UDP_REQUEST_MAX], hash[20] = {0};
	struct index_udp_counts counts;
	int own = -1;

	begin(1);
	connect_tracker();
	for (unsigned i = 0; i < 200; i++) {
		uint64_t wrong = i == 0 ? 0 : world.id + i;

		send_all(out, udp_announce_encode(wrong, 9, &a, bytes_of(NULL, 0), out));
		send_all(out, udp_scrape_encode(wrong, 9, hash, 1, out));
	}
	check_silence();
	/* The id of another address. */
	own = world.client;
	world.client = client_at("127.0.0.2");
	send_all(out, udp_announce_encode(world.id, 9, &a, bytes_of(NULL, 0), out));
	check_silence();
	close(world.client);
	/* And of another port of the same one: NATs change it. */
	world.client = client_at("127.0.0.1");
	send_all(out,
		 udp_announce_encode(world.id, ++world.transaction, &a, bytes_of(NULL, 0), out));
	check_transaction(UDP_ANNOUNCE);
	index_udp_counts(world.udp, &counts);
	CHECK(counts.ignored >= 401);
	close(own);
	end();
}

/* O-24, O-25 */
TEST(datagrams_of_every_length_and_action_without_an_id_are_not_answered)
{
	uint8_t raw[2048] = {0};

	begin(1);
	for (uint32_t action = 0; action < 5; action++) {
		put_be32(raw + 8, action);
		for (size_t n = 0; n <= sizeof(raw); n += n < 120 ? 1 : 61) {
			send_all(raw, n);
			if (n % 32 == 0)
				check_silence();
		}
		check_silence();
	}
	end();
}

/* O-24 */
TEST(requests_of_every_length_with_an_id_are_answered_rightly_or_with_an_error)
{
	uint8_t raw[2048] = {0};

	begin(1);
	connect_tracker();
	put_be64(raw, world.id);
	for (size_t n = 16; n <= UDP_REQUEST_MAX; n += n < 140 ? 1 : 37) {
		size_t whole = (n - 16) / 20;
		bool good = whole > 0 && whole <= SCRAPE_HASHES_MAX;

		put_be32(raw + 8, UDP_SCRAPE);
		put_be32(raw + 12, ++world.transaction);
		send_all(raw, n);
		check_transaction(good ? UDP_SCRAPE : UDP_ERROR);
		if (good)
			CHECK_INT(world.len, 8 + 12 * whole);
		put_be32(raw + 8, UDP_ANNOUNCE);
		put_be32(raw + 12, ++world.transaction);
		put_be16(raw + 96, 7000);
		send_all(raw, n);
		check_transaction(n >= 98 ? UDP_ANNOUNCE : UDP_ERROR);
		memset(raw + 96, 0, 2);
	}
	end();
}

TEST(refusals_have_their_reason_and_are_counted)
{
	struct announce a = announce_of(1, 7000);
	struct index_udp_counts counts;
	struct announce_reply reply;
	uint8_t out[UDP_REQUEST_MAX];
	size_t len;

	begin(1);
	connect_tracker();
	len = udp_announce_encode(world.id, ++world.transaction, &a, bytes_of(NULL, 0), out);
	memset(out + 96, 0, 2);
	send_all(out, len);
	check_transaction(UDP_ERROR);
	CHECK_INT(
	    udp_announce_reply_decode(bytes_of(world.reply, world.len), false, &reply, NULL, 0), 0);
	CHECK_STR(reply.failure, "port is 0");
	put_be32(out + 8, UDP_SCRAPE);
	put_be32(out + 12, ++world.transaction);
	send_all(out, 16 + 19);
	check_transaction(UDP_ERROR);
	index_udp_counts(world.udp, &counts);
	CHECK_INT(counts.announces, 1);
	CHECK_INT(counts.refused, 1);
	CHECK_INT(counts.scrapes, 1);
	CHECK_INT(counts.scrapes_refused, 1);
	end();
}

TEST(it_ends_at_once_while_datagrams_pour_in)
{
	uint8_t out[UDP_REQUEST_MAX];

	begin(2);
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = udp_connect_encode(i, out);

		(void)!send(world.client, out, len, 0);
	}
	end();
}

TEST(a_taken_port_is_told)
{
	struct err_info info = {0};
	struct index_udp *second = NULL;

	begin(1);
	CHECK_INT(index_udp_new("127.0.0.1", index_udp_port(world.udp), 1, &second, &info),
		  ERR_EXISTS);
	CHECK(second == NULL && info.text[0] != '\0');
	end();
}
