#include "cli/opts_table.h"

#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(struct opts, member)
static const struct option options[] = {
    {"help", 'h', KIND_HELP, 0, NULL, true},
    {"index", 0, KIND_TEXT, AT(index), "SHOAL_INDEX", true},
    {"token", 0, KIND_TEXT, AT(token), "SHOAL_TOKEN", true},
    {"pin", 0, KIND_TEXT, AT(pin), "SHOAL_PIN", true},
    {"port", 0, KIND_PORT, AT(port), "SHOAL_PORT", true},
    {"json", 0, KIND_FLAG, AT(json), NULL, true},
    {"quiet", 'q', KIND_FLAG, AT(quiet), NULL, true},
    {"verbose", 'v', KIND_COUNT, AT(verbose), NULL, true},
    {"progress", 0, KIND_TEXT, AT(progress), NULL, true},
    {"latest", 0, KIND_FLAG, AT(latest), NULL, false},
    {"seed", 0, KIND_FLAG, AT(seed), NULL, false},
    {"seed-ratio", 0, KIND_RATIO, AT(seed_limit.ratio_milli), NULL, false},
    {"seed-time", 0, KIND_TIME, AT(seed_limit.time_s), NULL, false},
    {"name", 0, KIND_TEXT, AT(name), NULL, false},
    {"as", 0, KIND_TEXT, AT(as), NULL, false},
    {"out", 'o', KIND_FILE, AT(out), NULL, false},
    {"input-file", 'i', KIND_FILE, AT(input), NULL, false},
    {"listen", 0, KIND_TEXT, AT(listen), NULL, false},
    {"data", 0, KIND_FOLDER, AT(data), NULL, false},
    {"on-complete", 0, KIND_TEXT, AT(on_complete), NULL, false},
    {"webhook", 0, KIND_LIST, AT(webhooks), NULL, false},
    {"no-map", 0, KIND_FLAG, AT(no_map), "SHOAL_NO_MAP", false},
    {"encryption", 0, KIND_TEXT, AT(encryption), "SHOAL_ENCRYPTION", false},
    {"transport", 0, KIND_TEXT, AT(transport), "SHOAL_TRANSPORT", false},
    {"no-lsd", 0, KIND_FLAG, AT(no_lsd), "SHOAL_NO_LSD", false},
    {"no-dht", 0, KIND_FLAG, AT(no_dht), "SHOAL_NO_DHT", false},
    {"dht-node", 0, KIND_LIST, AT(dht_nodes), NULL, false},
    {"sign", 0, KIND_FLAG, AT(sign), NULL, false},
    {"salt", 0, KIND_TEXT, AT(salt), NULL, false},
    {"no-sandbox", 0, KIND_FLAG, AT(no_sandbox), "SHOAL_NO_SANDBOX", false},
    {"beneath", 0, KIND_LIST, AT(beneath), NULL, false},
    {"no-udp", 0, KIND_FLAG, AT(no_udp), NULL, false},
    {"no-lan", 0, KIND_FLAG, AT(no_lan), NULL, false},
    {"udp-threads", 0, KIND_NUMBER, AT(udp_threads), NULL, false},
    {"host", 0, KIND_LIST, AT(hosts), NULL, false},
    {"site", 0, KIND_LIST, AT(sites), NULL, false},
    {"trust-proxy", 0, KIND_LIST, AT(proxies), NULL, false},
    {"sites", 0, KIND_FILE, AT(sites_file), NULL, false},
    {"log", 0, KIND_FILE, AT(log), NULL, false},
    {"log-format", 0, KIND_TEXT, AT(log_format), NULL, false},
    {"tls-cert", 0, KIND_FILE, AT(tls_cert), NULL, false},
    {"tls-key", 0, KIND_FILE, AT(tls_key), NULL, false},
    {"tls-self-signed", 0, KIND_FLAG, AT(tls_self_signed), NULL, false},
    {"tracker", 0, KIND_LIST, AT(trackers), NULL, false},
    {"webseed", 0, KIND_LIST, AT(webseeds), NULL, false},
    {"peer", 0, KIND_LIST, AT(peers), NULL, false},
    {"from", 0, KIND_LIST, AT(from), NULL, false},
    {"v1-only", 0, KIND_FLAG, AT(v1_only), NULL, false},
    {"v2-only", 0, KIND_FLAG, AT(v2_only), NULL, false},
    {"private", 0, KIND_FLAG, AT(private), NULL, false},
    {"preallocate", 0, KIND_FLAG, AT(preallocate), NULL, false},
    {"all", 0, KIND_FLAG, AT(all), NULL, false},
    {"pieces", 0, KIND_FLAG, AT(pieces), NULL, false},
    {"piece-length", 0, KIND_SIZE, AT(piece_length), NULL, false},
    {"wait", 0, KIND_TIME, AT(wait_s), NULL, false},
    {"limit", 0, KIND_NUMBER, AT(limit), NULL, false},
    {"comment", 0, KIND_TEXT, AT(comment), NULL, false},
    {"accept-key", 0, KIND_FLAG, AT(accept_key), NULL, true},
    {"admin", 0, KIND_FLAG, AT(admin), NULL, false},
    {"right", 0, KIND_TEXT, AT(right), NULL, false},
    {"sort", 0, KIND_TEXT, AT(sort), NULL, false},
    {"description", 0, KIND_TEXT, AT(description), NULL, false},
    {"tag", 0, KIND_LIST, AT(tags), NULL, false},
    {"meta", 0, KIND_LIST, AT(notes), NULL, false},
    {"only", 0, KIND_LIST, AT(only), NULL, false},
    {"exclude", 0, KIND_LIST, AT(exclude), NULL, false},
    {"file", 0, KIND_LIST, AT(files), NULL, false},
    {"limit-down", 0, KIND_RATE, AT(limit_down), NULL, false},
    {"limit-up", 0, KIND_RATE, AT(limit_up), NULL, false},
    {"limit-at", 0, KIND_LIST, AT(limit_at), NULL, false},
    {"limit-lan", 0, KIND_FLAG, AT(limit_lan), NULL, false},
    {"no-upload", 0, KIND_FLAG, AT(no_upload), NULL, false},
    {"spool", 0, KIND_FILE, AT(spool), NULL, false},
    {"sequential", 0, KIND_FLAG, AT(sequential), NULL, false},
    {"ends-first", 0, KIND_FLAG, AT(ends_first), NULL, false},
    {"reuse", 0, KIND_FILE, AT(reuse), NULL, false},
    {"replace", 0, KIND_FLAG, AT(replace), NULL, false},
    {"follow", 0, KIND_FLAG, AT(follow), NULL, false},
    {"watch", 0, KIND_FLAG, AT(watch), NULL, false},
    {"settle", 0, KIND_TIME, AT(settle_s), NULL, false},
    {"rehash", 0, KIND_FLAG, AT(rehash), NULL, false},
    {"every", 0, KIND_TIME, AT(every_s), NULL, false},
    {"reply-delay", 0, KIND_NUMBER, AT(reply_delay_ms), NULL, false},
    {"drain", 0, KIND_FLAG, AT(drain), NULL, false},
    {"http-port", 0, KIND_PORT, AT(http_port), NULL, false},
    {"down", 0, KIND_RATE, AT(down), NULL, false},
    {"up", 0, KIND_RATE, AT(up), NULL, false},
    {"max-active", 0, KIND_NUMBER, AT(max_active), NULL, false},
    {"max-peers", 0, KIND_NUMBER, AT(max_peers), "SHOAL_MAX_PEERS", false},
    {"max-peers-per-transfer", 0, KIND_NUMBER, AT(max_peers_per_transfer),
     "SHOAL_MAX_PEERS_PER_TRANSFER", false},
    {"max-open-files", 0, KIND_NUMBER, AT(max_open_files), "SHOAL_MAX_OPEN_FILES", false},
    {"max-memory", 0, KIND_BYTES, AT(max_memory), "SHOAL_MAX_MEMORY", false},
    {"detach", 'd', KIND_FLAG, AT(detach), NULL, false},
    {"no-daemon", 0, KIND_FLAG, AT(no_daemon), NULL, false},
    {"queue-seeds", 0, KIND_FLAG, AT(queue_seeds), NULL, false},
    {"with-data", 0, KIND_FLAG, AT(with_data), NULL, false},
    {"no-seed", 0, KIND_FLAG, AT(no_seed), NULL, false},
    {"drain-timeout", 0, KIND_TIME, AT(drain_timeout_s), NULL, false},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct {
	const char *option, *words;
} choices[] = {
    {"sort", "name size date holders"},
    {"right", "read publish admin"},
    {"log-format", "text json"},
    {"progress", "auto json none"},
    {"encryption", "accept prefer require"},
    {"transport", "both tcp utp"},
};

const struct option *opts_table(size_t *n)
{
	*n = N_OPTIONS;
	return options;
}

bool opts_takes_value(const struct option *p)
{
	return p->kind != KIND_FLAG && p->kind != KIND_COUNT && p->kind != KIND_HELP;
}

const char *opts_choices(const struct option *p)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (strcmp(choices[i].option, p->name) == 0)
			return choices[i].words;
	return NULL;
}

bool opts_accepts(const struct command *c, const struct option *p)
{
	const char *rest = c == NULL ? NULL : c->accepts;
	size_t len = strlen(p->name);

	if (p->common || c == NULL)
		return true;
	while (rest != NULL && *rest != '\0') {
		size_t n = strcspn(rest, " ");

		if (n == len && strncmp(rest, p->name, len) == 0)
			return true;
		rest += n + strspn(rest + n, " ");
	}
	return false;
}

const struct option *opts_find(const char *name, size_t len)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

const struct option *opts_find_letter(char letter)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}
